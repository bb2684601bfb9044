"""A class more in a text bank, by its name: the teacher's language encoder reads its prompts.

Nothing is trained. The row is made as those of the trained classes are, from the four prompt levels
of the taxonomy, so it belongs to the same teacher only.
"""

from __future__ import annotations

import numpy as np
import torch

from distill.text_bank import TextBank
from gazeclip.bundle.contents import BundleClass
from gazeclip.bundle.text_bank import BankRow, TextBankFile
from gazeclip.errors import ConfigError
from gazeclip.run.context import Context
from gazeclip.system.place import command_line
from gazeclip.taxonomy import Generator, Taxonomy
from gazeclip.teacher.model import GazeCLIP

# Rows closer than that have the same prompts but for rounding.
SAME_ROW_COSINE = 0.9999


def open_run_bank(context: Context) -> TextBankFile:
    """The bank that the run's stage `text_bank` wrote, as a file that travels alone has it.

    Raises:
        StageError, ArtifactError: the stage has not run, or its teacher was trained anew.
    """
    context.run.output_hash("text_bank")
    bank = TextBank.load(context.run.folder("text_bank"))
    classes = tuple(BundleClass(**item) for item in context.taxonomy.describe(bank.classes))
    rows = tuple(BankRow("text", tuple(bank.prompts[name])) for name in bank.classes)
    return TextBankFile(bank.embeddings.numpy(), classes, rows, bank.teacher_hash)


def choose_prompts(
    teacher: GazeCLIP, taxonomy: Taxonomy, generator: Generator, levels: int | None
) -> tuple[str, ...]:
    """The prompts that the teacher reads, coarse to fine.

    Args:
        levels: so many only; None: as many as the teacher was trained with.

    Raises:
        ConfigError: there are not so many, or one has words that the teacher cannot read.
    """
    have = teacher.lre.levels
    count = have if levels is None else levels
    if not 1 <= count <= have:
        what = f"this teacher reads {have} prompt levels, not {count}"
        raise ConfigError(what, remedy=f"Use 1 to {have}")
    prompts = taxonomy.extend(generator).prompts(generator.name)[:count]
    for level, prompt in enumerate(prompts, start=1):
        unknown = teacher.lre.find_unknown_words(prompt)
        if unknown:
            shorter = f", or leave it out with --levels {level - 1}" if level > 1 else ""
            raise ConfigError(
                f"the teacher's text side was trained from scratch and never saw "
                f"{', '.join(map(repr, unknown))} (level {level}: '{prompt}')",
                remedy=f"Describe it in words of the trained prompts with --title{shorter}",
            )
    return prompts


@torch.inference_mode()
def add_by_name(
    teacher: GazeCLIP,
    taxonomy: Taxonomy,
    bank: TextBankFile,
    generator: Generator,
    levels: int | None = None,
) -> TextBankFile:
    """The bank, of this teacher, with a row for a generator that nothing was trained on.

    Raises:
        ConfigError: as of `choose_prompts`, or the row cannot be told from another one.
    """
    prompts = choose_prompts(teacher, taxonomy, generator, levels)
    row = teacher.lre.embed_prompts(prompts).float().numpy()
    _refuse_equal_row(bank, generator, row)
    entry = BundleClass(generator.name, generator.title, generator.category, generator.family)
    origin = BankRow("text", tuple(prompts), float(np.linalg.norm(row)))
    return bank.add(entry, origin, row)


def _refuse_equal_row(bank: TextBankFile, generator: Generator, row: np.ndarray) -> None:
    lengths = np.linalg.norm(bank.embeddings, axis=1)
    cosine = bank.embeddings @ row / lengths  # (C,)
    closest = int(cosine.argmax())
    if cosine[closest] > SAME_ROW_COSINE:
        other = bank.classes[closest].name
        few_shot = command_line("distill", "text-bank", "few-shot", "--help")
        raise ConfigError(
            f"'{generator.name}' has the same prompts as '{other}', so no image could be "
            "attributed to one rather than the other",
            remedy=f"Give it another --title, or make it from photographs: {few_shot}",
        )
