"""Several exports in a row: one that fails does not stop the others, and a table tells all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gazeclip.bundle.gate import explain_rejection
from gazeclip.bundle.layout import Precision
from gazeclip.cli.guard import describe_error
from gazeclip.console.lines import print_message
from gazeclip.console.tables import MISSING, Styled, Table
from gazeclip.errors import StageError

OK = "ok"
REJECTED = "rejected"
FAILED = "failed"
Pair = tuple[str, Precision]
_STYLES = {OK: "green", REJECTED: "yellow", FAILED: "bold red"}
_HEADER = (
    "target",
    "precision",
    "size MB",
    "integer ops",
    "cosine min",
    "probability error",
    "seconds",
    "state",
    "why",
)


class ReadRecord(Protocol):
    """Reads the record of a finished bundle."""

    def __call__(self, target: str, precision: Precision) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Outcome:
    """What became of one export.

    Attributes:
        state: `ok`, `rejected` (exported, and refused by the gate) or `failed`.
        why: empty where all is well.
        record: the bundle's `manifest.json`; empty where there is no new one.
    """

    target: str
    precision: Precision
    state: str
    why: str = ""
    record: dict[str, Any] = field(default_factory=dict)


def export_each(
    wanted: Sequence[Pair],
    export: Callable[[str, Precision], object],
    read_record: ReadRecord,
) -> list[Outcome]:
    """Export all; an error of one is kept as its outcome, if others were wanted too.

    Args:
        export: writes one bundle.

    Raises:
        Exception: whatever `export` raised where only one was wanted.
    """
    outcomes = []
    for target, precision in wanted:
        try:
            export(target, precision)
        except Exception as error:  # converters raise anything
            if len(wanted) == 1:
                raise
            why = describe_error(error)[0]
            print_message(f"failed: {target} {precision}: {why}")
            outcomes.append(Outcome(target, precision, FAILED, why))
            continue
        outcomes.append(_judge_record(target, precision, read_record(target, precision)))
    return outcomes


def _judge_record(target: str, precision: Precision, record: dict[str, Any]) -> Outcome:
    gate = record["metrics"].get("gate")
    if gate is None or gate["accepted"]:
        return Outcome(target, precision, OK, record=record)
    return Outcome(target, precision, REJECTED, explain_rejection({"gate": gate}), record)


def refuse_failures(outcomes: Sequence[Outcome]) -> None:
    """Raise if one failed; the others are where they belong.

    Raises:
        StageError: naming them.
    """
    failed = [f"{item.target} {item.precision}" for item in outcomes if item.state == FAILED]
    if failed:
        raise StageError(
            f"{len(failed)} of {len(outcomes)} exports failed: {', '.join(failed)}",
            remedy="The table says why; the others were exported. One alone, with --debug, shows "
            "more",
        )


def build_table(outcomes: Sequence[Outcome]) -> Table:
    """One row an export; what is not known is a dash."""
    rows = [_build_row(item) for item in outcomes]
    return Table(_HEADER, rows, left=(0, 1, 7, 8))


def _build_row(item: Outcome) -> tuple[str, ...]:
    figures = _read_figures(item.record) if item.record else (MISSING,) * 5
    state = Styled(item.state, _STYLES[item.state])
    return (item.target, item.precision, *figures, state, item.why)


def _read_figures(record: dict[str, Any]) -> tuple[str, ...]:
    metrics = record["metrics"]
    integer = metrics["quantized_convolutions"]
    total = integer + metrics["float_convolutions"]
    parity = metrics["parity"]
    return (
        f"{metrics['model_mb']:.2f}",
        f"{integer} of {total}",
        f"{parity['embedding_cosine_min']:.5f}",
        f"{parity['prob_max_abs']:.1e}",
        f"{record['seconds']:.0f}",
    )
