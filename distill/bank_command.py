"""`gazeclip distill text-bank add` and `... few-shot`: classes more, without a training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gazeclip.bundle.text_bank import TextBankFile
from gazeclip.cli.options import RECENT_RUN, find_run
from gazeclip.console.lines import print_line
from gazeclip.console.progress import say, working
from gazeclip.errors import ArtifactError, ConfigError
from gazeclip.files.atomic import read_json
from gazeclip.files.hashes import sha256
from gazeclip.run.context import Context
from gazeclip.run.folder import Run
from gazeclip.run.stages import stage_command
from gazeclip.taxonomy import CATEGORIES, FAMILIES, REAL, Generator

if TYPE_CHECKING:
    from distill.bank_images import Photographs

FILE = "text_bank_extended.safetensors"  # of a run's, where no other name is given


def add_name_options(parser: argparse.ArgumentParser) -> None:
    """The options of `add`."""
    parser.description = (
        "Add a class to a text bank by its name: the run's teacher reads the prompts of its four "
        "levels. Nothing is trained."
    )
    _add_class_options(parser)
    parser.add_argument(
        "--levels",
        type=int,
        metavar="N",
        help="use the N coarsest prompts only, for names that the teacher cannot read",
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help=RECENT_RUN)
    _add_files(parser)
    parser.set_defaults(command=add_name)


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """The options of `few-shot`."""
    parser.description = (
        "Add a class to a text bank from some photographs, by the student's own embeddings. "
        "Nothing is trained."
    )
    _add_class_options(parser)
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="about ten files")
    parser.add_argument(
        "--weight",
        type=float,
        default=1.0,
        metavar="W",
        help="multiplies the row's length: above 1 more images go to the class, rightly and "
        "wrongly (default: 1)",
    )
    student = parser.add_mutually_exclusive_group()
    student.add_argument(
        "--run",
        type=Path,
        metavar="DIR",
        help=f"{RECENT_RUN}; its float student takes images whole, so give them cut as in training",
    )
    student.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="this bundle's model instead; it finds faces as `verify` does",
    )
    _add_files(parser)
    parser.set_defaults(command=add_images)


def _add_class_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the class, as a manifest would label it")
    kinds = ", ".join(name for name in CATEGORIES if name != REAL)
    parser.add_argument(
        "--category", metavar="C", help=f"{kinds} (default: as the run's taxonomy has it)"
    )
    families = ", ".join(name for name in FAMILIES if name != REAL)
    parser.add_argument("--family", metavar="F", help=f"{families} (default: likewise)")
    parser.add_argument("--title", metavar="TEXT", help="what prompts call it (default: NAME)")


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bank",
        type=Path,
        metavar="FILE",
        help="the bank to extend (default: the one that student and bundle were made with)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"where to write (default: --bank itself, or {FILE} in the run or here)",
    )
    parser.add_argument("--debug", action="store_true", help="show a traceback on errors")


def add_name(args: argparse.Namespace) -> int:
    """Extend a bank by a name.

    Raises:
        GazeClipError: as of `distill.bank_text`; nothing was written.
    """
    run = find_run(args.run)
    out = _choose_place(args, run.root)
    from distill.bank_files import find_generator, refuse_other_teacher
    from distill.bank_text import add_by_name, open_run_bank
    from gazeclip.stages.load import load_teacher

    context = Context(run)
    bank = open_run_bank(context)
    if args.bank is not None:
        own = bank.teacher
        bank = TextBankFile.read(args.bank)
        refuse_other_teacher(args.bank, bank, own, f"run {run.root}")
    generator = find_generator(context.taxonomy, args.name, args.category, args.family, args.title)
    teacher = load_teacher(context)
    _write(add_by_name(teacher, context.taxonomy, bank, generator, args.levels), out)
    return 0


def add_images(args: argparse.Namespace) -> int:
    """Extend a bank by photographs.

    Raises:
        GazeClipError: as of `distill.bank_images`; nothing was written.
    """
    from distill.bank_images import name_missing

    name_missing(args.images)
    if args.bundle is not None:
        out = _choose_place(args, Path())
        bank = _add_by_bundle(args)
    else:
        run = find_run(args.run)
        out = _choose_place(args, run.root)
        bank = _add_by_run(args, run)
    _write(bank, out)
    return 0


def _add_by_bundle(args: argparse.Namespace) -> TextBankFile:
    from distill.bank_files import embed_by_bundle, find_generator, open_bundle_bank
    from distill.bank_images import collect_photographs
    from runtimes.loading import load

    generator = find_generator(None, args.name, args.category, args.family, args.title)
    verifier = load(args.bundle)
    bundle = verifier.bundle
    own = open_bundle_bank(bundle)
    with working("looking at the photographs"):
        photographs = collect_photographs(embed_by_bundle(verifier, args.images))
    student = str(bundle.meta["provenance"]["student_sha256"])
    return _extend(args, own, f"bundle {args.bundle}", generator, photographs, student)


def _add_by_run(args: argparse.Namespace, run: Run) -> TextBankFile:
    from distill.bank_files import find_generator
    from distill.bank_images import collect_photographs, embed_by_student
    from distill.bank_text import open_run_bank
    from gazeclip.stages.load import load_run_student

    context = Context(run)
    own = open_run_bank(context)
    generator = find_generator(context.taxonomy, args.name, args.category, args.family, args.title)
    _refuse_stale_student(run)
    student = load_run_student(context)
    with working("looking at the photographs"):
        photographs = collect_photographs(embed_by_student(student, args.images))
    digest = sha256(run.folder("student") / "model.safetensors")
    return _extend(args, own, f"run {run.root}", generator, photographs, digest)


def _refuse_stale_student(run: Run) -> None:
    """Refuse a student that was distilled with another text bank than the run has now."""
    facts = read_json(run.folder("student") / "config.json")
    if facts.get("text_bank") != run.output_hash("text_bank"):
        raise ArtifactError(
            f"the student of {run.root} was distilled with another text bank",
            remedy=f"Run: {stage_command('student', run.root)}",
        )


def _extend(
    args: argparse.Namespace,
    own: TextBankFile,
    owner: str,
    generator: Generator,
    photographs: Photographs,
    student: str,
) -> TextBankFile:
    from distill.bank_files import refuse_other_teacher
    from distill.bank_images import add_by_images

    bank = own
    if args.bank is not None:
        bank = TextBankFile.read(args.bank)
        refuse_other_teacher(args.bank, bank, own.teacher, owner)
    return add_by_images(bank, generator, photographs, student, args.weight)


def _choose_place(args: argparse.Namespace, folder: Path) -> Path:
    """Where the bank will be written; refused before any work where another one lies there."""
    out: Path = args.out or args.bank or folder / FILE
    if out.exists() and (args.bank is None or not out.samefile(args.bank)):
        raise ConfigError(
            f"{out} is there already",
            remedy=f"Extend it with --bank {out}, or name another file with --out",
        )
    return out


def _write(bank: TextBankFile, out: Path) -> None:
    """Write a bank and say what it holds; its path goes to standard output."""
    bank.write(out)
    row = bank.rows[-1]
    how = f"{len(row.sources)} {'prompts' if row.made == 'text' else 'photographs'}"
    say(
        f"text bank: {len(bank.classes)} classes; '{bank.classes[-1].name}' from {how}, "
        f"row of length {row.length:.3f}"
    )
    print_line(str(out))
