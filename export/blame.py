"""What an export that failed is to be called: the reason in one line, and the layer it was in.

Converters work on copies of a student and on graphs made of those, so a layer cannot be known by
its identity. What the exception passed on its way up says it: the modules that were running, or the
node of a graph that was being converted. Where neither is there, the operation alone is told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Any

import torch
from torch import nn

from gazeclip.errors import ArtifactError, GazeClipError, MissingDependencyError, StageError
from gazeclip.networks.student_encoder import StudentEncoder
from gazeclip.system.place import command_line

_LONGEST = 300  # characters
_FX_NOTE = "\n\nWhile executing %"  # torch.fx goes on with the node and the lines that made it
# Faults of a machine say nothing about a student, and no other one would help.
NOT_THE_STUDENT = (OSError, MemoryError, ImportError, MissingDependencyError, ArtifactError)


@contextlib.contextmanager
def blame_student(what: str) -> Iterator[None]:
    """Say of whatever a converter raises that this student cannot be exported, and why.

    Raises:
        StageError: `what` failed, with operation and layer. Errors with words of their own, and
            those of the machine, pass.
    """
    try:
        yield
    except (GazeClipError, *NOT_THE_STUDENT):
        raise
    except Exception as error:  # converters raise anything
        reason = f"{what} cannot be written: {explain_failure(error)}"
        raise StageError(reason, remedy=_name_others()) from error


def _name_others() -> str:
    known = f"those that work: {command_line('zoo')}; report it if one of them fails"
    return f"Use another backbone ({known}), or leave this target out"


def explain_failure(error: Exception) -> str:
    """The reason, and ` in LAYER` where one was running, was being converted or is named."""
    reason = shorten_reason(error)
    layer = find_layer(error)
    return f"{reason} in {layer}" if layer and f" in {layer}" not in reason else reason


def shorten_reason(error: Exception) -> str:
    """In one line, at most 300 characters. Remedies of stages speak of runs that exist."""
    text = error.message if isinstance(error, GazeClipError) else f"{type(error).__name__}: {error}"
    text = text.partition(_FX_NOTE)[0]
    return " ".join(text.split())[:_LONGEST].rstrip(".")


def find_layer(error: BaseException) -> str:
    """The layer's name within its student, such as `encoder.backbone.conv_stem`; empty: unknown.

    What caused an error was nearer to the layer than what was made of it, so it is asked first.
    """
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    found = "" if cause is None else find_layer(cause)
    if found:
        return found
    frames = list(_walk_frames(error.__traceback__))
    return _find_running(frames) or _find_converted(frames)


def _walk_frames(trace: TracebackType | None) -> Iterator[dict[str, Any]]:
    """The local variables of each function that the error passed, from the outermost."""
    while trace is not None:
        yield trace.tb_frame.f_locals
        trace = trace.tb_next


def _find_running(frames: list[dict[str, Any]]) -> str:
    """The innermost module that was running, by its path in the outermost that has it."""
    own = [frame.get("self") for frame in frames]
    running = [part for part in own if isinstance(part, nn.Module)]
    for place, root in enumerate(running):
        names = {id(module): name for name, module in root.named_modules()}
        for part in reversed(running[place + 1 :]):
            name = names.get(id(part), "")
            if name:
                return _shorten_path(f"encoder.{name}" if _is_encoder(root) else name)
    return ""


def _is_encoder(root: nn.Module) -> bool:
    return isinstance(root, StudentEncoder)


def _find_converted(frames: list[dict[str, Any]]) -> str:
    """The layer that the node which was being converted came from."""
    for frame in reversed(frames):
        for value in frame.values():
            found = _read_origin(value)
            if found:
                return _shorten_path(_complete_path(found, frames))
    return ""


def _complete_path(path: str, frames: list[dict[str, Any]]) -> str:
    """With the modules that were never called themselves, only their parts: scopes lack these."""
    parts = path.split(".")
    for frame in frames:
        for root in frame.values():
            if not isinstance(root, nn.Module):
                continue
            names = [name for name, _ in root.named_modules() if _contains(name.split("."), parts)]
            if names:
                return min(names, key=len)
    return path


def _contains(whole: list[str], parts: list[str]) -> bool:
    """Whether all parts stand in the whole in their order, and the last one is its last."""
    left = iter(whole)
    return whole[-1] == parts[-1] and all(part in left for part in parts)


def _read_origin(value: Any) -> str:
    """The layer that a node of a graph came from; empty where it is none or does not say."""
    if isinstance(value, torch.fx.Node):
        stack = value.meta.get("nn_module_stack") or {}
        return str(list(stack.values())[-1][0]) if stack else ""
    if isinstance(value, torch.Node):
        return _read_scope(value.scopeName())
    read = getattr(type(value), "get_scope_info", None)  # of coremltools' nodes
    return ".".join(read(value)[0][:-1]) if callable(read) else ""


def _read_scope(scope: str) -> str:
    """The path in TorchScript's `__module.a/__module.a.b`, or in torch.onnx's `A::/B::a/C::b`."""
    if "::" not in scope:
        return scope.rpartition("/")[2].removeprefix("__module.")
    path: list[str] = []
    for part in scope.split("/"):
        name = part.partition("::")[2]
        if path and name.startswith(f"{path[-1]}."):  # of a list, by its own name and a number
            path.pop()
        path.append(name)
    return ".".join(filter(None, path))


def _shorten_path(path: str) -> str:
    """Without what a target wraps around a student."""
    parts = path.split(".")
    for place, part in enumerate(parts):
        if part in ("encoder", "head"):
            return ".".join(parts[place:])
    return path


def locate_operations(traced: Any, kinds: Collection[str]) -> list[str]:
    """`KIND in LAYER` of the first place of each kind of operation in a TorchScript trace.

    Args:
        kinds: such as `aten::cdist`; those that the trace lacks are told without a layer.
    """
    places: dict[str, str] = {}
    for node in traced.inlined_graph.nodes():
        if node.kind() in kinds:
            places.setdefault(node.kind(), _shorten_path(_read_scope(node.scopeName())))
    return [f"{kind} in {places[kind]}" if places.get(kind) else kind for kind in sorted(kinds)]


def refuse_operations(converter: str, traced: Any, kinds: Collection[str]) -> None:
    """Say which operations a converter does not know, and where they are.

    Raises:
        StageError: there are some.
    """
    if kinds:
        unknown = ", ".join(locate_operations(traced, kinds))
        raise StageError(f"{converter} has no operation for {unknown}", remedy=_name_others())
