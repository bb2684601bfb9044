"""Where the program runs, a checkout or an installed wheel, and what works there.

Every command and file that a message names comes from here:

    command_line("export", "--target", "all")  # gazeclip export --target all
    name_file("docs/data.md")                  # docs/data.md, or "docs/data.md of the source"

Standard library only: it is used before anything is known to be installed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # of the checkout, else site-packages
CONSTRAINTS = Path(__file__).with_name("constraints.txt")
# Its packages, bottom up, and the one of its recipes.
OWN_PACKAGES = (
    "gazeclip",
    "distill",
    "quantize",
    "export",
    "runtimes",
    "benchmarks",
    "recipes",
)
SCRIPT = "gazeclip"  # the console script of pyproject.toml


def command_line(*arguments: str) -> str:
    """The words that start a command, in the form in which this program was started.

    Started as the console script it names the script, and otherwise Python's `-m gazeclip`, because
    the script of an environment that is not activated is not on the search path.
    """
    started = Path(sys.argv[0])
    program = f"{name_python()} -m {SCRIPT}"
    if started.stem == SCRIPT:
        program = SCRIPT if _is_found_as(SCRIPT, started) else _quote_program(started)
    return f"{program} {shlex.join(arguments)}".rstrip()


def name_python() -> str:
    """This interpreter as a shell finds it: `python` in an activated environment, else its path."""
    if not sys.executable:  # an interpreter inside another program
        return "python"
    running = Path(sys.executable)
    for name in ("python", "python3", running.name):
        if _is_found_as(name, running):
            return name
    return _quote_program(running)


def name_file(name: str) -> str:
    """A file of the project as it can be opened from here.

    Args:
        name: path from the root of the source; a wheel carries no documents.
    """
    path = ROOT / name
    return shorten_path(path) if path.exists() else f"{name} of the source"


def shorten_path(path: Path) -> str:
    """A path relative to the working folder where it lies below it, else in full."""
    full = Path(os.path.abspath(path))  # noqa: PTH100  # resolve() would follow an environment's link
    try:
        return str(full.relative_to(Path.cwd()))
    except ValueError:
        return str(full)


def _quote_program(path: Path) -> str:
    """A path as a shell starts it: a bare name would be looked for on the search path."""
    short = shorten_path(path)
    if not os.path.dirname(short):  # noqa: PTH120  # a Path has no `./`
        short = os.path.join(os.curdir, short)  # noqa: PTH118
    return shlex.quote(short)


def is_checkout() -> bool:
    """Whether the program runs from its source tree, where there is a Makefile."""
    project = ROOT / "pyproject.toml"
    try:
        return 'name = "gazeclip-edge"' in project.read_text(encoding="utf-8")
    except OSError:
        return False


def _is_found_as(name: str, program: Path) -> bool:
    """Whether a shell that is given `name` starts `program`."""
    found = shutil.which(name)
    if found is None or not program.exists():
        return False
    # Two environments' interpreters are links to one file: the folders must be the same as well.
    same_folder = Path(found).parent.samefile(program.parent)
    return same_folder and Path(found).samefile(program)
