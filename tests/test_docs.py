"""Documents name only what exists: links, paths, modules, commands; the README stays short."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gazeclip.cli.verbs import VERBS

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.checkout
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MAX_README_LINES = 120
PACKAGES = ("gazeclip", "distill", "quantize", "export", "runtimes", "benchmarks")
FOLDERS = (*PACKAGES, "tests", "tools", "recipes", "docs")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
# In documents `<package>` and the like stand for any name.
_PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]+")
_COMMAND = re.compile(r"^(?:\$ )?gazeclip ([a-z][a-z-]*)(.*)")
_MODULE = re.compile(rf"python -m ((?:{'|'.join(PACKAGES)})(?:\.\w+)*)")
MIN_FIGURE_BYTES = 20_000  # a placeholder or an empty page is smaller


def find_links(text: str) -> list[str]:
    """Targets of the relative links and pictures of a document."""
    return [link for link in _LINK.findall(text) if "://" not in link]


def find_headings(text: str) -> set[str]:
    """The anchors that GitHub makes of a document's headings."""
    anchors = set()
    for title in re.findall(r"^#+ (.+)$", text, re.M):
        words = re.sub(r"[^\w\s-]", "", title.lower())
        anchors.add(words.strip().replace(" ", "-"))
    return anchors


def find_code(text: str) -> Iterator[str]:
    """Inline code and the lines of fenced blocks."""
    for _, block in _FENCE.findall(text):
        yield from block.splitlines()
    yield from _CODE.findall(_FENCE.sub("", text))


def find_paths(text: str) -> set[str]:
    """Paths inside the repository that stand in a document's code."""
    paths = set()
    for code in find_code(text):
        if re.fullmatch(rf"{_PATH.pattern}", code.split(" ")[0]):
            paths.add(code.split(" ")[0])
        paths |= {word for word in code.split() if _PATH.fullmatch(word)}
    return {path.rstrip(".,:") for path in paths}


def find_dotted_names(text: str) -> set[str]:
    """Modules and names in modules, such as `gazeclip.run.execute`, in a document's inline code."""
    pattern = rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+"
    found = set()
    for code in _CODE.findall(_FENCE.sub("", text)):
        if match := re.match(rf"({pattern})(?:\(|$)", code):
            found.add(match.group(1))
    return found


def find_commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each `gazeclip COMMAND ...` in a document's code: the command, and the words after it."""
    for code in find_code(text.replace("\\\n", " ")):
        if match := _COMMAND.match(code.strip()):
            yield match.group(1), match.group(2).partition("#")[0].split()


def find_command_faults(verb: str, words: list[str]) -> list[str]:
    """What of a command does not exist: its name, its sub-command, or an option."""
    if verb not in VERBS:
        return [f"gazeclip {verb}"]
    module, _, function = VERBS[verb].options.partition(":")
    parser = argparse.ArgumentParser(prog=f"gazeclip {verb}")
    getattr(importlib.import_module(module), function)(parser)
    step = words[0] if words and re.fullmatch(r"[a-z][a-z-]+", words[0]) else None
    for action in list(parser._actions):
        if step is None or action.option_strings or action.choices is None:
            continue
        if step not in action.choices:
            return [f"gazeclip {verb} {step}"]
        if isinstance(action, argparse._SubParsersAction):
            parser = action.choices[step]
    known = {"--debug", *parser._option_string_actions}
    options = [word for word in words if word.startswith("--")]
    return [f"gazeclip {verb} {option}" for option in options if option not in known]


def is_path_of_a_run(path: str) -> bool:
    """A run has folders that are called like packages: `export/onnx` is where a bundle lies."""
    return re.fullmatch(r"export/[\w-]+", path) is not None


def is_recipe_key(name: str) -> bool:
    """Parts of a recipe are called like packages: `quantize.overflow_fix`."""
    keys = (ROOT / "gazeclip/recipe/stages.py").read_text(encoding="utf-8")
    section, key = name.split(".")[:2]
    return all(re.search(rf"^ +{word}: ", keys, re.M) for word in (section, key))


def has_dotted_name(name: str) -> bool:
    """Whether a module exists, and a last part that is no module stands in its file."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        file = place.with_suffix(".py") if count > 1 else place / "__init__.py"
        if not file.is_file():
            file = place / "__init__.py"
        if file.is_file():
            source = file.read_text(encoding="utf-8")
            return all(re.search(rf"\b{part}\b", source) for part in parts[count:])
    return False


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    faults = []
    for link in find_links(document.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        leads_nowhere = not target.exists()
        if anchor and not leads_nowhere:
            leads_nowhere = anchor not in find_headings(target.read_text(encoding="utf-8"))
        if leads_nowhere:
            faults.append(link)
    assert faults == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_and_modules_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    faults = [path for path in find_paths(text) if not (ROOT / path).exists()]
    faults = [path for path in faults if not is_path_of_a_run(path)]
    for name in find_dotted_names(text):
        if not has_dotted_name(name) and not is_recipe_key(name):
            faults.append(name)
    for module in _MODULE.findall(text):
        place = ROOT.joinpath(*module.split("."))
        if not (place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()):
            faults.append(f"python -m {module}")
    assert sorted(faults) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_their_options_exist(document: Path) -> None:
    faults = []
    for verb, words in find_commands(document.read_text(encoding="utf-8")):
        faults += find_command_faults(verb, words)
    assert faults == []


def test_every_verb_is_described() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert set(VERBS) - {verb for verb, _ in find_commands(text)} == set()


def test_the_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_README_LINES


def test_the_readme_leads_to_every_document() -> None:
    links = find_links((ROOT / "README.md").read_text(encoding="utf-8"))
    names = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
    missing = [name for name in names if name not in (*links, "README.md")]
    assert missing == []


def test_what_is_not_there_is_found() -> None:
    text = "See [a](docs/none.md#x), `gazeclip/none.py`, `gazeclip.run.execute.nothing_of_this`.\n"
    assert find_links(text) == ["docs/none.md#x"]
    assert find_paths(text) == {"gazeclip/none.py"}
    assert not any(map(has_dotted_name, find_dotted_names(text)))
    assert find_command_faults("judge", []) == ["gazeclip judge"]
    assert find_command_faults("data", ["draw"]) == ["gazeclip data draw"]
    assert find_command_faults("verify", ["a.jpg", "--thershold", "fpr1"]) == [
        "gazeclip verify --thershold"
    ]
    assert has_dotted_name("gazeclip.run.execute.execute") and has_dotted_name("gazeclip.cli")
    assert find_headings("## Public data sets for the preset `dfad`\n") == {
        "public-data-sets-for-the-preset-dfad"
    }


def find_marked(text: str, name: str) -> str:
    """What stands between `<!-- name -->` and `<!-- /name -->`."""
    start = f"<!-- {name} -->"
    end = f"<!-- /{name} -->"
    assert text.count(start) == 1 and text.count(end) == 1, f"one {start} and one {end}"
    return text.partition(start)[2].partition(end)[0]


def test_the_readme_shows_what_was_printed_and_not_a_placeholder() -> None:
    shown = find_marked((ROOT / "README.md").read_text(encoding="utf-8"), "verify")
    assert " real " in shown and " fake " in shown
    assert "+0 / +0 deg" not in shown
    assert (ROOT / "docs" / "report.png").stat().st_size >= MIN_FIGURE_BYTES
