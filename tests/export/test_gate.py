"""A file against its twin on the images of a run: what is judged, written and refused."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from export.gate import GateOptions, build_table, parse_max_drop, refuse_rejected_files
from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.rule import Rule
from gazeclip.data.rows import Sample
from gazeclip.errors import GateError, StageError
from gazeclip.files.atomic import write_json
from gazeclip.recipe.stages import GateConfig
from gazeclip.run.folder import Run
from gazeclip.scoring.evidence import Evidence
from gazeclip.stages.gate import build_entry, judge_by_config, judge_outputs, read_truth

CLASSES = ("real", "swap")
EVIDENCE = Evidence(("detection",), (2.0,), -1.0, -3.0, 3.0)
CONFIG = GateConfig(rounds=100)
RULE = Rule(EVIDENCE, OperatingPoint("fpr1", fake_from=1.0, real_below=-1.0))


def build_context(gaze: Any = (0.1, 0.0), kind: str = "small") -> Any:
    """Val holds 40 real and 40 forged images, each of another person."""
    samples = [
        Sample(Path(f"{n}.jpg"), CLASSES[n % 2], "val", f"person {n}", gaze) for n in range(80)
    ]
    model = SimpleNamespace(gaze=SimpleNamespace(kind=kind))
    recipe = SimpleNamespace(teacher=SimpleNamespace(model=model))
    manifest = SimpleNamespace(split=lambda split: samples if split == "val" else [])
    return SimpleNamespace(
        recipe=recipe,
        manifest=manifest,
        classes=CLASSES,
        list_targets=lambda split: np.array([n % 2 for n in range(80)]),
    )


def build_outputs(shift: float = 0.0) -> dict[str, np.ndarray]:
    targets = np.array([n % 2 for n in range(80)])
    fake_logit = (4.0 * targets - 2.0 - shift * targets)[:, None]
    logits = np.stack([1.0 - targets, targets.astype(float)], axis=1)
    return {"fake_logit": fake_logit, "logits": logits, "gaze": np.full((80, 2), 0.1)}


def test_outputs_are_judged_by_the_rule_they_are_given() -> None:
    judged = judge_outputs(build_outputs(), RULE)
    targets = np.array([n % 2 for n in range(80)])
    assert (judged.rank == 2.0 * (4.0 * targets - 2.0) - 1.0).all()  # weight and bias
    assert (judged.llr == np.where(targets, 3.0, -3.0)).all()  # its limits
    assert (judged.called_fake == (targets == 1)).all() and (judged.named == targets).all()


def test_gaze_without_any_label_is_left_to_the_twin() -> None:
    truth = read_truth(build_context(gaze=None))
    assert truth.gaze is None
    labelled = read_truth(build_context())
    assert labelled.gaze is not None and labelled.gaze.shape == (80, 2)
    assert len(np.unique(labelled.persons)) == 80
    assert labelled.has_gaze and not read_truth(build_context(kind="none")).has_gaze


@pytest.mark.parametrize(
    ("shift", "allowed", "outcome", "accepted"),
    [
        (0.0, False, "cannot tell", False),  # nothing differs, and 40 forged images are too few
        (0.0, True, "cannot tell", True),
        (4.0, True, "fail", False),  # every forgery is missed: evidence enough
    ],
)
def test_what_is_accepted(shift: float, allowed: bool, outcome: str, accepted: bool) -> None:
    config = GateConfig(rounds=100, allow_undecided=allowed)
    truth = read_truth(build_context())
    before = judge_outputs(build_outputs(), RULE)
    gate = judge_by_config(config, before, judge_outputs(build_outputs(shift), RULE), truth, 0)
    entry = build_entry(config, gate, truth, twin="t")
    assert (entry["outcome"], entry["accepted"]) == (outcome, accepted)
    assert (entry["n_real"], entry["n_fake"], entry["twin"]) == (40, 40, "t")


def test_rejected_files_are_named_with_their_table_and_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = read_truth(build_context())
    before = judge_outputs(build_outputs(), RULE)
    gate = judge_by_config(CONFIG, before, judge_outputs(build_outputs(4.0), RULE), truth, 0)
    entry = build_entry(CONFIG, gate, truth, twin="t")
    run = Run(tmp_path)
    for name, said in {
        "onnx": None,
        "openvino": entry,
        "tflite": {**entry, "accepted": True},
    }.items():
        write_json(tmp_path / "export" / name / "manifest.json", {"metrics": {"gate": said}})
    stages = ["export/onnx", "export/openvino", "export/tflite"]
    with pytest.raises(
        GateError, match="the gate rejected export/openvino; export/openvino: it judges"
    ) as caught:
        refuse_rejected_files(run, stages)
    assert caught.value.exit_code == 3
    shown = capsys.readouterr().out
    assert "export/openvino: fail on 40 real and 40 forged images of val" in shown
    assert "tflite" not in shown
    refuse_rejected_files(run, ["export/onnx", "export/tflite"])


def test_the_table_says_how_many_images_would_do() -> None:
    truth = read_truth(build_context())
    judged = judge_outputs(build_outputs(), RULE)
    entry = build_entry(CONFIG, judge_by_config(CONFIG, judged, judged, truth, 0), truth, "t")
    rows = {row[0]: row for row in build_table("x", entry).rows}
    # (1 - 0.03) ** n <= 0.05 from n = 99 on.
    assert rows["TPR at the shipped threshold"][-2:] == ("cannot tell", "about 99 forged images")
    assert rows["detection AUC"][-2:] == ("pass", "")


def test_scores_that_are_no_numbers_are_refused() -> None:
    """An order of them would look like a good one."""
    outputs = build_outputs()
    outputs["fake_logit"][1] = np.nan
    with pytest.raises(StageError, match="not finite"):
        judge_outputs(outputs, RULE)


def test_options_of_a_command_change_the_gate_for_this_time() -> None:
    options = GateOptions((parse_max_drop("tpr=0.01"), parse_max_drop("auc=0")), True)
    changed = options.apply(CONFIG)
    assert (changed.max_drop.tpr, changed.max_drop.auc, changed.allow_undecided) == (0.01, 0, True)
    assert changed.max_drop.cllr == CONFIG.max_drop.cllr
    assert GateOptions().apply(CONFIG) == CONFIG


@pytest.mark.parametrize("text", ["tprr=0.1", "tpr", "tpr=-1", "tpr=inf", "tpr=x"])
def test_a_faulty_limit_is_a_faulty_option(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse_max_drop(text)
