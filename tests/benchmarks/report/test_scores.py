"""scores.json of a run made by hand gives the figures of its report again."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.report.score_file import name_key
from benchmarks.stage import run_stage
from gazeclip.files.atomic import read_json
from gazeclip.run.context import Context
from gazeclip.run.folder import Run
from gazeclip.scoring.metrics import roc_auc
from tests.benchmarks.hand_made import make_run

__all__ = ["make_run"]  # a fixture


def test_the_figures_of_the_report_follow_from_the_scores(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage(run)
    report = read_json(run.folder("report") / "report.json")
    scores = read_json(run.folder("report") / "scores.json")
    samples = Context(run).manifest.split("test_unseen")
    table = scores["splits"]["test_unseen"]
    assert table["labels"] == [sample.label for sample in samples]
    digests = [hashlib.sha256(sample.path.read_bytes()).hexdigest() for sample in samples]
    assert table["images"] == [digest[:32] for digest in digests]
    entries = {name_key(entry): entry for entry in report["subjects"]}
    assert len(entries) == len(scores["subjects"]) == 4
    for subject in scores["subjects"]:
        for split, found in subject["splits"].items():
            figures = entries[name_key(subject)]["accuracy"][split]
            fake = np.array([label != "real" for label in scores["splits"][split]["labels"]])
            # Six decimals of an LLR keep the order of all images but equal ones.
            assert roc_auc(fake, np.array(found["rank"])) == pytest.approx(figures["auc"], abs=0.01)
            answers = np.array(list(found["answers"]))
            assert (answers[fake] == "f").mean() == figures["shipped"]["tpr"]
            assert (answers == "i").mean() == figures["shipped"]["inconclusive"]
            correct = np.array([int(hit) for hit in found["correct"]])
            assert correct.mean() == figures["attribution_acc"]
    capsys.readouterr()
    names = [str(run.root), str(run.root)]
    assert main(["compare", *names, "--fail-if", "auc<-0.1pt or size>1x or fpr_unseen>0pt"]) == 0
    assert "comparison: passes" in capsys.readouterr().out
