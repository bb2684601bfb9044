"""`gazeclip quantize`: INT8 by calibration and quantization-aware distillation."""

from __future__ import annotations

import argparse

from gazeclip.cli.options import add_stage_options, open_run


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_stage_options(parser)
    parser.add_argument(
        "--overflow-fix",
        choices=("on", "off"),
        help="on: weights use 7 bits, so that 8-bit products cannot saturate on CPUs without VNNI "
        "(default: the recipe's)",
    )
    parser.set_defaults(command=quantize_student)


def quantize_student(args: argparse.Namespace) -> int:
    """Run the quantization stage."""
    if args.overflow_fix:
        args.set.append(f"quantize.overflow_fix={args.overflow_fix == 'on'}")
    with open_run(args, "quantize") as run:
        run.manifest("student")
        from quantize.stage import run_stage

        run_stage(run, force=args.force)
    return 0
