"""What a stage knows about its run, each fact read once when it is first asked for.

context = Context(run)
context.recipe.seed, context.classes, context.contract.size
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gazeclip.data.manifest import Manifest, read_manifest
from gazeclip.data.pixels import read_images
from gazeclip.errors import ArtifactError
from gazeclip.faces.dataset import MANIFEST as FACES_MANIFEST
from gazeclip.files.hashes import sha256
from gazeclip.images.crop_rule import CropRule
from gazeclip.images.preprocess import PixelContract
from gazeclip.recipe.load import load_recipe
from gazeclip.recipe.stages import Recipe
from gazeclip.run.crop import find_crop_rule
from gazeclip.run.folder import RECIPE, Run
from gazeclip.run.stages import stage_command
from gazeclip.system.place import command_line
from gazeclip.taxonomy import Taxonomy


@dataclass(frozen=True)
class Context:
    """Lazily read facts of one run."""

    run: Run

    @cached_property
    def recipe(self) -> Recipe:
        """The run's resolved recipe."""
        return load_recipe(self.run.root / RECIPE)

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The recipe's taxonomy."""
        return Taxonomy.load(self.recipe.data.taxonomy)

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest that the data stage has checked; its images are not decoded again.

        Raises:
            ArtifactError: the file changed after the check, or is no longer there.
        """
        path, digest = self._checked_manifest()
        prepare = command_line("data", "prepare", "--run", str(self.run.root))
        if not path.is_file():
            raise ArtifactError(
                f"{path} is no longer there",
                remedy=f"If the data set moved, run: {prepare} --set data.manifest=NEW_PATH",
            )
        if sha256(path) != digest:
            raise ArtifactError(f"{path} changed after it was checked", remedy=f"Run: {prepare}")
        return read_manifest(path, self.taxonomy, check_images=False)

    def _checked_manifest(self) -> tuple[Path, str]:
        """Where the data stage found the manifest, and its SHA-256 then."""
        # Refuses, with the command to run, when the data stage has not run.
        stage = self.run.manifest("data")
        given = stage["config"]["manifest"]
        if given is None:
            return self.run.folder("data") / FACES_MANIFEST, stage["outputs"][FACES_MANIFEST]
        return Path(given), stage["inputs"]["manifest"]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """`real` and the generators trained on."""
        return self.manifest.classes

    def list_targets(self, split: str) -> np.ndarray:
        """Class indices `(N,)` of a split whose labels are all classes; 0 is real."""
        place = {name: number for number, name in enumerate(self.classes)}
        return np.array([place[label] for label in self.manifest.labels(split)])

    def read_pixels(self, split: str, limit: int | None = None) -> np.ndarray:
        """Images of a split, which has some, as models take them: uint8 `(N, S, S, 3)`.

        Args:
            limit: no more than so many, spread over all labels; None: all.
        """
        samples = self.manifest.split(split)
        if limit is not None and len(samples) > limit:
            # Manifests are sorted by labels.
            places = np.linspace(0, len(samples) - 1, limit).round().astype(int)
            samples = [samples[place] for place in places]
        return read_images([sample.path for sample in samples], self.contract)

    @property
    def contract(self) -> PixelContract:
        """How images become pixels in this run."""
        return PixelContract(self.recipe.data.image_size)

    @cached_property
    def crop(self) -> CropRule | None:
        """How the run's images were cut; None where neither recipe nor manifest says.

        Raises:
            ConfigError: the two say different things, or the recipe says half of it.
        """
        config = self.recipe.data
        return find_crop_rule(config, None if config.manifest is None else self.manifest.crop)

    def require_size(self, stage: str, size: int) -> None:
        """Refuse a finished stage's network that takes other images than the recipe now says.

        Raises:
            ArtifactError: `size`, in pixels, is not the contract's.
        """
        if size != self.contract.size:
            raise ArtifactError(
                f"stage '{stage}' was made for {size} px,"
                f" and data.image_size is {self.contract.size}",
                remedy=f"Run: {stage_command(stage, self.run.root)}, or set data.image_size back",
            )
