"""Commands and files in messages are those that work where the program runs."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from gazeclip.system import packages, place

ROOT = Path(__file__).parents[3]


def make_program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_the_console_script_is_named_as_a_shell_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = make_program(tmp_path / "a b" / "bin", "gazeclip")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), "run"])
    monkeypatch.setenv("PATH", str(script.parent))
    assert place.command_line("export", "--target", "all") == "gazeclip export --target all"
    monkeypatch.setenv("PATH", "")
    assert place.command_line("doctor") == "'a b/bin/gazeclip' doctor"
    other = make_program(tmp_path / "other", "gazeclip")
    monkeypatch.setenv("PATH", str(other.parent))  # another environment's script comes first
    assert place.command_line("doctor") == "'a b/bin/gazeclip' doctor"


def test_otherwise_the_interpreter_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/gazeclip/__main__.py"])
    python = make_program(tmp_path / ".venv" / "bin", "python")
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(python.parent))
    assert place.command_line("run", "a b") == "python -m gazeclip run 'a b'"
    assert place.command_line() == "python -m gazeclip"
    monkeypatch.setenv("PATH", os.devnull)
    assert place.command_line("run") == ".venv/bin/python -m gazeclip run"
    # Environments' interpreters are links to one file, and are different environments for that.
    other = tmp_path / "other" / "bin"
    other.mkdir(parents=True)
    (other / "python").symlink_to(python)
    monkeypatch.setenv("PATH", str(other))
    assert place.command_line("run") == ".venv/bin/python -m gazeclip run"


@pytest.mark.checkout
def test_files_are_named_as_they_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert place.name_file("docs/data.md") == "docs/data.md"
    monkeypatch.chdir(tmp_path)
    assert place.name_file("docs/data.md") == str(ROOT / "docs/data.md")
    assert place.name_file("docs/none.md") == "docs/none.md of the source"


@pytest.mark.checkout
def test_in_a_checkout_its_own_files_are_installed_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(packages.install_command("onnx"))
    assert words[-2:] == ["-e", f"{ROOT}[onnx]"] and str(ROOT / "constraints.txt") in words
    assert packages.install_command("all").startswith(f"make -C {shlex.quote(str(ROOT))} install")


def test_elsewhere_the_distribution_is_installed_with_its_pins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "is_checkout", lambda: False)
    words = shlex.split(packages.install_command("onnx"))
    assert words[-1] == "gazeclip-edge[onnx]"
    assert Path(words[words.index("-c") + 1]).samefile(place.CONSTRAINTS)
    assert packages.install_command("train").startswith(
        "python -m gazeclip.system.install_torch && python -m pip install -c "
    )


@pytest.mark.checkout
def test_the_pins_stand_in_one_file() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    assert wanted == [f"-c {place.CONSTRAINTS.relative_to(ROOT).as_posix()}"]


@pytest.mark.parametrize("name", ["gazeclip", "python"])
def test_a_program_of_the_working_folder_is_named_so_that_a_shell_starts_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = make_program(tmp_path / "bin", name)
    monkeypatch.chdir(program.parent)
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(sys, "argv", [f"./{name}"])
    expected = "./gazeclip doctor" if name == "gazeclip" else "./python -m gazeclip doctor"
    assert place.command_line("doctor") == expected
