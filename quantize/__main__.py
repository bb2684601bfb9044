"""`python -m quantize`: INT8 by calibration and quantization-aware distillation."""

from __future__ import annotations

from gazeclip.cli.guard import guard
from gazeclip.cli.options import open_run, stage_parser


def main(argv: list[str]) -> int:
    """Run the quantization stage."""
    parser = stage_parser(
        "python -m quantize", "Quantize the student of a run with NNCF and fine-tune it."
    )
    parser.add_argument(
        "--overflow-fix",
        choices=("on", "off"),
        help="on: weights use 7 bits, so that 8-bit products cannot saturate on CPUs without VNNI (default: the recipe's)",
    )
    args = parser.parse_args(argv)
    if args.overflow_fix:
        args.set.append(f"quantize.overflow_fix={args.overflow_fix == 'on'}")
    with open_run(args, "quantize") as run:
        run.manifest("student")
        from quantize.stage import run_stage

        run_stage(run, force=args.force)
    return 0


if __name__ == "__main__":
    guard(main)
