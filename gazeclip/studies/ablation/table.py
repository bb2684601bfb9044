"""The tables of the grid.

Mean and deviation over seeds; differences to `full` and to the gaze of others, each with an
interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gazeclip.console.tables import MISSING, Table, markdown_table
from gazeclip.studies.ablation.differences import Draws, Figure, accuracy_difference, auc_difference
from gazeclip.studies.ablation.grid import FULL, Variant, find_control
from gazeclip.studies.ablation.run import Entry
from gazeclip.studies.ablation.scores import Answers
from gazeclip.studies.protocol.evaluate import evaluate_protocol, split_protocols

ROUNDS = 1000
FIGURES = (
    ("test AUC", "P1", "auc"),
    ("test attribution", "P1", "attribution_macro_acc"),
    ("unseen AUC", "P2", "auc"),
    ("unseen family", "P2", "family_macro_acc"),
    ("new family AUC", "P3", "auc"),
)
COMPARED = (
    ("test AUC", "P1", "auc"),
    ("test attribution", "P1", "attribution"),
    ("unseen AUC", "P2", "auc"),
)
AGAINST = "{} against full"
SHUFFLED = "{} with another face's gaze"


def summarise_grid(
    entries: Sequence[Entry], variants: Sequence[Variant], rounds: int = ROUNDS
) -> list[dict[str, Any]]:
    """Per variant its `seeds`, `gates`, and `figures`.

    `figures` maps a column to `{"mean", "sd", "n"}`, of a difference also `"interval"`; None if
    undefined. `sd` is over seeds. A difference is taken seed by seed and averaged; its 95% interval
    resamples the persons of the test set, the same ones for all seeds and both sides. It says
    nothing of further seeds, as `sd` says nothing of further persons.
    """
    full = {entry.seed: entry for entry in entries if entry.variant == FULL}
    trained = {variant.name for variant in variants}
    others = dict.fromkeys(entry.variant for entry in entries if entry.variant not in trained)
    rows = []
    for variant in [*map(find_control, others), *variants]:
        mine = [entry for entry in entries if entry.variant == variant.name]
        reference = {} if variant.name == FULL else full
        rows.append(
            {
                "variant": variant.name,
                "title": variant.title,
                "seeds": [entry.seed for entry in mine],
                "gates": [entry.scores.gates for entry in mine],
                "figures": _spread_over_seeds(mine) | _compare_pairs(mine, reference, rounds),
            }
        )
    return rows


def _spread_over_seeds(entries: Sequence[Entry]) -> dict[str, Figure | None]:
    protocols = [
        evaluate_protocol(entry.scores.outputs, entry.taxonomy, entry.classes, bootstrap=0)
        for entry in entries
    ]
    return {
        title: _summarise_values([found[part][key] for found in protocols])
        for title, part, key in FIGURES
    }


def _compare_pairs(
    entries: Sequence[Entry], full: Mapping[int, Entry], rounds: int
) -> dict[str, Figure | None]:
    """Each entry against `full` with the same seed, and with others' gaze against itself."""
    against = []
    shuffled = []
    for entry in entries:
        own = _take_answers(entry)
        if entry.seed in full:
            against.append((own, _take_answers(full[entry.seed])))
        if entry.scores.exchanged is not None:
            shuffled.append((entry.scores.exchanged, own))
    figures: dict[str, Figure | None] = {}
    for title, part, kind in COMPARED:
        for form, pairs in ((AGAINST, against), (SHUFFLED, shuffled)):
            found = _compare_answers(pairs, entries[0], part, kind, rounds) if pairs else None
            figures[form.format(title)] = found
    return figures


def _take_answers(entry: Entry) -> dict[str, Answers]:
    """What the entry says of every face with its own gaze, in the one way that there is."""
    return {
        split: Answers(found.fake_logit[None], found.logits.argmax(1)[None])
        for split, found in entry.scores.outputs.items()
    }


def _compare_answers(
    pairs: Sequence[tuple[Mapping[str, Answers], Mapping[str, Answers]]],
    example: Entry,
    part: str,
    kind: str,
    rounds: int,
) -> Figure | None:
    """The first of each pair less the second, one pair per seed, on the faces of one protocol.

    Args:
        example: any entry; images, labels and persons are the same for all.
        part: the protocol.
        kind: `auc` or `attribution`.
    """
    labels = {split: found.labels for split, found in example.scores.outputs.items()}
    selection = split_protocols(labels, example.taxonomy, example.classes)[part]
    outputs = example.scores.outputs[selection.split]
    rows = selection.rows
    draws = Draws(None if outputs.clusters is None else outputs.clusters[rows], rounds)
    mine = [first[selection.split] for first, _ in pairs]
    other = [second[selection.split] for _, second in pairs]
    if kind == "auc":
        return auc_difference(
            outputs.is_fake[rows],
            [one.fake_logit[:, rows] for one in mine],
            [one.fake_logit[:, rows] for one in other],
            draws,
        )
    place = {name: number for number, name in enumerate(example.classes)}
    true = np.array([place[label] for label in np.array(outputs.labels)[rows]])
    return accuracy_difference(
        true,
        [one.predicted[:, rows] for one in mine],
        [one.predicted[:, rows] for one in other],
        draws,
    )


def _summarise_values(values: Sequence[float | None]) -> Figure | None:
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return None
    return {
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)) if len(known) > 1 else None,
        "n": len(known),
    }


def build_tables(rows: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Figures, and differences where there are any.

    Columns that nothing was measured for (no unseen families, say) are left out.
    """
    figures = _build_table(rows, [title for title, _, _ in FIGURES], ("variant", "what"))
    columns = [form.format(title) for form in (AGAINST, SHUFFLED) for title, _, _ in COMPARED]
    differences = _build_table(rows, columns, ("variant",))
    return [figures, differences] if len(differences.header) > 1 else [figures]


def _build_table(
    rows: Sequence[Mapping[str, Any]], order: Sequence[str], names: Sequence[str]
) -> Table:
    titles = [title for title in order if any(row["figures"][title] is not None for row in rows)]
    keys = {"variant": "variant", "what": "title"}
    body = []
    for row in rows:
        found = [row["figures"][title] for title in titles]
        if any(figure is not None for figure in found):
            body.append([*(row[keys[name]] for name in names), *map(_format_figure, found)])
    return Table([*names, *titles], body, left=tuple(range(len(names))))


def _format_figure(figure: Mapping[str, Any] | None) -> str:
    """`0.951 ± 0.004`, of a difference `+0.012 [-0.003, +0.027]`."""
    if figure is None:
        return MISSING
    if "interval" not in figure:
        deviation = "" if figure["sd"] is None else f" ± {figure['sd']:.3f}"
        return f"{figure['mean']:.3f}{deviation}"
    if figure["interval"] is None:
        return f"{figure['mean']:+.3f}"
    low, high = figure["interval"]
    return f"{figure['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"


def render_markdown(rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    """`ablation.md`."""
    lines = ["# Ablation", ""]
    for table in build_tables(rows):
        lines += [markdown_table(table), ""]
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    lines += [
        "- ±: standard deviation over seeds; one seed has none",
        "- differences: taken seed by seed, then averaged; brackets: 95% bootstrap over persons "
        "(over images where a manifest",
        "  names no persons), seeds held fixed",
    ]
    return "\n".join(lines) + "\n"
