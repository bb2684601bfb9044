"""The variants: each is the recipe with a few values changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gazeclip.errors import ConfigError, nearest

FULL = "full"


@dataclass(frozen=True)
class Variant:
    """A name and what it sets, as `--set` would."""

    name: str
    title: str
    overrides: tuple[str, ...] = ()


GRID = (
    Variant(FULL, "the recipe as it is"),
    Variant(
        "no-gaze",
        "no gaze at all",
        ("teacher.model.gaze.kind=none", "teacher.model.gaze.weights=null"),
    ),
    Variant("gaze-prompts", "gaze by prompts only", ("teacher.model.use_vpe=false",)),
    Variant(
        "gaze-attention", "gaze by cross-attention only", ("teacher.model.gaze.prompts=false",)
    ),
    Variant(
        "gaze-augmented",
        "gaze features of every augmented image",
        ("teacher.gaze_features=every_step",),
    ),
    Variant(
        "deep-prompts", "gaze prompts renewed in two blocks", ("teacher.model.deep_prompts=2",)
    ),
    Variant(
        "gaze-vector", "of the gaze, the direction only", ("teacher.model.gaze.signal=vector",)
    ),
    Variant(
        "gaze-features",
        "of the gaze, the encoder's features only",
        ("teacher.model.gaze.signal=features",),
    ),
    Variant(
        "gaze-doubt", "and how the mirror image's gaze differs", ("teacher.model.gaze.doubt=true",)
    ),
    Variant(
        "gaze-dropout",
        "a fifth of the training images without gaze",
        ("teacher.model.gaze.dropout=0.2",),
    ),
    Variant("gaze-loss", "and a loss on what gaze says by itself", ("teacher.model.w_gaze=0.3",)),
    Variant("no-aws", "without the word selector", ("teacher.model.text.aws=false",)),
    Variant("levels-1", "prompts: real or fake only", ("teacher.model.text.levels=1",)),
    Variant("levels-2", "prompts: and category", ("teacher.model.text.levels=2",)),
    Variant("levels-3", "prompts: and family", ("teacher.model.text.levels=3",)),
    Variant(
        "infonce-identity",
        "InfoNCE with the own pair as only positive",
        ("teacher.model.nce_targets=identity",),
    ),
    Variant("level-loss", "and a loss on every level of prompts", ("teacher.model.w_levels=1",)),
    Variant(
        "slow-gates", "gates at the rate of everything else", ("teacher.model.gate_lr_scale=1",)
    ),
    Variant("no-text", "no language side in the loss", ("teacher.model.w_nce=0",)),
)

# No variants: where every variant of a seed starts, and what gaze says by itself (see probe.py).
BACKBONE = Variant("backbone", "the CNNs alone, before the teacher")
CONTROLS = (
    BACKBONE,
    Variant("angles", "the gaze's direction alone, linear"),
    Variant("features", "the gaze encoder's features alone, linear"),
)
CNN = "cnn-"  # and its number: one of several CNNs


def find_control(name: str) -> Variant:
    """The control of that name."""
    known = {variant.name: variant for variant in CONTROLS}
    return known.get(name) or Variant(name, f"of these, number {name.removeprefix(CNN)} alone")


def choose_variants(names: Sequence[str], custom: Sequence[str]) -> list[Variant]:
    """The named variants (none named: all) and the custom ones; `full` always comes first.

    Args:
        custom: each as `NAME:key=value[,key=value...]`.

    Raises:
        ConfigError: an unknown name, or a custom one of another form.
    """
    known = {variant.name: variant for variant in GRID}
    taken = {*known, *(item.name for item in CONTROLS)}
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no variant '{name}'", remedy=nearest(name, known))
    own = [_parse_custom(text, taken) for text in custom]
    if not names and not own:
        return list(GRID)
    return [known[name] for name in dict.fromkeys([FULL, *names])] + own


def _parse_custom(text: str, taken: set[str]) -> Variant:
    name, separator, values = text.partition(":")
    overrides = tuple(part.strip() for part in values.split(",") if part.strip())
    # The name becomes part of a folder's.
    is_name = name.replace("-", "").replace("_", "").isalnum()
    is_new = name not in taken and not name.startswith(CNN)
    sets_values = bool(separator and overrides) and all("=" in part for part in overrides)
    if not (is_name and is_new and sets_values):
        raise ConfigError(
            f"--custom {text} is not NAME:key=value[,key=value] with a new NAME",
            remedy="Example: --custom wide:teacher.model.width=384",
        )
    return Variant(name, ", ".join(overrides), overrides)
