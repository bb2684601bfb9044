"""The robustness grid in the report: curves, table, and the worst cell in the summary."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.command import add_options
from benchmarks.measure.degrade import list_cells
from benchmarks.report import robustness
from benchmarks.report.data import ReportData
from benchmarks.report.markdown import render_markdown
from benchmarks.report.page import render_html
from benchmarks.report.schema import validate_report
from benchmarks.stage import run_stage
from gazeclip.console.parser import CommandParser
from gazeclip.errors import ConfigError
from gazeclip.files.atomic import read_json
from gazeclip.recipe.load import load_recipe, save_recipe
from gazeclip.run.folder import Run
from tests.benchmarks.hand_made import make_run

__all__ = ["make_run"]  # a fixture
Maker = Callable[..., ReportData]
CELLS = list(list_cells())


def make_figures(tpr: float, fpr: float) -> dict[str, Any]:
    return {
        "n": 100,
        "n_real": 50,
        "auc": 0.9,
        "tpr": tpr,
        "fpr": fpr,
        "tpr_interval": None,
        "fpr_interval": None,
        "balanced": (tpr + 1 - fpr) / 2,
        "flips": 0.1,
    }


def make_grid(worst: str = "blur 2") -> dict[str, Any]:
    """Two subjects on two splits; the second one has its worst cell on unseen generators."""
    subjects = []
    for engine in ("torch", "openvino"):
        splits = {}
        for split in ("test", "test_unseen"):
            cells = [make_figures(0.8, 0.02) for _ in CELLS]
            if split == "test_unseen" and engine == "openvino":
                place = [cell.title for cell in CELLS].index(worst)
                cells[place] = make_figures(0.31, 0.12)
            splits[split] = {"clean": make_figures(0.85, 0.01), "cells": cells}
        precision = "fp32" if engine == "torch" else "int8"
        identity = {"role": "student", "framework": engine, "engine": engine}
        subjects.append({"name": "student", **identity, "precision": precision, "splits": splits})
    cells = [{"family": c.family.key, "level": c.level, "title": c.title} for c in CELLS]
    return {"cells": cells, "limit": 100, "seed": 0, "subjects": subjects}


def test_the_summary_names_the_worst_cell_of_the_headline() -> None:
    grid = make_grid()
    headline = {"name": "student", "role": "student", "framework": "openvino", "engine": "openvino"}
    text = robustness.summarise_robustness(grid, {**headline, "precision": "int8"})
    assert text == (
        "Hardest for it is blur 2: of forgeries from unseen generators it calls 31% fake instead "
        "of 85%, with 12% false alarms instead of 1%."
    )
    assert robustness.find_worst(grid["subjects"][0]) == ("test", 0)
    assert robustness.summarise_robustness(None, None) == ""


def test_the_headline_is_known_by_its_name_beside_a_bundle_of_the_same_kind() -> None:
    grid = make_grid()
    first, second = grid["subjects"]
    kind = {key: second[key] for key in ("role", "framework", "engine", "precision")}
    first |= {"name": "lite0/openvino", **kind}
    second["name"] = "demo/openvino"
    assert robustness.find_headline_place(grid, {"name": "demo/openvino", **kind}) == 1
    assert robustness.find_headline_place(grid, {"name": "lite0/openvino", **kind}) == 0
    assert robustness.find_headline_place(grid, {"name": "moved", **kind}) == 0


def test_where_nothing_is_lost_that_is_said() -> None:
    grid = make_grid()
    for entry in grid["subjects"]:
        for figures in entry["splits"].values():
            figures["clean"] = make_figures(0.8, 0.02)
            figures["cells"] = [make_figures(0.8, 0.02) for _ in CELLS]
    assert "No disturbance" in robustness.summarise_robustness(grid, None)


def test_every_cell_has_a_dot_and_every_family_a_line() -> None:
    svg = robustness.draw_strip(make_grid(), "test", "tpr")
    assert svg is not None
    root = ElementTree.fromstring(svg)
    families = {cell.family.key for cell in CELLS}
    assert len(root.findall("circle")) == 2 * (len(CELLS) + 1)
    assert len(root.findall("path")) == 2 * len(families)
    dots = [circle for circle in root.findall("circle") if "clean" not in str(circle[0].text)]
    across = [float(circle.attrib["cx"]) for circle in dots[: len(CELLS)]]
    assert across == sorted(across) and len(set(across)) == len(CELLS)
    text = {element.text for element in root.findall("text")}
    assert {"clean", "JPEG", "low light", "canvas noise"} <= text


def test_what_was_not_measured_is_not_drawn() -> None:
    grid = make_grid()
    for entry in grid["subjects"]:
        del entry["splits"]["test_unseen"]
        for one in (entry["splits"]["test"]["clean"], *entry["splits"]["test"]["cells"]):
            one["auc"] = None
    assert robustness.draw_strip(grid, "test_unseen", "tpr") is None
    assert robustness.draw_strip(grid, "test", "auc") is None
    context = robustness.build_robustness_context(grid)["robustness"]
    assert len(context["strips"]) == 3


def test_page_and_markdown_have_it_where_it_was_measured(report_data: Maker) -> None:
    data = report_data(robustness=make_grid())
    assert validate_report(data.to_json()) == []
    page = render_html(data)
    assert "<h2>Robustness</h2>" in page and "Hardest for it is" in page
    text = render_markdown(data)
    assert "## Robustness" in text and "31% / 12%" in text
    assert "Robustness" not in render_html(report_data())
    assert "Robustness" not in render_markdown(report_data())


def parse_options(*words: str) -> Any:
    parser = CommandParser()
    add_options(parser)
    return parser.parse_args(list(words))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--images", "50"], "--images is of the robustness grid. Add --robustness"),
        (["--robustness", "--images", "1"], "--images 1 is too few"),
    ],
)
def test_options_that_say_nothing_are_refused(words: list[str], message: str) -> None:
    args = parse_options(*words)
    with pytest.raises(ConfigError) as caught:
        args.command(args)
    assert message in str(caught.value)


def test_a_run_measures_the_grid_when_it_is_asked_for(run: Run) -> None:
    assert run_stage(run)
    assert read_json(run.folder("report") / "report.json")["robustness"] is None
    recipe = load_recipe(run.root / "recipe.yaml", ["report.robustness=true"])
    save_recipe(recipe, run.root / "recipe.yaml")
    assert run_stage(run)  # another report, and so made again
    grid = read_json(run.folder("report") / "report.json")["robustness"]
    engines = [entry["engine"] for entry in grid["subjects"]]
    assert engines == ["torch", "onnxruntime", "openvino"]
    for entry in grid["subjects"]:
        for split, n in (("test", 8), ("test_unseen", 4)):
            figures = entry["splits"][split]
            assert figures["clean"]["n"] == n and figures["clean"]["flips"] == 0.0
            assert len(figures["cells"]) == len(CELLS)
    page = (run.folder("report") / "report.html").read_text(encoding="utf-8")
    assert "<h2>Robustness</h2>" in page
