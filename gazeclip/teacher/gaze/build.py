"""The gaze encoder that a recipe names."""

from __future__ import annotations

from gazeclip.errors import ConfigError, WeightsError
from gazeclip.recipe.teacher import GazeConfig
from gazeclip.teacher.gaze.encoder import GazeEncoder


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
    encoder = _layout(config.kind)
    if not load:
        return encoder
    if config.weights is not None:
        encoder.load_file(config.weights)  # type: ignore[operator]
        return encoder.freeze()
    if config.kind != "small":
        raise WeightsError(
            f"the gaze encoder '{config.kind}' needs a weight file",
            remedy="Give its file (teacher.model.gaze.weights=FILE in a recipe), or use gaze.kind=small with a data set that has gaze labels",
        )
    return encoder


def _layout(kind: str) -> GazeEncoder:
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
