"""Other rates for finished bundles: the table, the copies, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.thresholds import name_point
from gazeclip.bundle.bundle import Bundle
from gazeclip.errors import BundleError, ConfigError, StageError
from gazeclip.run.context import Context
from gazeclip.run.folder import Run
from runtimes import ENGINES, load
from tests.benchmarks.hand_made import make_run

__all__ = ["make_run"]  # a fixture


def test_copies_carry_the_point_and_the_run_stays_as_it_is(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = run.folder("export/onnx")
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    out = tmp_path / "copies"
    command = ["thresholds", "--run", str(run.root), "--target-fpr", "0.25", "--out", str(out)]
    assert main([*command, "--target-miss", "0.3"]) == 0
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    text = capsys.readouterr().out
    assert "fpr25-miss30" in text and "onnx (onnxruntime)" in text and "openvino (openvino)" in text
    original = Bundle.load(source)
    copy = Bundle.load(out / "onnx")
    assert copy.model_path.read_bytes() == original.model_path.read_bytes()
    assert copy.operating_points["fpr1"] == original.operating_points["fpr1"]
    # Two real images show nothing of a rate of 1 in 4: the threshold lies just above both.
    context = Context(run)
    verifier = load(source, threads=1)
    samples = context.manifest.split("calibration")
    outputs = [verifier.infer(context.contract.apply(sample.path)[None]) for sample in samples]
    llr = np.concatenate(
        [original.evidence.weigh_unlimited(one["fake_logit"], one["logits"]) for one in outputs]
    )
    real = np.array([sample.label == "real" for sample in samples])
    point = copy.operating_points["fpr25-miss30"]
    assert point.fake_from == pytest.approx(llr[real].max()) and point.fpr_bound > 0.25
    assert point.real_below <= llr[~real].max() and point.n_fake == (~real).sum()
    assert copy.evidence.highest >= point.fake_from and copy.evidence.lowest <= point.real_below
    found = load(out / "onnx", threads=1).verify(samples[0].path, "fpr25-miss30")[0]
    assert found.operating_point == "fpr25-miss30"
    assert "| fpr25-miss30 |" in (out / "onnx" / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_faulty_requests_change_nothing(run: Run, tmp_path: Path) -> None:
    for wrong in ("0", "1", "nan", "-0.1"):
        with pytest.raises(ConfigError, match="is no rate"):
            main(["thresholds", "--run", str(run.root), "--target-fpr", wrong])
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        main(["thresholds", "--run", str(run.root), "--target-fpr", "0.1", "--out", str(taken)])
    assert [path.name for path in taken.iterdir()] == ["notes.txt"]
    with pytest.raises(ConfigError, match="is no folder"):
        out = str(taken / "notes.txt")
        main(["thresholds", "--run", str(run.root), "--target-fpr", "0.1", "--out", out])
    with pytest.MonkeyPatch.context() as broken:
        for entry in ENGINES.values():
            broken.setattr(entry.load(), "available", classmethod(lambda cls: "not here"))
        with pytest.raises(StageError, match="can be run here"):
            main(["thresholds", "--run", str(run.root), "--target-fpr", "0.1"])
    shutil.rmtree(run.folder("export"))
    with pytest.raises(StageError, match="has no bundle"):
        main(["thresholds", "--run", str(run.root), "--target-fpr", "0.1"])


def test_a_tampered_bundle_is_not_copied(run: Run, tmp_path: Path) -> None:
    meta = run.folder("export/onnx") / "bundle.json"
    changed = json.loads(meta.read_text()) | {"licence": "mine"}
    meta.write_text(json.dumps(changed))
    out = tmp_path / "copies"
    with pytest.raises(BundleError, match="digest differs"):
        main(["thresholds", "--run", str(run.root), "--target-fpr", "0.1", "--out", str(out)])
    assert not out.exists()


def test_points_are_named_by_their_rate_in_percent() -> None:
    names = [name_point(rate, 0.05, 0.05) for rate in (0.005, 0.01, 0.001, 0.25)]
    assert names == ["fpr0.5", "fpr1", "fpr0.1", "fpr25"]
    assert name_point(0.01, 0.1, 0.05) == "fpr1-miss10"
