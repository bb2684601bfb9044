"""Engines by name; and one entry is all that a new one takes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.measure.subject import Subject
from benchmarks.report.plots import choose_colours, short_label
from export import registry, runner
from gazeclip import __version__
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.layout import OUTPUTS
from gazeclip.bundle.write import write_bundle
from gazeclip.commands.preflight import preflight
from gazeclip.errors import ConfigError, Fault
from gazeclip.recipe.load import parse_recipe
from gazeclip.run import versions
from runtimes import ENGINES, engine_status, load
from runtimes.batches import infer_in_batches
from runtimes.cli import main
from runtimes.engines.base import Engine, Outputs, in_batches_of
from runtimes.engines.registry import EngineEntry, engine_made_for, find_engine
from runtimes.recent import recent_bundle


class DummyEngine(Engine):
    """Answers zeros; its library can be missing."""

    name = "dummy"
    fault: Fault | None = None

    @classmethod
    def find_fault(cls) -> Fault | None:
        return cls.fault

    def __init__(self, bundle: Bundle, threads: int, device: str | None = None) -> None:
        self.widths = (bundle.embedding_dim, len(bundle.classes), 1, 2)
        self.label = "dummy 1.0"

    def infer(self, images: np.ndarray) -> Outputs:
        shapes = zip(OUTPUTS, self.widths, strict=True)
        return {name: np.zeros((len(images), width), np.float32) for name, width in shapes}


@pytest.fixture
def dummy(monkeypatch: pytest.MonkeyPatch) -> type[DummyEngine]:
    """An engine for a format that no other reads: one module and one entry."""
    module = SimpleNamespace(DummyEngine=DummyEngine)
    monkeypatch.setitem(sys.modules, "dummy_engine", module)  # type: ignore[arg-type]
    entry = EngineEntry(
        "dummy_engine",
        "DummyEngine",
        title="The Dummy",
        formats=(".dummy",),
        packages=("dummy_library", "dummy"),
    )
    monkeypatch.setitem(ENGINES, "dummy", entry)
    return DummyEngine


@pytest.fixture
def bundle(contents: BundleContents, tmp_path: Path) -> Path:
    """A bundle of a recent run, whose target is called like its engine."""
    folder = tmp_path / "runs" / "r" / "export" / "dummy"
    folder.mkdir(parents=True)
    (tmp_path / "runs" / "r" / "recipe.yaml").write_text("{}")
    (folder / "model.dummy").write_bytes(b"zeros")
    write_bundle(folder, replace(contents, target="dummy", model_file="model.dummy"))
    return folder


@pytest.mark.parametrize("name", ENGINES)
def test_the_entry_says_what_the_class_says(name: str) -> None:
    engine = find_engine(name).load()
    assert issubclass(engine, Engine) and engine.name == name
    assert engine_made_for(f"model{ENGINES[name].formats[0]}") == name


def test_no_engine_is_made_for_an_unknown_file(bundle: Path) -> None:
    assert engine_made_for("model.dummy") is None
    with pytest.raises(ConfigError, match=r"no engine runs a 'dummy' bundle .* '\.dummy'"):
        load(bundle)


@pytest.mark.usefixtures("dummy")
def test_one_entry_and_its_versions_are_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"numpy": "1.0", "dummy-library": "7.5"}
    monkeypatch.setattr(versions, "installed_version", known.get)
    assert versions.read_versions() == {"gazeclip-edge": __version__, **known}


def test_one_entry_and_verification_knows_an_engine(
    dummy: type[DummyEngine],
    bundle: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(bundle.parents[3])
    assert recent_bundle("dummy").samefile(bundle)
    assert recent_bundle().samefile(bundle)
    assert engine_status()["dummy"] is None
    assert main(["list"]) == 0 and "dummy" in capsys.readouterr().out
    assert load(bundle).engine.label == "dummy 1.0"
    with pytest.raises(ConfigError, match="Did you mean 'dummy'"):
        load(bundle, "dumy")
    with pytest.raises(ConfigError, match="litert cannot run a 'dummy' bundle"):
        load(bundle, "litert")


def test_one_entry_and_exports_and_reports_know_an_engine(
    dummy: type[DummyEngine], bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = registry.Target("dummy_target", (), "onnx", engine="dummy", precisions=("int8",))
    monkeypatch.setitem(registry.TARGETS, "dummy", target)
    infer, engine = runner.open_runner(Bundle.load(bundle), 1)
    images = np.zeros((1, 32, 32, 3), np.uint8)
    assert engine == "dummy" and not infer(images)["gaze"].any()
    Subject("s", "student", engine, "int8", None, infer, 32).predict(images)
    entry = {"role": "student", "engine": engine, "precision": "int8"}
    assert short_label(entry) == "The Dummy int8" and choose_colours([entry]) == ["var(--c7)"]
    monkeypatch.setattr(dummy, "fault", Fault("'dummylib' is not installed", "Run: pip"))
    recipe = parse_recipe({"name": "x", "export": {"targets": ["dummy"], "precisions": ["int8"]}})
    with pytest.raises(ConfigError) as caught:
        preflight(recipe)
    assert "engine dummy: 'dummylib' is not installed. Run: pip" in str(caught.value)
    assert engine_status()["dummy"] == "'dummylib' is not installed. Run: pip"


def test_batches_keep_order_and_tell_their_progress() -> None:
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    sizes: list[int] = []
    told: list[tuple[int, int]] = []

    def infer(batch: np.ndarray) -> Outputs:
        sizes.append(len(batch))
        return {"x": batch.reshape(-1, 1)}

    outputs = infer_in_batches(infer, images, 2, lambda done, total: told.append((done, total)))
    assert outputs["x"][:, 0].tolist() == [0, 1, 2, 3, 4]
    assert sizes == [2, 2, 1] and told == [(2, 5), (4, 5), (5, 5)]


def test_a_fixed_batch_is_filled_up_and_cut_again() -> None:
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    sizes: list[int] = []

    def run(batch: np.ndarray) -> Outputs:
        sizes.append(len(batch))
        return {"x": batch.reshape(-1, 1)}

    assert in_batches_of(3, images, run)["x"][:, 0].tolist() == [0, 1, 2, 3, 4]
    assert sizes == [3, 3]


@pytest.mark.parametrize(
    ("target", "distribution"),
    [("onnx", "onnxruntime"), ("openvino", "openvino"), ("tflite", "ai-edge-litert")],
)
def test_verdicts_name_the_release_that_is_installed(
    bundles: dict[str, Path], target: str, distribution: str
) -> None:
    release = metadata.version(distribution)
    assert f" {release} " in load(bundles[target]).engine.label


def test_a_start_imports_nothing_that_only_films_or_messages_need() -> None:
    unneeded = ["importlib.metadata", "runtimes.video.film", "argparse"]
    # without `site`, whose finder of an editable installation imports what it likes
    program = f"import sys; sys.path[:0] = {sys.path!r}; from runtimes import load; "
    program += f"print([name for name in {unneeded} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
