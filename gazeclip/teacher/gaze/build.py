"""The gaze encoder that a recipe names."""

from __future__ import annotations

from pathlib import Path

from gazeclip.errors import ConfigError, Fault, WeightsError, raise_first
from gazeclip.recipe.teacher import GazeConfig
from gazeclip.system.place import name_file
from gazeclip.teacher.gaze.encoder import GazeEncoder

# What is left to those who have neither weights nor labels; a bundle of it tells no gaze.
WITHOUT_GAZE = "or do without gaze (--set teacher.model.gaze.kind=none)"


def build_gaze_encoder(config: GazeConfig, load: bool = True) -> GazeEncoder | None:
    """The encoder a configuration names, None for `none`. Encoders from a weight file come frozen.

    Args:
        load: read the weight file; False builds the bare network, whose weights a teacher's
            checkpoint then fills.

    Raises:
        WeightsError: a layout without its file, or a file that does not fit.
    """
    if config.kind == "none":
        return None
    encoder = _build_layout(config.kind)
    if not load:
        return encoder
    raise_first(find_gaze_faults(config))
    if config.weights is not None:
        encoder.load_file(config.weights)  # type: ignore[operator]
        return encoder.freeze()
    return encoder


def find_gaze_faults(config: GazeConfig) -> list[Fault]:
    """Why `build_gaze_encoder` has no weights for an encoder.

    Whether a file fits shows only when it is read.
    """
    remedy = (
        f"Give its file (--set teacher.model.gaze.weights=FILE, {name_file('docs/data.md')}),"
        f" use gaze.kind=small with a data set that has gaze labels, {WITHOUT_GAZE}"
    )
    if config.weights is not None:
        if Path(config.weights).is_file():
            return []
        return [Fault(f"gaze.weights {config.weights} does not exist", remedy, WeightsError)]
    if config.kind in ("none", "small"):
        return []
    return [Fault(f"gaze.kind={config.kind} needs a weight file", remedy, WeightsError)]


def _build_layout(kind: str) -> GazeEncoder:
    if kind == "small":
        from gazeclip.teacher.gaze.small import SmallGaze

        return SmallGaze()
    if kind == "eth-xgaze":
        from gazeclip.teacher.gaze.ethxgaze import EthXGaze

        return EthXGaze()
    if kind == "l2cs":
        from gazeclip.teacher.gaze.l2cs import L2CS

        return L2CS()
    raise ConfigError(
        f"unknown gaze encoder '{kind}'", remedy="Known: small, eth-xgaze, l2cs, none"
    )
