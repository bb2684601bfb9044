"""What an export that failed is to be called: the reason in one line, and the layer it was in."""

from __future__ import annotations

from torch import nn

from gazeclip.errors import GazeClipError

_LONGEST = 300  # characters


def explain_failure(error: Exception, network: nn.Module | None) -> str:
    """The reason, and ` in LAYER` where one of `network`'s was running or is named."""
    return f"{shorten_reason(error)}{name_layer(error, network)}"


def name_layer(error: Exception, network: nn.Module | None) -> str:
    """` in LAYER`: the innermost named module of `network` whose method was running."""
    if network is None:
        return ""
    names = {id(module): name for name, module in network.named_modules()}
    found = ""
    trace = error.__traceback__
    while trace is not None:
        found = names.get(id(trace.tb_frame.f_locals.get("self")), "") or found
        trace = trace.tb_next
    return f" in {found}" if found else ""


def shorten_reason(error: Exception) -> str:
    """In one line, at most 300 characters. Remedies of stages speak of runs that exist."""
    text = error.message if isinstance(error, GazeClipError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:_LONGEST].rstrip(".")
