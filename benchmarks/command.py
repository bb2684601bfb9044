"""`gazeclip benchmark`: accuracy and latency of a run's exported files, as a report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gazeclip.cli.options import add_stage_options, open_run
from gazeclip.errors import ConfigError
from runtimes.commands.trusted import add_trusted_option

EVERYTHING = "all"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = (
        "Measure every bundle of a run on the file that ships and write the report."
    )
    parser.add_argument(
        "bundles",
        nargs="*",
        type=Path,
        metavar="BUNDLE",
        help="bundles to measure outside any run (default: those of the run)",
    )
    add_stage_options(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="of bundles: where the report goes")
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="of bundles: images to judge; of a run: another data set, for P4",
    )
    parser.add_argument(
        "--taxonomy", metavar="NAME", help="its taxonomy (default, of a run: the run's)"
    )
    parser.add_argument(
        "--robustness",
        action="store_true",
        help="judge the test images under compression, blur, noise and the like as well",
    )
    parser.add_argument(
        "--images",
        type=int,
        metavar="N",
        help="of the robustness grid: so many images of each split, spread over the labels",
    )
    parser.add_argument(
        "--threads",
        metavar="LIST",
        help="time the bundles with several numbers of threads as well, such as 1,2,all",
    )
    parser.add_argument(
        "--batch", metavar="LIST", help="with several sizes of batches, such as 1,8 (the default)"
    )
    parser.add_argument(
        "--starts",
        action="store_true",
        help="measure fresh processes as well: start, memory, stages from a JPEG to a verdict",
    )
    parser.add_argument(
        "--peers",
        action="store_true",
        help="time other networks, with random weights, and the machine's limits as well",
    )
    parser.add_argument(
        "--peer-rounds", type=int, metavar="N", help="of the peers: so many rounds (default: 10)"
    )
    parser.add_argument(
        "--peer-threads", type=int, metavar="N", help="of the peers: threads (default: 1)"
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="time the bundles there as well: adb, adb:SERIAL, coreml or coreml:UNITS",
    )
    parser.add_argument(
        "--benchmark-model", type=Path, metavar="FILE", help="of adb: LiteRT's tool for the device"
    )
    add_trusted_option(parser, "of bundles: ")
    parser.set_defaults(command=measure_run)


def measure_run(args: argparse.Namespace) -> int:
    """Write the report of a run, or show the one that is there; or one of the bundles named.

    Raises:
        ConfigError: options that do not go together, or numbers that are none.
    """
    changes = read_changes(args)
    on_device = read_device(args)
    if args.bundles:
        return _measure_bundles(args, {**changes, **on_device})
    changes |= _read_other_options(args)
    args.set = [*args.set, *(f"report.{key}={json.dumps(value)}" for key, value in changes.items())]
    if args.out is not None:
        raise ConfigError("--out is for bundles", remedy="Name bundles, or leave it out")
    if args.trusted is not None:  # what a run has made itself, nobody has signed yet
        raise ConfigError("--trusted is for bundles", remedy="Name bundles, or leave it out")
    with open_run(args, "report") as run:
        run.manifest("student")
        from benchmarks.stage import find_exit_code, run_stage

        run_stage(run, force=args.force, on_device=on_device)
        return find_exit_code(run)


def _measure_bundles(args: argparse.Namespace, changes: Mapping[str, Any]) -> int:
    """A report on bundles that are named, outside any run."""
    if args.run is not None or args.set or args.force:
        what = "--run, --set and --force are for runs"
        raise ConfigError(what, remedy="Leave them out, or name no bundles")
    if args.out is None:
        raise ConfigError("a report on bundles needs a place", remedy="Name a folder: --out DIR")
    if (args.manifest is None) != (args.taxonomy is None):
        raise ConfigError(
            "--manifest and --taxonomy belong together", remedy="Give both of them or none"
        )
    from benchmarks.bundles import Images, report_bundles
    from benchmarks.protocols import choose_exit_code
    from gazeclip.console.lines import print_line
    from gazeclip.recipe.stages import ReportStage

    images = None if args.manifest is None else Images(args.manifest, args.taxonomy)
    report = report_bundles(
        args.bundles, ReportStage(**changes), images, args.out, trusted=args.trusted
    )
    print_line(f"report: {args.out / 'report.html'}")
    return choose_exit_code(report)


def read_changes(args: argparse.Namespace) -> dict[str, Any]:
    """Keys of the recipe's `report` that the options stand for: they stay on, as with `--set`.

    Raises:
        ConfigError: `--images` without the grid, or numbers that are none.
    """
    changes: dict[str, Any] = {}
    if args.robustness:
        changes["robustness"] = True
    if args.images is not None:
        if not args.robustness:
            raise ConfigError("--images is of the robustness grid", remedy="Add --robustness")
        if args.images < 2:
            raise ConfigError(f"--images {args.images} is too few", remedy="Give 2 or more")
        changes["robustness_images"] = args.images
    if args.starts:
        changes["starts"] = True
    changes |= _read_peer_options(args)
    if args.threads is not None or args.batch is not None:
        changes["sweep_threads"] = _read_numbers("--threads", args.threads or EVERYTHING)
    if args.batch is not None:
        changes["sweep_batches"] = _read_numbers("--batch", args.batch)
    return changes


def read_device(args: argparse.Namespace) -> dict[str, str]:
    """`device` and `benchmark_model` of this report alone: what is plugged in today is no recipe.

    Raises:
        ConfigError: a tool without a device.
    """
    if args.device is None:
        if args.benchmark_model is not None:
            raise ConfigError("--benchmark-model is of a device", remedy="Add --device adb")
        return {}
    found = {"device": args.device}
    if args.benchmark_model is not None:
        found["benchmark_model"] = str(args.benchmark_model.resolve())
    return found


def _read_other_options(args: argparse.Namespace) -> dict[str, Any]:
    """Of a run: the data set of P4."""
    if args.manifest is None:
        if args.taxonomy is not None:
            what = "--taxonomy is that of another data set"
            raise ConfigError(what, remedy="Name its manifest as well: --manifest FILE")
        return {}
    changes = {"other_manifest": str(args.manifest.resolve())}
    if args.taxonomy is not None:
        changes["other_taxonomy"] = args.taxonomy
    return changes


def _read_peer_options(args: argparse.Namespace) -> dict[str, Any]:
    """`--peers` and what belongs to it."""
    changes: dict[str, Any] = {"peers": True} if args.peers else {}
    for key in ("peer_rounds", "peer_threads"):
        number = getattr(args, key)
        if number is None:
            continue
        option = f"--{key.replace('_', '-')}"
        if not args.peers:
            raise ConfigError(f"{option} is of the peers", remedy="Add --peers")
        if number < 1:
            raise ConfigError(f"{option} {number} is too few", remedy="Give 1 or more")
        changes[key] = number
    return changes


def _read_numbers(option: str, text: str) -> list[int]:
    """`1,2,all` as numbers, each once; `all` of threads is 0, as recipes have it."""
    found = []
    for word in text.split(","):
        word = word.strip().lower()
        if word == EVERYTHING and option == "--threads":
            found.append(0)
        elif word.isdecimal() and int(word) > 0:
            found.append(int(word))
        else:
            also = " or 'all'" if option == "--threads" else ""
            raise ConfigError(
                f"{option} '{text}': '{word}' is no number of them",
                remedy=f"Give numbers from 1 on{also} with commas between them",
            )
    return list(dict.fromkeys(found))
