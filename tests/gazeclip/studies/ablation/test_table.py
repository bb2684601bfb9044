"""The spread over seeds and the differences against NumPy, and their tables."""

from __future__ import annotations

import numpy as np
import pytest

from gazeclip.console.tables import MISSING
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.studies.ablation.grid import BACKBONE, FULL, Variant
from gazeclip.studies.ablation.run import Entry
from gazeclip.studies.ablation.scores import Answers, Scores
from gazeclip.studies.ablation.table import build_tables, render_markdown, summarise_grid
from gazeclip.taxonomy import Taxonomy

TAXONOMY = Taxonomy.load("demo")
CLASSES = TAXONOMY.classes()


def scored(variant: str, seed: int, exchanged: bool = False) -> Entry:
    """A made-up teacher: 30 real and 40 forged faces of `test`, each person twice, none unseen."""
    rng = np.random.default_rng((seed, len(variant)))
    labels = ("real",) * 30 + ("swap_poisson",) * 40
    fake = np.array([label != "real" for label in labels])
    people = tuple(f"p{number // 2}" for number in range(70))
    score = rng.normal(0, 1, 70) + fake
    test = SplitOutputs(
        score, np.eye(len(CLASSES))[rng.integers(0, len(CLASSES), 70)], labels, identities=people
    )
    none = SplitOutputs(np.zeros(0), np.zeros((0, len(CLASSES))), ())
    others = Answers(
        np.stack([rng.permutation(score) for _ in range(4)]), rng.integers(0, len(CLASSES), (4, 70))
    )
    nobody = Answers(np.zeros((4, 0)), np.zeros((4, 0), dtype=int))
    scores = Scores(
        {"test": test, "test_unseen": none},
        {"test": others, "test_unseen": nobody} if exchanged else None,
        {"vpe.gamma": [0.1]},
    )
    return Entry(variant, seed, TAXONOMY, CLASSES, scores)


def auc(entry: Entry, rows: np.ndarray | None = None, score: np.ndarray | None = None) -> float:
    """By the definition: how often a forged face scores higher than a real one."""
    outputs = entry.scores.outputs["test"]
    score = outputs.fake_logit if score is None else score
    rows = np.arange(len(score)) if rows is None else rows
    forged, real = score[rows][outputs.is_fake[rows]], score[rows][~outputs.is_fake[rows]]
    return float(((forged[:, None] > real) + 0.5 * (forged[:, None] == real)).mean())


def attribution(entry: Entry, rows: np.ndarray, predicted: np.ndarray | None = None) -> float:
    """By the definition: how often a face gets its class's name, averaged over the classes."""
    outputs = entry.scores.outputs["test"]
    true = np.array(outputs.labels)[rows]
    named = np.array(CLASSES)[outputs.logits.argmax(1) if predicted is None else predicted][rows]
    return float(np.mean([(named[true == label] == label).mean() for label in sorted(set(true))]))


def test_spread_over_seeds_and_paired_differences_with_intervals_over_persons() -> None:
    full, bare = (
        [scored(name, seed, name == FULL) for seed in (2, 0, 1)] for name in (FULL, "bare")
    )
    rows = summarise_grid(
        [*full, *bare], [Variant(FULL, "all"), Variant("bare", "little", ("a=1",))], rounds=200
    )
    assert [row["seeds"] for row in rows] == [[2, 0, 1]] * 2
    found, values = rows[1]["figures"], np.array([auc(entry) for entry in bare])
    assert found["test AUC"] == pytest.approx(
        {"mean": values.mean(), "sd": values.std(ddof=1), "n": 3}
    )
    gap = values - np.array([auc(entry) for entry in full])
    against = found["test AUC against full"]
    assert (against["mean"], against["sd"], against["n"]) == pytest.approx(
        (gap.mean(), gap.std(ddof=1), 3)
    )
    rng, draws, named = np.random.default_rng(0), [], []
    for _ in range(200):  # persons in the order of their names, each with both images
        persons = np.array(sorted({f"p{n}" for n in range(35)}))[rng.integers(0, 35, 35)]
        rows_drawn = np.concatenate(
            [[2 * int(name[1:]), 2 * int(name[1:]) + 1] for name in persons]
        )
        draws.append(
            np.mean(
                [auc(b, rows_drawn) - auc(f, rows_drawn) for b, f in zip(bare, full, strict=True)]
            )
        )
        named.append(
            np.mean(
                [
                    attribution(b, rows_drawn) - attribution(f, rows_drawn)
                    for b, f in zip(bare, full, strict=True)
                ]
            )
        )
    assert against["interval"] == pytest.approx(
        [np.quantile(draws, 0.025), np.quantile(draws, 0.975)]
    )
    attributed, everyone = found["test attribution against full"], np.arange(70)
    gaps = [
        attribution(b, everyone) - attribution(f, everyone) for b, f in zip(bare, full, strict=True)
    ]
    assert (attributed["mean"], attributed["sd"]) == pytest.approx(
        (np.mean(gaps), np.std(gaps, ddof=1))
    )
    assert attributed["interval"] == pytest.approx(
        [np.quantile(named, 0.025), np.quantile(named, 0.975)]
    )
    exchanged = rows[0]["figures"]["test AUC with another face's gaze"]
    expected = [
        np.mean([auc(entry, score=column) for column in entry.scores.exchanged["test"].fake_logit])
        - auc(entry)
        for entry in full
    ]
    assert exchanged["mean"] == pytest.approx(np.mean(expected)) and exchanged["interval"][1] < 0
    exchanged = rows[0]["figures"]["test attribution with another face's gaze"]
    expected = [
        np.mean(
            [
                attribution(entry, everyone, named)
                for named in entry.scores.exchanged["test"].predicted
            ]
        )
        - attribution(entry, everyone)
        for entry in full
    ]
    assert exchanged["mean"] == pytest.approx(np.mean(expected))
    assert (
        rows[0]["figures"]["test AUC against full"] is None
        and found["test AUC with another face's gaze"] is None
    )
    assert found["unseen AUC"] is None and found["unseen AUC against full"] is None


def test_the_table_leaves_out_what_was_not_measured() -> None:
    entries = [scored(name, seed) for name in (BACKBONE.name, FULL, "bare") for seed in (0, 1)]
    rows = summarise_grid(
        entries, [Variant(FULL, "all"), Variant("bare", "little", ("a=1",))], rounds=20
    )
    figures, differences = build_tables(rows)
    assert [row[0] for row in figures.rows] == ["backbone", "full", "bare"] and [
        row[0] for row in differences.rows
    ] == ["backbone", "bare"]
    assert figures.header == ["variant", "what", "test AUC", "test attribution"]
    assert differences.header == [
        "variant",
        "test AUC against full",
        "test attribution against full",
    ]
    assert (
        figures.rows[2][2] in render_markdown(rows, {"seeds": [0, 1]})
        and "[" in differences.rows[1][-1]
    )
    entries[2] = scored(FULL, 0, exchanged=True)
    rows = {
        row[0]: row
        for row in build_tables(summarise_grid(entries, [Variant(FULL, "all")], rounds=20))[1].rows
    }
    assert rows["full"][1] == MISSING and rows["backbone"][1] != MISSING  # full against itself


def test_one_seed_has_no_deviation() -> None:
    row = summarise_grid([scored(FULL, 0)], [Variant(FULL, "all")], rounds=0)[0]
    assert row["figures"]["test AUC"] == {
        "mean": pytest.approx(auc(scored(FULL, 0))),
        "sd": None,
        "n": 1,
    }
    assert len(build_tables([row])) == 1 and "±" not in build_tables([row])[0].rows[0][2]
