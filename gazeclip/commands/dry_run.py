"""A dry run before the first stage: what the recipe's networks cannot do is said in seconds.

The work is done by `export.trial` in a process of its own, so that a run with this look and one
without it train the same weights to the last bit. It is left out where the run's bundles show
already that these networks can be shipped, and where the same was tried before with the same
program and packages: the user's cache remembers what passed, and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from gazeclip import __version__
from gazeclip.commands.preflight import refuse_recipe
from gazeclip.console.progress import say, working
from gazeclip.console.text import take_last_line
from gazeclip.errors import Fault, GazeClipError
from gazeclip.files.atomic import read_json, write_json
from gazeclip.files.hashes import fingerprint, name_weights_by_content
from gazeclip.files.source import hash_source
from gazeclip.recipe.stages import Recipe
from gazeclip.run.folder import Run
from gazeclip.run.versions import read_versions
from gazeclip.system.cache import cache_root
from gazeclip.system.place import OWN_PACKAGES

_NOT_TRIED = ("benchmarks", "recipes")  # packages of which the trial imports nothing
LIMIT_S = 600.0  # the first time on a machine NNCF compiles its quantizers, for a minute or two


def dry_run(recipe: Recipe, run: Run) -> None:
    """Return if the recipe's networks passed training, quantization and conversion.

    Raises:
        ConfigError: what would have failed, in which stage and why, each with its remedy.
    """
    if is_proven(recipe, run):
        return
    passed = _remembered_path(recipe)
    if passed is not None and passed.is_file():
        return
    say("dry run: these networks with random weights, before the first stage")
    with working("dry run"):
        faults, trouble = _find_faults(recipe)
    if faults is None:  # it shows nothing about the recipe, and the stages will tell
        say(f"warning: the dry run itself failed ({trouble}); the stages are run without it")
        return
    refuse_recipe(recipe, faults)
    if passed is not None:
        with contextlib.suppress(OSError, GazeClipError):  # then it is tried again
            passed.parent.mkdir(parents=True, exist_ok=True)
            write_json(passed, read_versions())


def _find_faults(recipe: Recipe) -> tuple[list[Fault] | None, str]:
    """What the trial found; None and why, if it came to no end."""
    try:
        with tempfile.TemporaryDirectory(prefix="gazeclip-") as folder:
            found = Path(folder) / "faults.json"
            trouble = _try_in_process(recipe, found, folder)
            if not found.is_file():
                return None, trouble
            return [Fault(what, remedy) for what, remedy in read_json(found)], ""
    except OSError as error:  # no room, or no folder for what is temporary
        return None, error.strerror or str(error)


def is_proven(recipe: Recipe, run: Run) -> bool:
    """Whether the run holds every bundle that the recipe wants, of this student at this size."""
    try:
        wanted = name_weights_by_content(json.loads(json.dumps(asdict(recipe))))
        for stage in ("student", "teacher", "baseline", "backbone"):
            if not wanted[stage].get("enabled", True):
                continue
            made = run.manifest(stage)
            if made["version"] != __version__ or made["config"][stage] != wanted[stage]:
                return False
        shipped = {_bundle_kind(run, stage) for stage in run.bundles()}
    except (GazeClipError, OSError, KeyError):
        return False
    kinds = [
        (target, precision)
        for target in recipe.export.targets
        for precision in recipe.export.precisions
    ]
    return all((*kind, recipe.data.image_size) in shipped for kind in kinds)


def _remembered_path(recipe: Recipe) -> Path | None:
    """The file that is there if such a recipe passed before; None where this user has no home.

    Its name is a hash of all that the outcome can depend on: the networks, sizes, batches and
    targets, the source of this program, the packages and the machine. Of a recipe only what
    certainly has no part in it is left out, so a key that is added later counts by itself.
    """
    tried = name_weights_by_content(asdict(recipe))
    del tried["name"], tried["seed"]
    tried["data"] = recipe.data.image_size
    facts = {
        "recipe": tried,
        "source": hash_source(name for name in OWN_PACKAGES if name not in _NOT_TRIED),
        "versions": read_versions(),
        "machine": [sys.version, platform.platform(), platform.machine()],
    }
    try:
        cache = cache_root()
    except RuntimeError:
        return None
    return cache / "dry_run" / f"{fingerprint(facts)}.json"


def _bundle_kind(run: Run, stage: str) -> tuple[str, str, int]:
    run.output_hash(stage)  # refuses one of another student
    config = run.manifest(stage)["config"]
    return config["target"], config["precision"], config["contract"]["size"]


def _try_in_process(recipe: Recipe, found: Path, folder: str) -> str:
    """Run `export.trial`; why it failed, if it left no file."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    # What a killed trial leaves of its conversions goes with the folder.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TMPDIR": folder}
    given = json.dumps(asdict(recipe))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "export.trial", str(found)],
            input=given,
            text=True,
            errors="backslashreplace",
            capture_output=True,
            timeout=LIMIT_S,
            env=environment,
        )
    except OSError as error:
        return f"{sys.executable}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT_S:.0f} s"
    return f"exit code {done.returncode}: {take_last_line(done.stderr)}"
