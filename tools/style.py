"""How the code reads, in figures: `python tools/style.py [FOLDER or FILE...]`.

Docstrings do not count, nor do tests unless they are named. The figures say where to look and are
no aim in themselves: code that reads worse for a better figure is worse.
"""

from __future__ import annotations

import ast
import io
import statistics
import sys
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("gazeclip", "distill", "quantize", "export", "runtimes", "benchmarks", "tools")
MAX_COLUMNS = 100
MAX_FUNCTION_LINES = 40


@dataclass
class Counts:
    """What was counted over all files."""

    files: int = 0
    code_lines: int = 0
    comment_lines: int = 0
    long_lines: int = 0
    tuple_assignments: int = 0
    ternaries: int = 0
    comprehensions: int = 0
    public_functions: int = 0
    documented_functions: int = 0
    one_word_names: int = 0
    function_lines: list[int] = field(default_factory=list)
    file_lines: list[int] = field(default_factory=list)


def main(folders: list[str]) -> int:
    """Count and print a table."""
    counts = Counts()
    for folder in folders or PACKAGES:
        place = Path(folder)
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            count_file(path.read_text(encoding="utf-8"), counts)
    for label, value in describe(counts):
        print(f"{label:36} {value}")
    return 0


def count_file(source: str, counts: Counts) -> None:
    """Add one file to the counts."""
    tree = ast.parse(source)
    lines = source.splitlines()
    docstring_lines = find_docstring_lines(tree)
    blank_lines = {number for number, line in enumerate(lines, start=1) if not line.strip()}
    comment_only = find_comment_only_lines(source)
    code = set(range(1, len(lines) + 1)) - docstring_lines - blank_lines - comment_only
    counts.files += 1
    counts.file_lines.append(len(lines))
    counts.code_lines += len(code)
    counts.comment_lines += count_comments(source)
    counts.long_lines += sum(len(lines[number - 1]) > MAX_COLUMNS for number in code | comment_only)
    for node in ast.walk(tree):
        count_node(node, counts, docstring_lines)


def count_node(node: ast.AST, counts: Counts, docstring_lines: set[int]) -> None:
    """Add one node of a syntax tree to the counts."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
        counts.tuple_assignments += isinstance(node.targets[0], ast.Tuple)
    elif isinstance(node, ast.IfExp):
        counts.ternaries += 1
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        counts.comprehensions += 1
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        own_lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        counts.function_lines.append(len(set(own_lines) - docstring_lines))
        if node.name.startswith("__"):
            return
        counts.one_word_names += "_" not in node.name.strip("_")
        if not node.name.startswith("_"):
            counts.public_functions += 1
            counts.documented_functions += ast.get_docstring(node) is not None


def find_docstring_lines(tree: ast.Module) -> set[int]:
    """Numbers of the lines that docstrings take."""
    found: set[int] = set()
    owners = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if (
            isinstance(node, owners)
            and node.body
            and ast.get_docstring(node, clean=False) is not None
        ):
            text = node.body[0]
            found.update(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    return found


def find_comment_only_lines(source: str) -> set[int]:
    """Numbers of the lines that hold nothing but a comment."""
    lines = source.splitlines()
    return {number for number, line in enumerate(lines, start=1) if line.lstrip().startswith("#")}


def count_comments(source: str) -> int:
    """Comments of a file, remarks to linters and type checkers left out."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    texts = (token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT)
    return sum(not text.startswith(("noqa", "type:", "fmt:")) for text in texts)


def describe(counts: Counts) -> list[tuple[str, str]]:
    """The figures as rows of a table."""
    functions = counts.function_lines
    named = len(functions)
    thousand = counts.code_lines / 1000
    too_long = sum(lines > MAX_FUNCTION_LINES for lines in functions)
    deciles = statistics.quantiles(functions, n=10)
    return [
        ("files; lines of code", f"{counts.files}; {counts.code_lines}"),
        (
            "lines a file, median; longest",
            f"{statistics.median(counts.file_lines):.0f}; {max(counts.file_lines)}",
        ),
        ("lines a function, median/p90", f"{statistics.median(functions):.0f}/{deciles[8]:.0f}"),
        (f"functions > {MAX_FUNCTION_LINES} lines", f"{too_long / named:.1%}"),
        (
            "public functions with a docstring",
            f"{counts.documented_functions / counts.public_functions:.0%}",
        ),
        ("comments per 100 lines", f"{counts.comment_lines / counts.code_lines * 100:.1f}"),
        ("one-word function names", f"{counts.one_word_names / named:.0%}"),
        (f"lines > {MAX_COLUMNS} columns", f"{counts.long_lines / counts.code_lines:.1%}"),
        ("tuple assignments / 1,000 lines", f"{counts.tuple_assignments / thousand:.1f}"),
        ("ternaries / 1,000 lines", f"{counts.ternaries / thousand:.0f}"),
        ("comprehensions / 1,000 lines", f"{counts.comprehensions / thousand:.0f}"),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
