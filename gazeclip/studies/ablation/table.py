"""The tables of the grid: mean and deviation over seeds; differences to `full` and to the gaze of
others, each with an interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gazeclip.console.tables import MISSING, Table, markdown_table
from gazeclip.studies.ablation.differences import Draws, Figure, accuracy_difference, auc_difference
from gazeclip.studies.ablation.grid import FULL, Variant, control
from gazeclip.studies.ablation.run import Entry
from gazeclip.studies.ablation.scores import Answers
from gazeclip.studies.protocol.evaluate import Selection, evaluate_protocol, split_protocols

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
AGAINST, SHUFFLED = "{} against full", "{} with another face's gaze"


def summarise(
    entries: Sequence[Entry], variants: Sequence[Variant], rounds: int = ROUNDS
) -> list[dict[str, Any]]:
    """Per variant its `seeds`, `gates`, and `figures`: column -> `{"mean", "sd", "n"}`, differences
    also `"interval"`; None if undefined.

    `sd` is over seeds. A difference is taken seed by seed and averaged; its 95% interval resamples
    the persons of the test set, the same ones for all seeds and both sides. It says nothing of
    further seeds, as `sd` says nothing of further persons.
    """
    full = {entry.seed: entry for entry in entries if entry.variant == FULL}
    trained = {variant.name for variant in variants}
    controls = [
        control(name)
        for name in dict.fromkeys(entry.variant for entry in entries)
        if name not in trained
    ]
    rows = []
    for variant in [*controls, *variants]:
        mine = [entry for entry in entries if entry.variant == variant.name]
        protocols = [_protocols(entry) for entry in mine]
        figures = {
            title: _spread([found[part][key] for found in protocols])
            for title, part, key in FIGURES
        }
        pairs = [
            (entry, full[entry.seed])
            for entry in mine
            if entry.seed in full and variant.name != FULL
        ]
        exchanged = [entry for entry in mine if entry.scores.exchanged is not None]
        for title, part, kind in COMPARED:
            against = [(_own(one), _own(other)) for one, other in pairs]
            figures[AGAINST.format(title)] = (
                _difference(against, pairs[0][0], part, kind, rounds) if pairs else None
            )
            shuffled = [(entry.scores.exchanged or {}, _own(entry)) for entry in exchanged]
            figures[SHUFFLED.format(title)] = (
                _difference(shuffled, exchanged[0], part, kind, rounds) if exchanged else None
            )
        gates = [entry.scores.gates for entry in mine]
        rows.append(
            {
                "variant": variant.name,
                "title": variant.title,
                "seeds": [e.seed for e in mine],
                "gates": gates,
                "figures": figures,
            }
        )
    return rows


def _protocols(entry: Entry) -> dict[str, Any]:
    return evaluate_protocol(entry.scores.outputs, entry.taxonomy, entry.classes, bootstrap=0)


def _own(entry: Entry) -> dict[str, Answers]:
    """What the entry says of every face with its own gaze."""
    return {
        split: Answers(found.fake_logit[None], found.logits.argmax(1)[None])
        for split, found in entry.scores.outputs.items()
    }


def _difference(
    pairs: Sequence[tuple[Mapping[str, Answers], Mapping[str, Answers]]],
    of: Entry,
    part: str,
    kind: str,
    rounds: int,
) -> Figure | None:
    """The first of each pair less the second, one pair per seed, on the faces of protocol `part`."""
    selection: Selection = split_protocols(
        {split: found.labels for split, found in of.scores.outputs.items()}, of.taxonomy, of.classes
    )[part]
    outputs, rows = of.scores.outputs[selection.split], selection.rows
    draws = Draws(None if outputs.clusters is None else outputs.clusters[rows], rounds)
    mine, other = ([side[selection.split] for side in sides] for sides in zip(*pairs, strict=True))
    if kind == "auc":
        return auc_difference(
            outputs.is_fake[rows],
            [one.fake_logit[:, rows] for one in mine],
            [one.fake_logit[:, rows] for one in other],
            draws,
        )
    place = {name: number for number, name in enumerate(of.classes)}
    true = np.array([place[label] for label in np.array(outputs.labels)[rows]])
    return accuracy_difference(
        true,
        [one.predicted[:, rows] for one in mine],
        [one.predicted[:, rows] for one in other],
        draws,
    )


def _spread(values: Sequence[float | None]) -> Figure | None:
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return None
    return {
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)) if len(known) > 1 else None,
        "n": len(known),
    }


def tables(rows: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Figures, and differences where there are any. Columns that nothing was measured for (no
    unseen families, say) are left out.
    """
    figures = _table(rows, [title for title, _, _ in FIGURES], ("variant", "what"))
    differences = _table(
        rows,
        [form.format(title) for form in (AGAINST, SHUFFLED) for title, _, _ in COMPARED],
        ("variant",),
    )
    return [figures, *([differences] if len(differences.header) > 1 else [])]


def _table(rows: Sequence[Mapping[str, Any]], order: Sequence[str], names: Sequence[str]) -> Table:
    titles = [title for title in order if any(row["figures"][title] is not None for row in rows)]
    shown = [row for row in rows if any(row["figures"][title] is not None for title in titles)]
    own = {"variant": "variant", "what": "title"}
    body = [
        [*(row[own[name]] for name in names), *(_text(row["figures"][title]) for title in titles)]
        for row in shown
    ]
    return Table([*names, *titles], body, left=tuple(range(len(names))))


def _text(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return MISSING
    if "interval" not in figure:
        return f"{figure['mean']:.3f}" + ("" if figure["sd"] is None else f" ± {figure['sd']:.3f}")
    interval = figure["interval"]
    return f"{figure['mean']:+.3f}" + (
        "" if interval is None else f" [{interval[0]:+.3f}, {interval[1]:+.3f}]"
    )


def markdown(rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    """`ablation.md`."""
    lines = ["# Ablation", ""]
    for made in tables(rows):
        lines += [markdown_table(made), ""]
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    lines.append("- ±: standard deviation over seeds; one seed has none")
    lines.append(
        "- differences: taken seed by seed, then averaged; brackets: 95% bootstrap over persons (over images where a manifest"
    )
    lines.append("  names no persons), seeds held fixed")
    return "\n".join(lines) + "\n"
