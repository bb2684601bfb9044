"""Bundles that take a text bank: other classes, the same detection, and what does not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BankInput, BundleClass, BundleContents
from gazeclip.bundle.parts import write_text_bank
from gazeclip.bundle.text_bank import BankRow, TextBankFile
from gazeclip.bundle.write import write_bundle
from gazeclip.cli.guard import EXIT_ERROR, describe_error
from gazeclip.errors import ArtifactError, BundleError, ConfigError
from gazeclip.scoring.evidence import Evidence
from runtimes import load
from runtimes.cli import main
from tests.conftest import CLASSES, DIM, onnx_model

pytest.importorskip("onnxruntime")
TEACHER = "a" * 64
STUDENT = "c" * 64
DETECTION = Evidence(("detection",), (0.7,), 0.1, -6.0, 5.7)
NEW = BundleClass("new", "a new GAN", "face_swap", "gan")


def write_onnx(path: Path, weights: dict[str, np.ndarray]) -> None:
    """The network of `tests/conftest.py`, its bank an input with a free number of rows."""
    import onnx

    model = onnx_model(weights)
    graph = model.graph
    (constant,) = [item for item in graph.initializer if item.name == "scaled_bank"]
    graph.initializer.remove(constant)
    graph.initializer.append(onnx.numpy_helper.from_array(weights["scale"], "scale"))
    graph.input.append(
        onnx.helper.make_tensor_value_info("text_bank", onnx.TensorProto.FLOAT, ["classes", DIM])
    )
    place = [node.output[0] for node in graph.node].index("logits")
    graph.node.insert(place, onnx.helper.make_node("Mul", ["text_bank", "scale"], ["scaled_bank"]))
    for item in graph.output:
        if item.name == "logits":
            item.type.tensor_type.shape.dim[1].dim_param = "classes"
    onnx.save(model, str(path))


@pytest.fixture
def external(contents: BundleContents, weights: dict[str, np.ndarray], tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_onnx(folder / "model.onnx", weights)
    told = replace(
        contents,
        evidence=DETECTION,
        bank_input=BankInput("text_bank", None),
        provenance={**contents.provenance, "student_sha256": STUDENT},
    )
    write_bundle(folder, told)
    return folder


@pytest.fixture
def bank(weights: dict[str, np.ndarray]) -> TextBankFile:
    """The bundle's classes and one more, between two of them."""
    rows = (BankRow("text"),) * len(CLASSES)
    own = TextBankFile(weights["bank"], tuple(CLASSES), rows, TEACHER)
    values = weights["bank"][1] + weights["bank"][3]
    values /= np.linalg.norm(values)
    return own.add(NEW, BankRow("text"), values)


@pytest.fixture
def file(bank: TextBankFile, tmp_path: Path) -> Path:
    path = tmp_path / "bank.safetensors"
    bank.write(path)
    return path


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_class_more_changes_attribution_and_not_detection(
    external: Path,
    file: Path,
    bank: TextBankFile,
    photos: dict[str, Path],
    reference: Callable[[np.ndarray], dict[str, np.ndarray]],
    engine: str,
) -> None:
    pytest.importorskip(engine)
    images = [photos[name] for name in ("real", "fake", "unsure", "whole")]
    before = load(external, engine, threads=1)
    after = load(external, engine, threads=1, text_bank=file)
    for old, new in zip(before.verify(images), after.verify(images), strict=True):
        assert (new.verdict, new.llr, new.gaze) == (old.verdict, old.llr, old.gaze)
        assert new.fake_probability == old.fake_probability
        assert {entry.name for entry in new.attribution} == {"new", "swap", "gan", "flow", "real"}
        assert len(old.attribution) == 4
    pixels = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    logits = 5.0 * reference(pixels)["embedding"] @ bank.embeddings.T
    np.testing.assert_allclose(after.infer(pixels)["logits"], logits, atol=2e-5)
    raw = [verifier.infer(pixels)["fake_logit"] for verifier in (before, after)]
    np.testing.assert_array_equal(raw[0], raw[1])
    # The golden outputs are of the bundle's own classes, and hold with others loaded too.
    assert before.self_test() == after.self_test()


