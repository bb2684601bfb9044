"""Looks at a whole run before its first stage: what would fail after hours is refused at once.

`parse_recipe` checks each value by itself; here values are checked against each other, against the
files they name and against what is installed. Whoever loads a thing says what is wrong with it
(`find_..._faults` beside it); this only collects. Later stages' packages are imported by name, as
`gazeclip.commands.pipeline` does.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Sequence

from gazeclip.errors import ConfigError, Fault
from gazeclip.faces.dataset import check_faces
from gazeclip.faces.generators import LABELS, SEEN
from gazeclip.recipe.stages import FROM_BACKBONE, FROM_TEACHER, Recipe
from gazeclip.stages.data import find_manifest_faults
from gazeclip.system.packages import (
    STAGE_PACKAGES,
    TEACHER_PACKAGES,
    find_import_faults,
    install_command,
    is_installed,
)
from gazeclip.system.place import name_file
from gazeclip.taxonomy import Taxonomy


def preflight(recipe: Recipe) -> None:
    """Return if nothing speaks against running the recipe.

    Raises:
        ConfigError: everything that does, each with its remedy.
    """
    faults = _find_data_faults(recipe)
    faults += _find_export_faults(recipe) + _find_package_faults(recipe)
    if _has_network_packages():
        broken = _find_network_damage()
        faults += broken or _find_teacher_faults(recipe) + _find_student_faults(recipe)
    refuse_recipe(recipe, faults)


def preflight_teacher(recipe: Recipe) -> None:
    """The same for `ablate`, up to the teacher.

    What a student, an export or an engine needs is not asked for.

    Raises:
        ConfigError: as `preflight`.
    """
    faults = _find_data_faults(recipe)
    missing = [name for name in (*TEACHER_PACKAGES, "sklearn") if not is_installed(name)]
    if missing:
        remedy = f"Run: {install_command('train')}"
        faults.append(Fault(f"not installed: {', '.join(missing)}", remedy))
    if _has_network_packages():
        faults += _find_network_damage() or _find_teacher_faults(recipe)
    refuse_recipe(recipe, faults)


def refuse_recipe(recipe: Recipe, faults: Sequence[Fault]) -> None:
    """One line for one fault, one line each for several; nothing for none.

    Raises:
        ConfigError: there are faults.
    """
    if len(faults) == 1:
        only = faults[0]
        raise ConfigError(f"recipe '{recipe.name}': {only.what}", remedy=only.remedy)
    if faults:
        lines = "".join(f"\n  - {fault.what}. {fault.remedy}" for fault in faults)
        raise ConfigError(f"recipe '{recipe.name}' cannot run for {len(faults)} reasons:{lines}")


def _has_network_packages() -> bool:
    """Without their packages networks cannot be judged; that these are missing is told anyway."""
    return all(is_installed(name) for name in TEACHER_PACKAGES)


def _find_network_damage() -> list[Fault]:
    """The first package of the networks that cannot be imported: those after it build on it.

    Only what the looks at networks import anyway. The dry run tries the others, for which this
    process would have to wait.
    """
    for name in ("torch", "torchvision", "timm"):
        if name == "torchvision":
            with contextlib.suppress(Exception):  # what is wrong is told by the import below
                from gazeclip.networks import torchvision_shim

                torchvision_shim.ensure()
        if faults := find_import_faults([name], "train"):
            return faults
    return []


def _find_data_faults(recipe: Recipe) -> list[Fault]:
    config = recipe.data
    faults = find_manifest_faults(config)
    taxonomy = None
    try:
        taxonomy = Taxonomy.load(config.taxonomy)
    except ConfigError as error:
        faults.append(Fault(error.message, error.remedy or "Correct data.taxonomy"))
    if config.manifest is not None:
        return faults
    try:
        check_faces(config.faces)
    except ConfigError as error:
        faults.append(Fault(error.message, error.remedy or "Correct data.faces"))
    if taxonomy is not None and not _has_faces(taxonomy):
        what = (
            f"data.manifest is not set, and taxonomy '{config.taxonomy}' is not that of the"
            " procedural faces"
        )
        see = name_file("docs/data.md")
        remedy = f"Give your images: --set data.manifest=MANIFEST.csv ({see})"
        faults.append(Fault(what, remedy))
    return faults


def _has_faces(taxonomy: Taxonomy) -> bool:
    """Whether a taxonomy knows the procedural faces' generators, and those of train as seen."""
    known = all(name in taxonomy for name in LABELS)
    return known and all(taxonomy.get(name).seen for name in SEEN)


def _find_export_faults(recipe: Recipe) -> list[Fault]:
    registry = importlib.import_module("export.registry")
    stage = recipe.export
    faults = registry.find_target_faults(
        stage.targets, stage.precisions, stage.coreml.deployment_target
    )
    return [fault.within("export.") for fault in faults]


