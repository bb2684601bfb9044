"""The front door: every command of the program, found by name and imported when it is run.

    run_verb("export", ["--target", "coreml"], "gazeclip export")

The commands live in packages that build on this one, so they are named here as text, and an
overview of all of them imports none.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from gazeclip import __version__
from gazeclip.console.lines import print_line
from gazeclip.console.parser import CommandParser
from gazeclip.errors import ConfigError, nearest
from gazeclip.system.place import SCRIPT

ABOUT = "Deepfake detection and attribution, from GPU to device."
FAILED = 2


@dataclass(frozen=True)
class Verb:
    """One command of the program.

    Attributes:
        options: `module:function`. The function puts the command's options on a parser and sets
            `command`, which gets the parsed options and returns the exit code.
        summary: one line for the overview and the head of the command's own help.
        actions: what stands behind the command's name -> `module:function` of options that are
            this action's own; anything else is parsed by `options`.
    """

    name: str
    options: str
    summary: str
    actions: Mapping[tuple[str, ...], str] = field(default_factory=dict)


_STAGE = "gazeclip.commands.stage"
GROUPS = {
    "everything at once": (
        Verb("run", "gazeclip.commands.run:add_options", "run a recipe, from data to report"),
    ),
    "judge images": (
        Verb("verify", "runtimes.commands.verify:add_options", "judge images with a bundle"),
        Verb("serve", "runtimes.commands.serve:add_options", "judge images over HTTP"),
        Verb("app", "runtimes.commands.app:add_options", "the page that judges in a browser"),
        Verb("engines", "runtimes.commands.engines:add_options", "which engines can be used here"),
        Verb("bundle", "export.bundle_command:add_options", "sign, check and compare bundles"),
    ),
    "the stages of a run, one by one": (
        Verb("data", "gazeclip.commands.data:add_options", "prepare, check and describe data"),
        Verb("backbone", f"{_STAGE}:add_backbone_options", "train the teacher's CNN by itself"),
        Verb("teacher", f"{_STAGE}:add_teacher_options", "train the teacher"),
        Verb(
            "baseline",
            f"{_STAGE}:add_baseline_options",
            "train the student's backbone on labels alone, to compare with",
        ),
        Verb(
            "distill",
            "distill.command:add_options",
            "distil the teacher into the student",
            {
                ("text-bank", "add"): "distill.bank_command:add_name_options",
                ("text-bank", "few-shot"): "distill.bank_command:add_image_options",
            },
        ),
        Verb("quantize", "quantize.command:add_options", "make the student INT8 and fine-tune it"),
        Verb("export", "export.command:add_options", "export the student as bundles"),
        Verb(
            "benchmark", "benchmarks.command:add_options", "measure the bundles, write the report"
        ),
    ),
    "studies": (
        Verb(
            "compare",
            "benchmarks.compare.command:add_options",
            "compare two reports; an exit code where the second is worse than was agreed",
        ),
        Verb(
            "thresholds",
            "benchmarks.thresholds_command:add_options",
            "place the thresholds of a run's bundles for other rates of error",
        ),
        Verb(
            "protocol",
            "gazeclip.studies.protocol.command:add_options",
            "score a model on generators, families and data sets that it has not seen",
        ),
        Verb(
            "ablate",
            "gazeclip.studies.ablation.command:add_options",
            "train the teacher with one part changed at a time, over seeds",
        ),
        Verb(
            "parts",
            "gazeclip.studies.parts.command:add_options",
            "switch each part of a trained teacher off and see what it costs",
        ),
        Verb(
            "gaze-stats",
            "gazeclip.studies.gaze_stats.command:add_options",
            "compare the gaze of real and forged faces, by generator",
        ),
    ),
    "students": (
        Verb(
            "zoo",
            "benchmarks.zoo.command:add_options",
            "the students that are held to work: operations, sizes and times of each export",
        ),
    ),
    "this machine": (
        Verb(
            "doctor",
            "gazeclip.commands.doctor:add_options",
            "what is installed, what is missing, what this machine can do",
        ),
    ),
}
VERBS = {verb.name: verb for group in GROUPS.values() for verb in group}


def main(argv: list[str]) -> int:
    """Run `COMMAND OPTIONS...`, or say which commands there are.

    Raises:
        ConfigError: no such command.
    """
    program = name_program()
    if not argv:
        _print_verbs(program, sys.stderr)
        return FAILED
    name, *options = argv
    if name in ("-h", "--help"):
        _print_verbs(program, sys.stdout)
        return 0
    if name == "--version":
        print_line(f"gazeclip-edge {__version__}")
        return 0
    if name not in VERBS:
        raise ConfigError(f"there is no command '{name}'", remedy=nearest(name, VERBS))
    return run_verb(name, options, f"{program} {name}")


def run_verb(name: str, argv: list[str], prog: str) -> int:
    """Run one command; its exit code.

    Args:
        prog: what the command's own help calls it; each package has a door of its own.
    """
    verb = VERBS[name]
    options = verb.options
    for words, own in verb.actions.items():
        if tuple(argv[: len(words)]) == words:
            options = own
            prog = " ".join((prog, *words))
            argv = argv[len(words) :]
            break
    summary = f"{verb.summary[0].upper()}{verb.summary[1:]}."
    parser = CommandParser(prog=prog, description=summary, allow_abbrev=False)
    module, _, function = options.partition(":")
    getattr(importlib.import_module(module), function)(parser)
    args = parser.parse_args(argv)
    return int(args.command(args))


def _print_verbs(program: str, out: TextIO) -> None:
    for line in describe_verbs(program).splitlines():
        print_line(line, out)


def describe_verbs(program: str) -> str:
    """All commands with a line each, grouped by what they are for."""
    lines = [f"usage: {program} COMMAND [OPTIONS]", "", ABOUT]
    for title, verbs in GROUPS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {verb.name:<11} {verb.summary}" for verb in verbs]
    lines += ["", f"`{program} COMMAND --help` shows the options of a command, --version the"]
    lines += ["version, --debug with any command the traceback of an error."]
    return "\n".join(lines)


def name_program() -> str:
    """What help calls the program, by how it was started."""
    return SCRIPT if Path(sys.argv[0]).stem == SCRIPT else f"python -m {SCRIPT}"
