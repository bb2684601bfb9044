"""`gazeclip run RECIPE`: all stages of a recipe, from data to report."""

from __future__ import annotations

import argparse
import importlib

from gazeclip.cli.options import add_stage_options
from gazeclip.console.lines import print_line
from gazeclip.errors import ConfigError
from gazeclip.run.stages import STAGES
from gazeclip.system.place import command_line


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "recipe", nargs="?", help="a recipe that comes with the program, such as demo, or a file"
    )
    parser.add_argument("--list", action="store_true", help="show the recipes that come with it")
    run_help = "run folder (default: runs/NAME, after the recipe's name)"
    add_stage_options(parser, run_help, "the recipe")
    parser.set_defaults(command=run_pipeline)


def run_pipeline(args: argparse.Namespace) -> int:
    """Run a recipe, or list those that are there; 3 as of `benchmark`, whose stage is the last.

    Raises:
        ConfigError: no recipe was named, or it is faulty or cannot be run here.
    """
    if args.list:
        return print_recipes()
    if args.recipe is None:
        remedy = f"Run: {command_line('run', 'demo')}; all: {command_line('run', '--list')}"
        raise ConfigError("no recipe named", remedy=remedy)
    from gazeclip.commands.pipeline import run_recipe
    from gazeclip.recipe.shipped import find_recipe

    run = run_recipe(find_recipe(args.recipe), args.set, args.run, args.force)
    return int(importlib.import_module(STAGES["report"].module).find_exit_code(run))


def print_recipes() -> int:
    """Print what each shipped recipe is and needs."""
    from gazeclip.recipe.shipped import list_recipes

    for recipe in list_recipes():
        print_line(f"{recipe.name:10} {recipe.about}")
        print_line(f"{'':10} needs: {recipe.needs}")
    return 0