def test_the_command_takes_a_bank(
    external: Path, file: Path, photos: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["verify", str(photos["fake"]), "--bundle", str(external), "--json"]
    main([*given, "--text-bank", str(file), "--self-test"])
    (found,) = json.loads(capsys.readouterr().out)["results"]
    assert "new" in json.dumps(found)


def write_with_facts(file: Path, bank: TextBankFile, **changed: Any) -> None:
    """A bank's file as its own writer would refuse it."""
    facts = {
        "kind": "gazeclip-text-bank",
        "version": 1,
        "teacher_sha256": bank.teacher,
        "student_sha256": bank.student,
        "classes": [asdict(entry) for entry in bank.classes],
        "rows": [asdict(row) for row in bank.rows],
    }
    write_text_bank(file, bank.embeddings, json.dumps({**facts, **changed}))


@pytest.mark.parametrize("teacher", [None, "", 5, []])
def test_a_bank_that_names_no_teacher_ends_as_one_line(
    external: Path, photos: dict[str, Path], bank: TextBankFile, file: Path, teacher: Any
) -> None:
    write_with_facts(file, bank)
    load(external, text_bank=file)  # else the file would be as it should
    write_with_facts(file, bank, teacher_sha256=teacher)
    given = ["verify", str(photos["fake"]), "--bundle", str(external), "--text-bank", str(file)]
    with pytest.raises(Exception, match=r"teacher_sha256|SHA-256") as caught:
        main(given)
    message, code = describe_error(caught.value)
    assert code == EXIT_ERROR and str(file) in message and "\n" not in message


def test_banks_that_do_not_belong_to_a_bundle(
    external: Path, bundles: dict[str, Path], bank: TextBankFile, file: Path
) -> None:
    with pytest.raises(ConfigError, match="are part of its model") as caught:
        load(bundles["onnx"], text_bank=file)
    assert "--text-bank external" in str(caught.value)
    replace(bank, teacher="e" * 64).write(file)
    with pytest.raises(ArtifactError, match="is of the teacher eeeeeeeeeeee, the bundle of aaaa"):
        load(external, text_bank=file)
    rows = (*bank.rows[:-1], BankRow("images", ("f" * 64,)))
    replace(bank, student="e" * 64, rows=rows).write(file)
    with pytest.raises(ArtifactError, match="is of the student eeeeeeeeeeee, the bundle of cccc"):
        load(external, text_bank=file)
    short = bank.embeddings[:, :4] / np.linalg.norm(bank.embeddings[:, :4], axis=1, keepdims=True)
    replace(bank, embeddings=short).write(file)
    with pytest.raises(ArtifactError, match="has rows of 4 values"):
        load(external, text_bank=file)


def test_no_bank_fits_a_bundle_that_names_no_teacher(
    external: Path, contents: BundleContents, file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "unnamed"
    folder.mkdir()
    shutil.copyfile(external / "model.onnx", folder / "model.onnx")
    unnamed = {key: value for key, value in contents.provenance.items() if "teacher" not in key}
    port = BankInput("text_bank", None)
    told = replace(contents, evidence=DETECTION, bank_input=port, provenance=unnamed)
    write_bundle(folder, told)
    with pytest.raises(ArtifactError, match="teacher aaaaaaaaaaaa, the bundle does not say"):
        load(folder, text_bank=file)


def test_the_schema_tells_readers_that_they_must_feed_it(external: Path) -> None:
    bundle = Bundle.load(external)
    assert bundle.meta["schema"] == 3 and bundle.meta["text_bank"] == {
        "name": "text_bank",
        "rows": None,
    }
    assert bundle.bank_input == BankInput("text_bank", None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"evidence": Evidence(("margin",), (0.7,), 0.1, -6.0, 5.7)}, "only weigh 'detection'"),
        ({"bank_input": BankInput("text_bank", 3)}, "3 rows for 4 classes"),
    ],
)
def test_a_bundle_whose_detection_could_change_is_not_written(
    external: Path, contents: BundleContents, tmp_path: Path, change: Any, words: str
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    shutil.copyfile(external / "model.onnx", folder / "model.onnx")
    told = replace(contents, evidence=DETECTION, bank_input=BankInput("text_bank", None))
    with pytest.raises(BundleError, match=words):
        write_bundle(folder, replace(told, **change))
