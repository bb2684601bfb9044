"""A table of texts for the terminal and for Markdown.

```python
table = Table(["model", "AUC"], [["teacher", "0.98"], ["student", Styled("0.97", "bold")]])
print_table(table, sys.stdout)
page += markdown_table(table)
```
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from gazeclip.console.lines import print_line
from gazeclip.console.text import printable

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 240  # where the output is no terminal
MISSING = "–"  # noqa: RUF001


class Styled(str):
    """A cell with a style of rich's (`bold red`), which other printers leave out."""

    __slots__ = ("style",)
    style: str

    def __new__(cls, text: str, style: str = "") -> Styled:
        """A text that knows its style."""
        cell = super().__new__(cls, text)
        cell.style = style
        return cell


@dataclass(frozen=True)
class Table:
    """Header, rows, and what stands above and below them.

    Attributes:
        header: a line break in a title is heeded where rich prints, and is a blank elsewhere.
        left: the columns of names, by number; the others hold figures, aligned on the right.
        framed: lines around the cells, where rich prints.
        whole_figures: in a narrow terminal the names fold, and no figure does.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    note: str = ""
    left: Collection[int] = (0,)
    framed: bool = False
    whole_figures: bool = False


def print_tables(tables: Iterable[Table], out: TextIO) -> None:
    """One after the other, with a blank line below each."""
    for table in tables:
        print_table(table, out)
        print_line(out=out)


def print_table(table: Table, out: TextIO) -> None:
    """With `rich` where it is installed, else plainly."""
    console = _open_console(out)
    if console is None:
        print_plain(table, out)
    else:
        _print_rich(table, console)


def print_markdown(table: Table) -> None:
    """To standard output."""
    for line in markdown_table(table).splitlines():
        print_line(line)


def print_plain(table: Table, out: TextIO) -> None:
    """In columns of spaces."""
    if table.title:
        print_line(table.title, out)
    lines = [[printable(cell) for cell in line] for line in (_flatten_header(table), *table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            cell.ljust(width) if number in table.left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print_line("  ".join(cells).rstrip(), out)
    if table.note:
        print_line(table.note, out)


def available_width(out: TextIO) -> int | None:
    """Characters that `print_table` may take; None where it prints plainly and breaks no line."""
    console = _open_console(out)
    return None if console is None else console.width


def markdown_table(table: Table) -> str:
    """Header and rows as GitHub Markdown; title and note are the page's."""
    rule = ["---" if number in table.left else "---:" for number in range(len(table.header))]
    lines = []
    for line in (_flatten_header(table), rule, *table.rows):
        # A line break would end the row.
        cells = [printable(cell).replace("|", "\\|") for cell in line]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _flatten_header(table: Table) -> list[str]:
    return [title.replace("\n", " ") for title in table.header]


def _open_console(out: TextIO) -> Console | None:
    try:
        import rich.table  # noqa: F401
        from rich.console import Console
    except ModuleNotFoundError:
        return None
    return Console(file=out, width=None if out.isatty() else PIPE_WIDTH)


def _print_rich(table: Table, console: Console) -> None:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(
        title=Text(printable(table.title), "table.title") if table.title else None,
        title_justify="left",
        caption=Text(printable(table.note), "table.caption") if table.note else None,
        caption_justify="left",
        header_style="bold",
        box=box.HEAVY_HEAD if table.framed else box.SIMPLE_HEAD,
        padding=(0, 1) if table.framed else (0, 1, 0, 0),
    )
    for number, title in enumerate(table.header):
        is_name = number in table.left
        lines = [printable(line) for line in title.split("\n")]
        shown.add_column(
            Text("\n".join(lines)),
            justify="left" if is_name else "right",
            overflow="fold",
            no_wrap=table.whole_figures and not is_name,
        )
    for row in table.rows:
        # Text, not markup: intervals and names hold brackets.
        cells = [Text(printable(cell), getattr(cell, "style", "")) for cell in row]
        shown.add_row(*cells)
    console.print(shown)
