"""The front door: every command is found, and looking at the list imports none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gazeclip import __version__
from gazeclip.cli.verbs import GROUPS, VERBS, describe_verbs, main, run_verb
from gazeclip.errors import ConfigError
from gazeclip.recipe.shipped import FOLDER, find_recipe, list_recipes

ROOT = Path(__file__).parents[3]


def test_the_overview_names_every_verb_once() -> None:
    lines = describe_verbs("gazeclip").splitlines()
    named = [line.split()[0] for line in lines if line.startswith("  ")]
    assert named == list(VERBS) and len(named) == sum(len(group) for group in GROUPS.values())


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_its_own_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_verb(verb, ["--help"], f"gazeclip {verb}")
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: gazeclip {verb} ")


def test_the_overview_imports_no_library() -> None:
    code = (
        "import sys; from gazeclip.__main__ import main; main(['--help']);"
        "sys.exit(bool({'numpy', 'torch', 'yaml', 'PIL', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_verb_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"no command 'exprot'. Did you mean 'export'\?"):
        main(["exprot"])
    assert main([]) == 2
    assert "usage: " in capsys.readouterr().err
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gazeclip-edge {__version__}\n"


def test_the_program_is_called_as_it_was_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/env/bin/gazeclip"])
    main(["--help"])
    assert capsys.readouterr().out.startswith("usage: gazeclip COMMAND")
    with pytest.raises(SystemExit):
        main(["data", "prepare", "--help"])
    assert capsys.readouterr().out.startswith("usage: gazeclip data prepare ")


def test_recipes_are_found_by_name_and_by_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_recipe("demo").samefile(FOLDER / "demo.yaml")
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    (tmp_path / "demo").write_text("name: other\n")
    assert find_recipe("mine.yaml") == Path("mine.yaml")
    assert find_recipe("./demo") == Path("demo")  # a path, so the file
    for name, remedy in (
        ("dmo", "Did you mean 'demo'?"),
        ("mien.yaml", "Did you mean 'mine.yaml'?"),
        ("recipes/real.yaml", "Did you mean 'real', which comes with the program?"),
        ("something else", "Known: demo, real, mine.yaml"),
    ):
        with pytest.raises(ConfigError) as caught:
            find_recipe(name)
        assert str(caught.value) == f"recipe {name} does not exist. {remedy}"


def test_shipped_recipes_say_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert [recipe.name for recipe in list_recipes()] == ["demo", "real"]
    for recipe in list_recipes():
        assert recipe.about and recipe.needs != "nothing"
    assert run_verb("run", ["--list"], "gazeclip run") == 0
    printed = capsys.readouterr().out
    assert all(recipe.about in printed and recipe.needs in printed for recipe in list_recipes())


def test_run_wants_a_recipe() -> None:
    with pytest.raises(ConfigError, match=r"no recipe named. Run: .* run demo; all: .* run --list"):
        run_verb("run", [], "gazeclip run")
