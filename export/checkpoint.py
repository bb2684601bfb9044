"""A trained student without its run folder, as something that can be exported.

    exporter = open_checkpoint(Given(Path("student"), None, Path("faces.csv"), "dfad"), out, [])

A bundle's evidence and thresholds are fitted on calibration images and its parity is measured on
images of val, so both splits must be there: those of the manifest that the student was trained by,
which also shows that no person of theirs was trained on.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from export.exporter import Exporter, takes_text_banks
from export.places import LoneStudent
from export.teacher import read_teacher, read_teacher_of_bank, refuse_unknown_teacher
from gazeclip.console.progress import progress_callback
from gazeclip.data.manifest import Manifest, read_manifest
from gazeclip.errors import ConfigError
from gazeclip.files.atomic import write_json
from gazeclip.networks.student import StudentSpec, load_student
from gazeclip.recipe.load import load_recipe
from gazeclip.recipe.stages import Recipe
from gazeclip.run.context import Context
from gazeclip.taxonomy import Taxonomy

NAME = "checkpoint"  # of the recipe: where the folder lies is no part of a bundle


@dataclass(frozen=True)
class Given:
    """What stands for a run.

    Attributes:
        student: folder with `model.safetensors` and `config.json`, as a run's `student/`.
        quantized: folder as a run's `quantized/`; None: no int8.
        manifest: of the images that the student was trained by.
        taxonomy: preset or YAML file that names the manifest's generators.
        bank: the text bank that the student was distilled with: a run's folder or a file; None: it
            is not here.
    """

    student: Path
    quantized: Path | None
    manifest: Path
    taxonomy: str
    bank: Path | None = None


@dataclass(frozen=True)
class CheckpointContext(Context):
    """A run's facts, from what was given."""

    stated: Recipe
    checked: Manifest

    @cached_property
    def recipe(self) -> Recipe:
        """Defaults, and what options changed."""
        return self.stated

    @cached_property
    def manifest(self) -> Manifest:
        """Its images were decoded."""
        return self.checked


@dataclass(frozen=True)
class CheckpointExporter(Exporter):
    """Exports a student that has no run."""

    facts: CheckpointContext

    @cached_property
    def context(self) -> Context:
        """What was given."""
        return self.facts


def open_checkpoint(
    given: Given, out: Path, overrides: list[str], text_bank: str | None = None
) -> CheckpointExporter:
    """Read and check what was given.

    Args:
        out: folder for the bundles.
        overrides: `key=value` of the recipe's sections `export`, `gate` and `data`.
        text_bank: `baked` or `external`; None: as `overrides` say.

    Raises:
        ArtifactError: the student or its bank is missing or damaged.
        ManifestError: the manifest is faulty.
        ConfigError: student and manifest or bank do not belong together, or models are to take text
            banks and nobody says of which teacher.
    """
    student = load_student(given.student)
    spec = student.spec
    recipe = _build_recipe(given, spec, overrides)
    teacher = None if given.bank is None else read_teacher_of_bank(given.bank, student)
    if takes_text_banks(text_bank, recipe):
        refuse_unknown_teacher(teacher or read_teacher(given.student), given.student)
    taxonomy = Taxonomy.load(given.taxonomy)
    with progress_callback("checking images") as update:
        manifest = read_manifest(given.manifest, taxonomy, progress=update)
    _refuse_other_classes(given, spec, manifest)
    data_hash = manifest.hash_content(taxonomy.hash)
    run = LoneStudent(out, given.student, given.quantized, data_hash, teacher)
    facts = CheckpointContext(run, recipe, manifest)
    return CheckpointExporter(run, facts, text_bank=text_bank)


def _build_recipe(given: Given, spec: StudentSpec, overrides: list[str]) -> Recipe:
    data = {
        "manifest": str(given.manifest),
        "taxonomy": given.taxonomy,
        "image_size": spec.contract.size,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        write_json(path, {"name": NAME, "data": data})  # JSON is YAML
        return load_recipe(path, overrides)


def _refuse_other_classes(given: Given, spec: StudentSpec, manifest: Manifest) -> None:
    if manifest.classes != tuple(spec.classes):
        raise ConfigError(
            f"{given.student} knows the classes {', '.join(spec.classes)}, and the train split of "
            f"{given.manifest} has {', '.join(manifest.classes)}",
            remedy="Name the manifest and the taxonomy that the student was trained by",
        )
