"""A table of texts for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from gazeclip.console.text import printable

PIPE_WIDTH = 240  # where the output is no terminal
MISSING = "–"  # noqa: RUF001


@dataclass(frozen=True)
class Table:
    """`left`: the columns of names, by number; the others hold figures and are aligned on the
    right.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    note: str = ""
    left: Collection[int] = (0,)


def print_tables(tables: Iterable[Table], out: TextIO) -> None:
    """One after the other, with `rich` where it is installed, else plainly."""
    show = _rich_printer(out)
    for table in tables:
        if show is None:
            print_plain(table, out)
        else:
            show(table)
        print(file=out)


def print_plain(table: Table, out: TextIO) -> None:
    """In columns of spaces."""
    if table.title:
        print(table.title, file=out)
    lines = [[printable(cell) for cell in line] for line in (table.header, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            cell.ljust(width) if number in table.left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join(cells).rstrip(), file=out)
    if table.note:
        print(table.note, file=out)


def markdown_table(table: Table) -> str:
    """Header and rows as GitHub Markdown; title and note are the page's."""
    rule = ["---" if number in table.left else "---:" for number in range(len(table.header))]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
        for line in (table.header, rule, *table.rows)
    )


def _rich_printer(out: TextIO) -> Callable[[Table], None] | None:
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text
    except ModuleNotFoundError:
        return None
    console = Console(file=out, width=None if out.isatty() else PIPE_WIDTH)

    def show(table: Table) -> None:
        shown = RichTable(
            title=table.title or None,
            title_justify="left",
            caption=Text(table.note) if table.note else None,
            caption_justify="left",
            header_style="bold",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        for number, title in enumerate(table.header):
            shown.add_column(
                title,
                justify="left" if number in table.left else "right",
                vertical="bottom",
                overflow="fold",
            )
        for row in table.rows:
            shown.add_row(
                *(Text(printable(cell)) for cell in row)
            )  # Text, not markup: intervals stand in brackets
        console.print(shown)

    return show
