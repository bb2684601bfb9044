"""`python -m benchmarks`: accuracy and latency of a run's exported files, as a report."""

from __future__ import annotations

from gazeclip.cli.guard import guard
from gazeclip.cli.options import open_run, stage_parser


def main(argv: list[str]) -> int:
    """Write the report of a run, or show the one that is there."""
    parser = stage_parser(
        "python -m benchmarks",
        "Measure every bundle of a run on the file that ships and write the report.",
    )
    args = parser.parse_args(argv)
    with open_run(args, "report") as run:
        run.manifest("student")
        from benchmarks.stage import run_stage

        run_stage(run, force=args.force)
    return 0


if __name__ == "__main__":
    guard(main)