def _find_package_faults(recipe: Recipe) -> list[Fault]:
    """Packages that the stages import and that are not there, by the extra that brings them.

    And engines that cannot be used, each by itself, as what is installed may be broken.
    """
    targets = importlib.import_module("export.registry").TARGETS
    engines = importlib.import_module("runtimes.engines.registry").ENGINES
    missing = {
        extra: [name for name in names if not is_installed(name)]
        for extra, names in STAGE_PACKAGES.items()
    }
    unusable = {}
    for name in dict.fromkeys(recipe.export.targets):
        if name not in targets:
            continue  # told by `_find_export_faults`
        target = targets[name]
        found = missing.setdefault(target.extra, [])
        found += target.missing_packages()
        # An export is compared with the model in the engine that will run it, or in a reference
        # evaluator on a system that the engine is not made for.
        engine = engines[target.engine]
        replaced = target.reference is not None and not engine.exists_here()
        fault = None if replaced else engine.load().find_fault()
        if fault is not None and not found:
            unusable[target.engine] = fault.within(f"engine {target.engine}: ")
    faults = list(unusable.values())
    for extra, names in missing.items():
        if names:
            remedy = f"Run: {install_command(extra)}"
            faults.append(Fault(f"not installed: {', '.join(names)}", remedy))
    return faults


def _find_teacher_faults(recipe: Recipe) -> list[Fault]:
    """Names and weights of the teacher's networks, judged without reading or drawing any."""
    model = recipe.teacher.model
    from gazeclip.teacher.gaze.build import find_gaze_faults

    faults = [fault.within("teacher.model.") for fault in find_gaze_faults(model.gaze)]
    faults += _find_deep_prompt_faults(recipe)
    if model.tower == "hybrid":
        return faults + _find_hybrid_faults(recipe)
    if recipe.backbone.enabled:
        what = "backbone.enabled trains the CNN of a hybrid, and teacher.model.tower=clip has none"
        faults.append(Fault(what, "Set it to false"))
    from gazeclip.teacher.image.clip import find_clip_faults

    found = find_clip_faults(model, recipe.data.image_size)
    return faults + [fault.within("teacher.model.") for fault in found]


def _find_deep_prompt_faults(recipe: Recipe) -> list[Fault]:
    model = recipe.teacher.model
    if model.gaze.kind == "none" or not model.gaze.prompts:
        return []
    if model.tower == "clip" and model.clip_model != "small":
        return []  # how many blocks it has is known when it is built
    from gazeclip.teacher.image.tower import find_deep_prompt_faults

    found = find_deep_prompt_faults(model.deep_prompts, model.depth)
    return [fault.within("teacher.model.") for fault in found]


def _find_hybrid_faults(recipe: Recipe) -> list[Fault]:
    model = recipe.teacher.model
    from gazeclip.networks import weights

    found = weights.find_backbone_faults(model.backbone)
    faults = [fault.within("teacher.model.backbone: ") for fault in found]
    found = weights.find_weight_faults(model.backbone, model.backbone_weights)
    faults += [fault.within("teacher.model.backbone_weights: ") for fault in found]
    if recipe.backbone.enabled:
        return faults
    if model.frozen_stride and model.backbone_weights in weights.RANDOM_WEIGHTS:
        what = (
            f"teacher.model.frozen_stride={model.frozen_stride} would freeze convolutions that"
            " nothing has trained"
        )
        remedy = "Use frozen_stride=0, backbone_weights, or backbone.enabled=true"
        faults.append(Fault(what, remedy))
    if model.keep_classifiers:
        what = "teacher.model.keep_classifiers keeps those of stage backbone, which is off"
        faults.append(Fault(what, "Use backbone.enabled=true"))
    return faults


def _find_student_faults(recipe: Recipe) -> list[Fault]:
    """The same of the student and of the baseline, which have one backbone."""
    student = recipe.student
    baseline = recipe.baseline
    from gazeclip.networks import weights

    found = weights.find_backbone_faults(student.backbone)
    faults = [fault.within("student.backbone: ") for fault in found]
    if baseline.enabled and baseline.weights == FROM_BACKBONE:
        from gazeclip.stages.baseline import find_start_faults

        faults += find_start_faults(recipe)
    elif baseline.enabled:
        found = weights.find_weight_faults(student.backbone, baseline.weights, FROM_BACKBONE)
        faults += [fault.within("baseline.weights: ") for fault in found]
    if student.weights == FROM_TEACHER:
        rule = importlib.import_module("distill.student").find_inheritance_faults
        return faults + list(rule(recipe.teacher.model, student.backbone))
    found = weights.find_weight_faults(student.backbone, student.weights, FROM_TEACHER)
    return faults + [fault.within("student.weights: ") for fault in found]
