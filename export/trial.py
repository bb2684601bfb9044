"""`python -m export.trial FILE`: a recipe's student, with random weights, as far as seconds go.

What a backbone cannot do it cannot do with any weights, so this finds in seconds what a run would
find after hours. The recipe comes as JSON on standard input, the faults go to FILE as JSON.
`gazeclip.commands.dry_run` starts it as a process of its own: neither random numbers nor what the
converters change in torch reach the trainings that follow.

Each target's `rehearse` says how much of its export that is. The packages of all stages are
imported first, as one that is found may be broken.

Not tried are what costs too much or needs files: an open_clip model by name, the heads and prompts
of the teacher, pretrained weights, encoders of gaze from a file, and whether memory will do.

A fault of the machine (no room, no memory) says nothing about a recipe: it is raised, and
`dry_run` says that this look failed.
"""
# ruff: noqa: E402

from __future__ import annotations

import gc
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from gazeclip.system.privacy import switch_telemetry_off

switch_telemetry_off()  # before timm and its hub are imported, which look at the switches only then

from export import registry
from export.blame import NOT_THE_STUDENT, explain_failure
from export.head_weights import pack_head
from export.job import ExportJob
from export.lower import StrippedEncoder
from export.quiet import quiet
from gazeclip.errors import MissingDependencyError
from gazeclip.files.atomic import write_json
from gazeclip.images.preprocess import PixelContract
from gazeclip.networks.backbones import build_encoder
from gazeclip.networks.student import Student, StudentSpec
from gazeclip.networks.student_encoder import StudentEncoder
from gazeclip.recipe.load import parse_recipe
from gazeclip.recipe.stages import Recipe
from gazeclip.recipe.training import TrainConfig
from gazeclip.system.packages import STAGE_PACKAGES, find_import_faults
from gazeclip.teacher.gaze.build import build_gaze_encoder
from gazeclip.teacher.image.hybrid import HybridTower
from quantize.encoder import quantize_encoder
from quantize.nncf_setup import prepare_nncf

CLASSES = ("real", "one", "two")
WORKING = "mobilenetv4_conv_small, tf_efficientnet_lite0"
ANOTHER_BACKBONE = (
    f"Use another one: --set student.backbone=mobilenetv4_conv_small (these work: {WORKING})"
)
Faults = list[tuple[str, str]]


def try_recipe(recipe: Recipe) -> Faults:
    """What would fail: `(which stage, where and why; what to do about it)`, each in one line.

    Raises:
        OSError, MemoryError, ImportError, ArtifactError: this machine failed, not the recipe.
    """
    torch.manual_seed(0)
    try:
        return _try_packages(recipe) or _try_networks(recipe)
    except MissingDependencyError as error:
        return [(error.message, error.remedy or "")]


def _try_packages(recipe: Recipe) -> Faults:
    """Import what the stages will import."""
    prepare_nncf()
    with quiet(native=True):
        found = []
        for extra, names in STAGE_PACKAGES.items():
            found += find_import_faults(names, extra)
        for target in dict.fromkeys(recipe.export.targets):
            found += registry.find_target(target).find_import_faults()
    return [(fault.what, fault.remedy) for fault in found]


def _try_networks(recipe: Recipe) -> Faults:
    faults = _try_gaze(recipe) + _try_teacher(recipe)
    student, found = _try_training(recipe)
    faults += found
    if faults or student is None:  # these took two seconds, the rest takes ten and more
        return faults
    return _try_shipping(recipe, student)


def _try_gaze(recipe: Recipe) -> Faults:
    """The small gaze encoder, which stage teacher trains; one from a file comes frozen."""
    gaze = recipe.teacher.model.gaze
    encoder = build_gaze_encoder(gaze, load=False)
    if encoder is None or gaze.weights is not None:
        return []
    return _single_image_faults("teacher.gaze_train", recipe.teacher.gaze_train, encoder)


def _try_clip(recipe: Recipe) -> Faults:
    """The small tower. Models by name are large, and open_clip itself vouches for them."""
    from gazeclip.teacher.image.clip import SMALL, ClipTower, small_visual

    model = recipe.teacher.model
    size = recipe.data.image_size
    if model.clip_model != SMALL:
        return []
    try:
        tower = ClipTower(model, small_visual(model, model.input_size or size))
        with torch.no_grad():
            tower.eval().embed(torch.rand(1, 3, size, size))
    except NOT_THE_STUDENT:
        raise
    except Exception as error:
        what = f"stage teacher would fail: clip_model=small at {size} px: {explain_failure(error)}"
        remedy = "Choose other teacher.model.width, heads or input_size, or tower=hybrid"
        return [(what, remedy)]
    return []


