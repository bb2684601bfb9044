"""One place prints, and one class of parser tells what was typed wrongly."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gazeclip.cli.verbs import run_verb
from gazeclip.console.lines import print_json, print_line, print_message
from gazeclip.console.parser import CommandParser

ROOT = Path(__file__).parents[3]
PACKAGES = ("gazeclip", "runtimes", "distill", "quantize", "export", "benchmarks", "recipes")
# Stands below the console, and prints nothing that it was given.
ALONE = ROOT / "gazeclip/system/install_torch.py"


def find_calls(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of the calls of `print`, and of argparse's own parser, in a module."""
    if "print" not in source and "ArgumentParser" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = ast.unparse(node.func) if is_suspect(node.func) else ""
            if called in ("print", "ArgumentParser", "argparse.ArgumentParser"):
                yield node.lineno, called


def is_suspect(function: ast.Name | ast.Attribute) -> bool:
    """By its last name: writing out every call takes seconds."""
    last = function.id if isinstance(function, ast.Name) else function.attr
    return last in ("print", "ArgumentParser")


def test_nothing_else_prints_or_makes_a_parser() -> None:
    faults = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path == ALONE or path.is_relative_to(ROOT / "gazeclip/console"):
                continue
            for line, called in find_calls(path.read_text(encoding="utf-8")):
                faults.append(f"{path.relative_to(ROOT)}:{line}: {called}(")
    assert faults == [], "see gazeclip/console/lines.py and parser.py"


def test_the_scan_finds_what_it_looks_for() -> None:
    source = "print(1)\ndef f():\n    argparse.ArgumentParser()\nout.print(2)\n"
    assert list(find_calls(source)) == [(1, "print"), (3, "argparse.ArgumentParser")]


def test_a_line_stays_one_line_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("a\nb \x1b[2J")
    print_message("2 faults:\n  - \x1b[2J")
    out = io.StringIO()
    print_line(out=out)
    print_line("\u202egnp.exe", out)
    assert out.getvalue() == "\n\\u202egnp.exe\n"
    assert capsys.readouterr() == ("a\\nb \\x1b[2J\n", "2 faults:\n  - \\x1b[2J\n")


def test_json_is_itself(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"b": "顔\x1b\n", "a": [0.5, None]}
    print_json(value, sort_keys=True)
    text = capsys.readouterr().out
    assert json.loads(text) == value and text.isascii() and "\x1b" not in text
    assert text.index('"a"') < text.index('"b"')


@pytest.mark.parametrize(
    "argv",
    [["verify", "--\x1b[31mX.jpg"], ["data", "check", "m", "--\x1b[31mX"], ["data", "\x1b[31m"]],
)
def test_what_argparse_tells_of_an_argument(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_verb(argv[0], argv[1:], f"gazeclip {argv[0]}")
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said and "\\x1b[31m" in said


def test_sub_commands_have_the_same_parser() -> None:
    actions = CommandParser().add_subparsers()
    assert isinstance(actions.add_parser("x"), CommandParser)
