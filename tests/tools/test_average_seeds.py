"""Averages over runs: figures by hand, and what is missing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from gazeclip.system import place

PATH = Path(__file__).parents[2] / "tools" / "average_seeds.py"
if not place.is_checkout():
    pytest.skip("needs a checkout", allow_module_level=True)
SPEC = importlib.util.spec_from_file_location("average_seeds", PATH)
assert SPEC is not None and SPEC.loader is not None
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)


def write_report(folder: Path, auc: float, tpr: float | None) -> Path:
    shipped = {"tpr": tpr, "fpr": 0.0, "inconclusive": 0.1}
    figures = {"auc": auc, "shipped": shipped, "attribution_acc": 0.5, "cllr": 0.2}
    subject: dict[str, Any] = {"name": "student", "engine": "torch"}
    subject["accuracy"] = {"test": figures, "test_unseen": {"auc": None, "shipped": None}}
    (folder / "report").mkdir(parents=True)
    other = {**subject, "name": f"only in {folder.name}"}
    path = folder / "report" / "report.json"
    path.write_text(json.dumps({"subjects": [subject, other]}), encoding="utf-8")
    return folder


def test_means_ranges_and_gaps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [
        write_report(tmp_path / "a", 0.9, 0.4),
        write_report(tmp_path / "b", 0.8, 0.7),
        write_report(tmp_path / "c", 1.0, None),
    ]
    assert tool.main([str(run) for run in runs]) == 0
    header, _, row = capsys.readouterr().out.strip().splitlines()
    cells = dict(zip(header.split(" | "), row.split(" | "), strict=True))
    assert cells["AUC test"] == "0.900 (0.800 to 1.000)"
    assert cells["TPR test"] == cells["AUC unseen"] == "–"  # noqa: RUF001
    assert tool.main([str(run) for run in runs[:2]]) == 0
    assert "0.550 (0.400 to 0.700)" in capsys.readouterr().out


def test_a_run_without_report_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main([str(tmp_path / "none")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert tool.main([]) == 2
