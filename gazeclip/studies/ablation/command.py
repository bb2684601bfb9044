"""`gazeclip ablate RECIPE`: train the grid of variants over seeds and write one table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gazeclip.console.progress import say
from gazeclip.errors import ConfigError


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    from gazeclip.studies.ablation.grid import GRID

    parser.description = (
        "Train the teacher with one part changed at a time, over seeds, and compare."
    )
    parser.add_argument("recipe", help="a shipped recipe, such as demo, or a file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a value of the recipe for all variants",
    )
    parser.add_argument(
        "--variants",
        default="",
        metavar="A,B",
        help=f"default: all of {', '.join(item.name for item in GRID)}",
    )
    parser.add_argument(
        "--custom",
        action="append",
        default=[],
        metavar="NAME:KEY=VALUE,...",
        help="a variant of your own (may be repeated)",
    )
    parser.add_argument("--seeds", default="0,1,2", metavar="A,B", help="default: 0,1,2")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: runs/NAME-ablation")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.set_defaults(command=run_ablate)


def run_ablate(args: argparse.Namespace) -> int:
    """Train what is not trained yet, score it, write `ablation.json` and `ablation.md`, print.

    Raises:
        ConfigError: unknown variant, faulty seeds, or a recipe that cannot be run here.
    """
    from gazeclip.console.lines import print_json
    from gazeclip.console.tables import print_tables
    from gazeclip.files.atomic import write_json, write_text
    from gazeclip.recipe.load import load_recipe
    from gazeclip.recipe.shipped import find_recipe
    from gazeclip.run.folder import RUNS
    from gazeclip.studies.ablation.grid import choose_variants
    from gazeclip.studies.ablation.run import run_grid
    from gazeclip.studies.ablation.table import build_tables, render_markdown, summarise_grid

    variants = choose_variants([name for name in args.variants.split(",") if name], args.custom)
    seeds = _parse_seeds(args.seeds)
    recipe = find_recipe(args.recipe)
    out = args.out or RUNS / f"{load_recipe(recipe, args.set).name}-ablation"
    entries = run_grid(recipe, args.set, variants, seeds, out)
    rows = summarise_grid(entries, variants)
    facts = {"recipe": args.recipe, "set": args.set, "seeds": seeds}
    write_json(out / "ablation.json", {**facts, "variants": rows})
    write_text(out / "ablation.md", render_markdown(rows, facts))
    if args.json:
        print_json(rows)
    else:
        print_tables(build_tables(rows), sys.stdout)
    say(f"ablation: {out / 'ablation.md'}")
    return 0


def _parse_seeds(text: str) -> list[int]:
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(
            f"--seeds {text} are not whole numbers", remedy="Example: --seeds 0,1,2"
        ) from error
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ConfigError(
            f"--seeds {text} must be different and not negative", remedy="Example: --seeds 0,1,2"
        )
    return seeds
