"""The rows of the table: which part is off, and how the teacher is run without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from gazeclip.recipe.teacher import PROMPT_LEVELS
from gazeclip.studies.parts.switches import (
    draw_random_texts,
    encode_texts,
    encode_without_words,
    mix_without_level,
)
from gazeclip.teacher.model import GazeCLIP

WHOLE = "the whole teacher"
ABSENT = "not in this teacher"
ALONE = "cannot be left out: nothing else names the class"
ORDERS = 5  # in which the faces of a split exchange their gaze
RANDOM_TEXTS = 5  # drawings of the texts


@dataclass(frozen=True)
class ImageSide:
    """How the image side is run.

    Attributes:
        order: which of the orders tells each face whose gaze it gets; None: its own.
        gaze, vpe, classifiers: whether the gaze, the visual perception encoder and the kept
            classifiers of the CNNs take part.
    """

    order: int | None = None
    gaze: bool = True
    vpe: bool = True
    classifiers: bool = True


@dataclass(frozen=True)
class Setting:
    """One way to run the teacher: image side, texts `(C, D)`, and what is not fused."""

    image: ImageSide
    text: Tensor
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One part off: the mean over its settings, or why there are none."""

    name: str
    settings: tuple[Setting, ...]
    absent: str = ""


def plan_rows(model: GazeCLIP) -> list[Row]:
    """The whole teacher first, then one row per part."""
    texts, levels = encode_texts(model)
    rows = [Row(WHOLE, (Setting(ImageSide(), texts),))]
    rows += _plan_gaze(model, texts)
    rows += _plan_texts(model, levels)
    rows += _plan_fusion(model, texts)
    return rows


def _plan_gaze(model: GazeCLIP, texts: Tensor) -> Iterator[Row]:
    exchanged = [Setting(ImageSide(order=number), texts) for number in range(ORDERS)]
    has_gaze = model.gaze_prompts is not None
    yield _build_row("gaze shuffled", exchanged, has_gaze)
    yield _build_row("gaze off", [Setting(ImageSide(gaze=False), texts)], has_gaze)
    has_vpe = model.vpe.attention is not None
    yield _build_row("VPE off", [Setting(ImageSide(vpe=False), texts)], has_vpe)


def _plan_texts(model: GazeCLIP, levels: Tensor) -> Iterator[Row]:
    without_words = Setting(ImageSide(), encode_without_words(model))
    yield _build_row("AWS off", [without_words], len(model.lre.selectors) > 0)
    count = model.lre.levels
    for number in range(PROMPT_LEVELS):
        name = f"level {number + 1} dropped"
        if count == 1 and number == 0:
            yield Row(name, (), "cannot be dropped: the only level")
        elif number >= count:
            yield Row(name, (), ABSENT)
        else:
            yield Row(name, (Setting(ImageSide(), mix_without_level(model, levels, number)),))
    drawn = draw_random_texts(model.classes, model.embed_dim, RANDOM_TEXTS)
    yield Row("random texts", tuple(Setting(ImageSide(), text) for text in drawn))


def _plan_fusion(model: GazeCLIP, texts: Tensor) -> Iterator[Row]:
    config = model.config
    of_detection = ("w_detection", "w_consistency")
    has_text = config.w_nce > 0
    has_attribution = config.w_attribution > 0
    has_detection = config.w_detection > 0 or config.w_consistency > 0
    whole = ImageSide()
    text_off = _build_row("text logits off", [Setting(whole, texts, ("w_nce",))], has_text)
    if has_text and not has_attribution:
        text_off = Row(text_off.name, (), ALONE)
    yield text_off
    without = Setting(whole, texts, ("w_attribution", *of_detection))
    heads_off = _build_row("heads off", [without], has_attribution or has_detection)
    if has_attribution and not has_text:
        heads_off = Row(heads_off.name, (), ALONE)
    yield heads_off
    detection_off = Setting(whole, texts, of_detection)
    yield _build_row("detection head off", [detection_off], has_detection)
    unaided = Setting(ImageSide(classifiers=False), texts)
    yield _build_row("kept classifiers off", [unaided], config.keep_classifiers)


def _build_row(name: str, settings: list[Setting], is_there: bool) -> Row:
    return Row(name, tuple(settings)) if is_there else Row(name, (), ABSENT)