def _try_teacher(recipe: Recipe) -> Faults:
    model = recipe.teacher.model
    size = recipe.data.image_size
    if model.tower != "hybrid":
        return _try_clip(recipe)
    remedy = "Use another one: --set teacher.model.backbone=mobilenetv4_conv_small"
    where = f"{model.backbone} at {size} px"
    try:
        tower = HybridTower(model, size, len(CLASSES), load=False)
        with torch.no_grad():
            tower.eval().embed(torch.rand(1, 3, size, size))
    except NOT_THE_STUDENT:
        raise
    except Exception as error:
        return [(f"stage teacher would fail: {where}: {explain_failure(error)}", remedy)]
    faults = Faults()
    cnns = nn.ModuleList([tower.backbone, *tower.extra])
    if recipe.backbone.enabled:
        faults += _single_image_faults("backbone.train", recipe.backbone.train, cnns)
    if not model.backbone_frozen:
        faults += _single_image_faults("teacher.train", recipe.teacher.train, cnns)
    return faults


def _single_image_faults(key: str, config: TrainConfig, network: nn.Module) -> Faults:
    """Batch statistics of one image mean little, and of one pixel torch takes none."""
    names = [
        name
        for name, part in network.named_modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm)
    ]
    if config.batch_size > 1 or not names:
        return []
    layers = f"{names[0]} and {len(names) - 1} more"
    what = f"{key}.batch_size=1, and batch normalisation ({layers}) needs two images"
    return [(what, f"Use --set {key}.batch_size=2 or more")]


def _try_training(recipe: Recipe) -> tuple[Student | None, Faults]:
    """The student, in eval mode, after one forward and one backward pass."""
    stage = recipe.student
    size = recipe.data.image_size
    where = f"{stage.backbone} at {size} px"
    try:
        network = build_encoder(stage.backbone, "none", stage.drop_path)
        encoder = StudentEncoder(network, size)
        dim = recipe.teacher.model.embed_dim
        spec = StudentSpec(stage.backbone, dim, CLASSES, PixelContract(size))
        student = Student(spec, encoder, torch.randn(len(CLASSES), dim), 10.0).train()
        output = student(torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8))
        sum(part.sum() for part in output).backward()
    except NOT_THE_STUDENT:
        raise
    except Exception as error:
        what = f"stage student would fail: {where}: {explain_failure(error)}"
        return None, [(what, ANOTHER_BACKBONE)]
    faults = _single_image_faults("student.train", recipe.student.train, student)
    if recipe.baseline.enabled:
        faults += _single_image_faults("baseline.train", recipe.baseline.train, student)
    return student.eval(), faults


def _try_shipping(recipe: Recipe, student: Student) -> Faults:
    """Folding, quantization and the exports."""
    size = recipe.data.image_size
    quantized = None
    faults = Faults()
    where = f"{recipe.student.backbone} at {size} px"
    try:
        fix = recipe.quantize.overflow_fix
        with quiet():
            quantized = quantize_encoder(
                student.encoder, [torch.rand(1, 3, size, size)], overflow_fix=fix
            ).eval()
    except NOT_THE_STUDENT:
        raise
    except Exception as error:
        what = f"stage quantized would fail: {where}: {explain_failure(error)}"
        faults.append((what, ANOTHER_BACKBONE))
    stripped = None if quantized is None else StrippedEncoder(quantized, size)
    for precision in dict.fromkeys(recipe.export.precisions):
        if precision == "int8" and quantized is None:
            continue  # told already
        job = ExportJob(student, quantized, precision, Path(), CLASSES, size, stripped=stripped)
        job = pack_head(job, recipe.export.head_weights)
        job = replace(job, external_bank=recipe.export.text_bank == "external")
        for target in dict.fromkeys(recipe.export.targets):
            faults += _rehearse_target(target, job, where)
    return faults


def _rehearse_target(target: str, job: ExportJob, where: str) -> Faults:
    """One target's way to a file, in a folder of its own; the job's is not used."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            registry.load_target(target).rehearse(replace(job, out_dir=Path(folder)))
    except NOT_THE_STUDENT:
        raise
    except Exception as error:
        place = f"{target} {job.precision}: {where}"
        what = f"stage export would fail for {place}: {explain_failure(error)}"
        return [(what, f"{ANOTHER_BACKBONE}, or leave {target} out of export.targets")]
    return []


def main() -> None:
    """See the module."""
    gc.disable()  # tracing makes millions of objects, and this process does not live long
    recipe = parse_recipe(json.load(sys.stdin))
    write_json(Path(sys.argv[1]), try_recipe(recipe))


if __name__ == "__main__":
    main()
