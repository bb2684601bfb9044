"""A generator that is left out: the plan of the twin, and its figures against naive loops."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import text_bank_left_out
from benchmarks.text_bank_left_out import (
    ABSENT,
    LEARNED,
    Measured,
    describe_left_out,
    measure_left_out,
    open_trained,
    plan_twin,
    print_taken_for,
    train_twin,
)
from benchmarks.text_bank_scores import TRAINED, Faces, Row, Share
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BundleClass
from gazeclip.bundle.text_bank import BankRow, TextBankFile
from gazeclip.data.manifest import Manifest, read_manifest
from gazeclip.errors import ArtifactError, ConfigError
from gazeclip.faces.dataset import CROP, write_dataset
from gazeclip.images.crop_rule import CropRule
from gazeclip.recipe.faces import FacesConfig
from gazeclip.recipe.load import load_recipe
from gazeclip.recipe.shipped import find_recipe
from gazeclip.run.crop import find_crop_rule
from gazeclip.stages.data import run_stage as prepare_data
from gazeclip.taxonomy import Taxonomy
from gazeclip.teacher.model import GazeCLIP
from tests.gazeclip.teacher.tiny import HYBRID, TAXONOMY

NAME = "swap_gan"
TRAINED_ON = [label for label in TAXONOMY.classes() if label != NAME]
TUNED = ("train", "val", "calibration")
_COUNTS = {
    f"{split}_{kind}": count
    for split in ("train", "val", "calibration", "test", "unseen")
    for kind, count in (("real", 2), ("fake", 1))
}
FEW = FacesConfig(size=32, identities=60, **_COUNTS)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    path = write_dataset(tmp_path_factory.mktemp("drawn"), FEW, processes=1)
    return read_manifest(path, TAXONOMY, check_images=False)


def context_of(manifest: Manifest, root: Path, crop: CropRule | None = CROP) -> Any:
    return SimpleNamespace(
        run=SimpleNamespace(root=root, name=root.name),
        recipe=load_recipe(find_recipe("demo")),
        manifest=manifest,
        classes=manifest.classes,
        crop=crop,
    )


def key(sample: Any) -> tuple[Any, ...]:
    return sample.path.name, sample.label, sample.identity, sample.gaze


def test_the_twin_learns_from_the_same_images_but_those_of_the_generator(
    drawn: Manifest, tmp_path: Path
) -> None:
    context = context_of(drawn, tmp_path / "demo")
    plan = plan_twin(context, NAME, tmp_path / "twin")
    assert plan.data.manifest is not None
    taxonomy = Taxonomy.load(plan.data.taxonomy)
    found = read_manifest(Path(plan.data.manifest), taxonomy)  # as a training does
    assert list(found.classes) == TRAINED_ON
    for split in TUNED:
        wanted = [key(sample) for sample in drawn.split(split) if sample.label != NAME]
        assert [key(sample) for sample in found.split(split)] == wanted
    moved = [key(sample) for sample in drawn.split("test") if sample.label == NAME]
    assert moved and moved == [key(s) for s in found.split("test_unseen") if s.label == NAME]
    # Nothing else of the recipe differs: the two students have one seed and one schedule.
    assert replace(plan, name=context.recipe.name, data=context.recipe.data) == context.recipe
    assert (
        replace(
            plan.data,
            manifest=None,
            taxonomy="demo",
            **dict.fromkeys(("crop", "crop_side", "crop_lift")),
        )
        == context.recipe.data
    )
    assert plan.name == "demo-without-swap_gan"


@pytest.mark.parametrize("rule", [CROP, CropRule("whole"), None])
def test_the_twins_bundle_cuts_photographs_as_the_runs(
    drawn: Manifest, tmp_path: Path, rule: CropRule | None
) -> None:
    plan = plan_twin(context_of(drawn, tmp_path / "demo", rule), NAME, tmp_path / "twin")
    assert find_crop_rule(plan.data, drawn.crop) == rule


@pytest.mark.parametrize("name", ["real", "synth_gan_v2", "swap_gann"])
def test_what_the_run_was_not_trained_on_cannot_be_left_out(
    drawn: Manifest, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigError, match=f"was not trained on the generator '{name}'"):
        plan_twin(context_of(drawn, tmp_path / "demo"), name, tmp_path / "twin")
    assert not list(tmp_path.iterdir())


def test_all_that_learns_is_trained_in_the_twin_and_once_only(
    drawn: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, Path]] = []
    exported: list[Any] = []
    recent: list[Path] = []

    def run_stage(run: Any, name: str) -> None:
        if name == "data":
            prepare_data(run)
        done.append((name, run.root))

    monkeypatch.setattr(text_bank_left_out, "run_stage", run_stage)
    monkeypatch.setattr("export.stage.export_one", lambda *each: exported.append(each))
    context = context_of(drawn, tmp_path / "demo")
    context.run.mark_recent = lambda: recent.append(context.run.root)
    twin = train_twin(context, NAME)
    root = tmp_path / "demo-without-swap_gan"
    assert done == [(name, root) for name in LEARNED] and twin.root == root
    exporter, *what = exported[0]
    assert exporter.external_bank and exporter.run == twin and what == ["onnx", "fp32"]
    assert list(exporter.context.classes) == TRAINED_ON
    before = twin.output_hash("data")
    train_twin(context, NAME)  # as after a kill
    assert twin.output_hash("data") == before
    assert recent == [tmp_path / "demo"] * 2  # a command that names no run means this one


def test_a_bundle_of_another_teacher_is_refused_before_any_training(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SimpleNamespace(
        root="runs/demo", manifest=lambda stage: {}, folder=lambda stage: bundles["onnx"]
    )
    context: Any = SimpleNamespace(run=run)
    monkeypatch.setattr(
        text_bank_left_out, "open_run_bank", lambda _: SimpleNamespace(teacher="e" * 64)
    )
    with pytest.raises(ArtifactError, match="and run runs/demo is of eeee"):
        open_trained(context)


def draw(centre: np.ndarray, label: str, count: int, seed: int) -> Faces:
    """Images near a row, of as many persons."""
    noise = np.random.default_rng(seed).normal(size=(count, len(centre)))
    values = centre + 0.12 * noise
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    persons = np.array([f"{label} {number}" for number in range(count)])
    return Faces(values.astype(np.float32), np.full(count, label), persons)


def join(parts: list[Faces]) -> Faces:
    values = [np.concatenate([getattr(part, key) for part in parts]) for key in vars(parts[0])]
    return Faces(*values)


class Pair:
    """Two students by made-up embeddings: `without` and `trained`, each with its bank."""

    def __init__(self, teacher: GazeCLIP) -> None:
        names = list(TAXONOMY.classes())
        rows = teacher.encode_text()[0].detach().numpy()
        self.banks = {}
        self.faces: dict[tuple[str, str], Faces] = {}
        for seed, (who, classes) in enumerate((("without", TRAINED_ON), ("trained", names))):
            values = rows[[names.index(name) for name in classes]]
            entries = tuple(BundleClass(**item) for item in TAXONOMY.describe(classes))
            self.banks[who] = TextBankFile(values, entries, (BankRow("text"),) * len(classes), who)
            # Images of the class lie by its row where it was trained, and else between two others.
            place = rows[names.index(NAME)] if who == "trained" else rows[1] + rows[4]
            own = draw(place / np.linalg.norm(place), NAME, 30, 10 + seed)
            test = [draw(values[k], name, 12, 20 * seed + k) for k, name in enumerate(TRAINED_ON)]
            self.faces[who, "test"] = join(test)
            self.faces[who, "test_unseen"] = join([own, draw(rows[0], "swap_alpha", 5, 3)])


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Pair:
    torch.manual_seed(0)
    prompts = [TAXONOMY.prompts(name) for name in TRAINED_ON]
    teacher = GazeCLIP(HYBRID, [TAXONOMY.prompts(name) for name in TAXONOMY.classes()], 64).eval()
    made = Pair(teacher)
    without = GazeCLIP(HYBRID, prompts, 64).eval()
    assert without.lre.find_unknown_words(TAXONOMY.prompts(NAME)[3]) == []
    monkeypatch.setattr("benchmarks.text_bank.load_teacher", lambda _: teacher)
    monkeypatch.setattr(text_bank_left_out, "load_teacher", lambda _: teacher)
    monkeypatch.setattr(text_bank_left_out, "open_bundle_bank", lambda of: made.banks[of])
    monkeypatch.setattr(
        text_bank_left_out, "read_faces", lambda _, of, split: made.faces[of.bundle, split]
    )
    return made


def test_both_students_judge_the_same_images(pair: Pair) -> None:
    context: Any = SimpleNamespace(taxonomy=TAXONOMY)
    without, trained = (SimpleNamespace(bundle=who) for who in ("without", "trained"))
    found = measure_left_out(context, without, trained, NAME, 3)  # type: ignore[arg-type]
    by_name, *by_images, last = found.rows
    assert by_name.made == "text, 4 of 4 levels" and len(by_images) == 3 and last.made == TRAINED
    for who, row in (("without", by_name), ("trained", last)):
        bank = pair.banks[who]
        names = [entry.name for entry in bank.classes]
        values = list(bank.embeddings)
        if who == "without":
            names.append(NAME)
            values.append(pair.banks["trained"].embeddings[list(TAXONOMY.classes()).index(NAME)])
        own = pair.faces[who, "test_unseen"]
        best = [
            names[max(range(len(names)), key=lambda k: float(image @ values[k]))]
            for image in own.embeddings[own.labels == NAME]
        ]
        assert found.taken_for[row.made] == Counter(best)
        assert row.own is not None and row.own.n == 30
        assert row.own.value == pytest.approx(best.count(NAME) / 30)
        test = pair.faces[who, "test"]
        kept = 0
        for image, label in zip(test.embeddings, test.labels, strict=True):
            kept += names[max(range(len(names)), key=lambda k: float(image @ values[k]))] == label
        assert row.after is not None and row.after.value == pytest.approx(kept / len(test.labels))
    assert last.own is not None and 0 < last.own.value < 1
    for row in by_images:
        assert row.own is not None and row.own.n == 20  # the ten are of ten persons
    assert NAME not in found.taken_for[ABSENT] and sum(found.taken_for[ABSENT].values()) == 30


def test_the_figures_say_whose_they_are(
    bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    row = Row(NAME, TRAINED, Share(0.5, (0.25, 0.75), 4), None, None, None)
    found = Measured([row], {ABSENT: {"real": 2, "synth_gan": 1}})
    verifiers: Any = [
        SimpleNamespace(bundle=Bundle.load(bundles[name])) for name in ("onnx", "openvino")
    ]
    facts = describe_left_out(found, *verifiers, NAME, 2)
    assert (facts["left_out"], facts["rounds"], facts["images"]) == (NAME, 2, 10)
    digests = [facts[key]["digest"] for key in ("bundle", "trained_with_it")]
    assert digests == [verifier.bundle.meta["digest"] for verifier in verifiers]
    assert facts["rows"][0]["own"]["value"] == 0.5 and facts["taken_for"] == found.taken_for
    print_taken_for(found.taken_for)
    assert capsys.readouterr().out == "no row: its images are taken for real 2, synth_gan 1\n"
