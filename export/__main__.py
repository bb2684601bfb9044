"""`python -m export --target {onnx,openvino,coreml,tflite,all}`: bundles from the most recent run."""

from __future__ import annotations

from export import registry
from gazeclip.cli.guard import guard
from gazeclip.cli.options import open_run, stage_parser
from gazeclip.errors import ConfigError, nearest
from gazeclip.system.packages import install_command

PRECISIONS = ("int8", "fp32", "fp16")


def main(argv: list[str]) -> int:
    """Export bundles."""
    parser = stage_parser(
        "python -m export", "Export the student of a run as self-describing bundles."
    )
    parser.add_argument(
        "--target",
        action="append",
        metavar="T",
        help=f"{', '.join(registry.TARGETS)} or all (repeatable; default: the recipe's)",
    )
    parser.add_argument(
        "--precision",
        action="append",
        metavar="P",
        help="int8|fp32|fp16 (repeatable; default: the recipe's, int8 with --target)",
    )
    parser.add_argument(
        "--list", action="store_true", help="show targets, precisions and what is installed"
    )
    args = parser.parse_args(argv)
    if args.list:
        return _list()
    targets = _targets(args.target or [])
    for precision in args.precision or []:
        if precision not in PRECISIONS:
            raise ConfigError(
                f"there is no precision '{precision}'", remedy=nearest(precision, PRECISIONS)
            )
    with open_run(args, "export") as run:
        run.manifest("student")
        from export.stage import Exporter, export_one
        from gazeclip.run.stages import bundle_stage

        exporter = Exporter(run)
        # What the report asks for; a target that was named is wanted as it ships.
        stage = exporter.context.recipe.export
        precisions = args.precision or (["int8"] if targets else list(stage.precisions))
        targets = targets or list(stage.targets)
        if "int8" in precisions:
            run.manifest("quantized")
        for precision in precisions:
            for target in targets:
                export_one(exporter, target, precision, force=args.force)
                print(run.folder(bundle_stage(target, precision)))
    return 0


def _targets(named: list[str]) -> list[str]:
    for target in named:
        if target != "all" and target not in registry.TARGETS:
            raise ConfigError(
                f"there is no export target '{target}'",
                remedy=nearest(target, [*registry.TARGETS, "all"]),
            )
    return list(registry.TARGETS) if "all" in named else list(dict.fromkeys(named))


def _list() -> int:
    for target in registry.TARGETS:
        state = (
            "installed"
            if registry.is_installed(target)
            else f"not installed: {install_command(registry.EXTRAS[target])}"
        )
        precisions = (
            registry.get(target).PRECISIONS if registry.is_installed(target) else PRECISIONS
        )
        print(f"{target:10} {', '.join(precisions):18} {state}")
    return 0


if __name__ == "__main__":
    guard(main)
