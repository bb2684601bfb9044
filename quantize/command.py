"""`gazeclip quantize`: INT8 by calibration and quantization-aware distillation."""

from __future__ import annotations

import argparse
import sys

from gazeclip.cli.options import add_stage_options, open_run
from gazeclip.console.lines import print_line
from gazeclip.console.tables import print_table
from gazeclip.run.folder import Run


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_stage_options(parser)
    parser.add_argument(
        "--overflow-fix",
        choices=("on", "off"),
        help="x86 CPUs without VNNI (before 2019, AMD before Zen 4) add two products of 8 bits in "
        "16, which overflow in ONNX Runtime and OpenVINO and change verdicts without a word. on: "
        "weights use 7 bits, which cannot overflow. off: all 8 bits, for devices that are known to "
        "have VNNI, or no x86 CPU (default: the recipe's)",
    )
    parser.add_argument(
        "--auto",
        action="store_true",
        help="climb a ladder until a step passes the gate: calibration, training, longer and "
        "faster training, the most sensitive layers in float; exit code 3 if none does",
    )
    parser.add_argument(
        "--sensitivity",
        action="store_true",
        help="measure how much each layer's quantizers move the verdicts of the quantized student",
    )
    parser.set_defaults(command=quantize_student)


def quantize_student(args: argparse.Namespace) -> int:
    """Run the quantization stage, or measure its layers.

    Raises:
        GateError: no step of the ladder passes the gate.
    """
    if args.overflow_fix:
        args.set.append(f"quantize.overflow_fix={args.overflow_fix == 'on'}")
    if args.auto:
        args.set.append("quantize.auto=true")
    with open_run(args, "quantize", "gate") as run:
        run.manifest("student")
        if args.sensitivity:
            return _print_sensitivity(run)
        from quantize.stage import run_stage

        run_stage(run, force=args.force)
    return 0


def _print_sensitivity(run: Run) -> int:
    """Print the table; the figure lies in the run folder."""
    from gazeclip.run.context import Context
    from gazeclip.stages.load import load_run_student
    from quantize.nncf_setup import load_quantizers
    from quantize.sensitivity import FIGURE, build_table, measure_sensitivity, write_sensitivity
    from quantize.stage import load_quantized_student
    from quantize.workshop import Workshop

    run.manifest("quantized")
    context = Context(run)
    load_quantizers()
    folder = run.root / "sensitivity"
    folder.mkdir(exist_ok=True)
    workshop = Workshop(context, load_run_student(context), folder)
    rows = measure_sensitivity(workshop, load_quantized_student(context))
    print_table(build_table(rows), sys.stdout)
    write_sensitivity(folder, rows)
    print_line(str(folder / FIGURE))
    return 0
