"""One network as files of all engines, in a process of its own.

    python -m benchmarks.peers.convert NAME FOLDER TARGET-PRECISION...

Each file goes into `FOLDER/TARGET-PRECISION/` with `made.json`, which names it or says why there is
none. A conversion that fails does not keep the others from being tried.
"""
# ruff: noqa: E402

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gazeclip.system.privacy import switch_telemetry_off

switch_telemetry_off()  # before timm and its hub are imported, which look at the switches only then

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.peers.catalogue import PEERS, Peer
from benchmarks.peers.files import MADE, parse_form
from benchmarks.peers.students import BACKBONES, RandomStudent
from export.blame import shorten_reason
from export.quiet import quiet
from export.targets.onnx import OPSET
from gazeclip.files.atomic import write_json
from gazeclip.system.packages import require
from quantize.nncf_setup import prepare_nncf

INPUT = "image"
_NO_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc", "bad allocation")


class ChannelsBehind(nn.Module):
    """Takes `(B, S, S, 3)`, as LiteRT computes: no engine has to turn the image first."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Any:
        """What the network gives."""
        return self.network(image.permute(0, 3, 1, 2))


def main(arguments: list[str]) -> None:
    """See the module."""
    name, folder, *forms = arguments
    prepare_nncf()
    make: Callable[[str, str, Path], dict[str, Any]]
    if name in BACKBONES:
        make = _Student(RandomStudent(BACKBONES[name]))
    else:
        make = _Peer(next(peer for peer in PEERS if peer.name == name))
    for form in forms:
        target, precision = parse_form(form)
        place = Path(folder) / form
        place.mkdir(parents=True, exist_ok=True)
        write_json(place / MADE, try_conversion(make, target, precision, place))


def try_conversion(
    make: Callable[[str, str, Path], dict[str, Any]], target: str, precision: str, place: Path
) -> dict[str, Any]:
    """`model`, `io` and `seconds`; or `reason`, in one line, which is remembered.

    Raises:
        Exception: no memory, no room and the like: another day it may go well.
    """
    started = time.perf_counter()
    try:
        found = make(target, precision, place)
    except Exception as error:
        if _is_of_today(error):
            raise
        return {"reason": shorten_reason(error)}
    return {**found, "seconds": round(time.perf_counter() - started, 1)}


def _is_of_today(error: BaseException | None) -> bool:
    """Whether this machine failed and not the network; torch says so in words only."""
    while error is not None:
        if isinstance(error, MemoryError | OSError):
            return True
        text = str(error).lower()
        if any(words in text for words in _NO_MEMORY):
            return True
        error = error.__cause__
    return False


class _Student:
    """Exports through the project's own targets."""

    def __init__(self, source: RandomStudent) -> None:
        self._source = source

    def __call__(self, target: str, precision: Any, place: Path) -> dict[str, Any]:
        result = self._source.export(target, precision, place)
        return {"model": result["model"], "io": result.get("io", {})}


class _Peer:
    """Converts what the catalogue builds."""

    def __init__(self, peer: Peer) -> None:
        enlarge_plainly()
        # One operation for a whole attention layer, which no converter knows.
        torch.backends.mha.set_fastpath_enabled(False)
        self._network = peer.build().requires_grad_(False)
        self._example = peer.make_example()

    def __call__(self, target: str, precision: str, place: Path) -> dict[str, Any]:
        with quiet(native=True), torch.no_grad():
            return {"model": _WRITERS[target](self._network, self._example, place), "io": {}}


def enlarge_plainly() -> None:
    """Drop `antialias` where an image is enlarged: it changes nothing there.

    The filter is made wider by the factor of shrinking only, and some converters know no such
    operation.
    """
    scale = F.interpolate

    def scale_plainly(images: Tensor, *others: Any, **options: Any) -> Tensor:
        size = options.get("size")
        if size is not None and min(size) >= max(images.shape[-2:]):
            options.pop("antialias", None)
        return scale(images, *others, **options)

    F.interpolate = scale_plainly  # type: ignore[assignment]


def _write_onnx(network: nn.Module, example: Tensor, place: Path) -> str:
    torch.onnx.export(
        network,
        (example,),
        place / "model.onnx",
        dynamo=False,
        opset_version=OPSET,
        do_constant_folding=True,
        input_names=[INPUT],
    )
    return "model.onnx"


def _write_openvino(network: nn.Module, example: Tensor, place: Path) -> str:
    ov = require("openvino", extra="openvino")
    model = ov.convert_model(network, example_input=example, input=[tuple(example.shape)])
    ov.save_model(model, place / "model.xml", compress_to_fp16=False)
    return "model.xml"


def _write_tflite(network: nn.Module, example: Tensor, place: Path) -> str:
    litert = require("litert_torch", extra="tflite")
    image = example.permute(0, 2, 3, 1).contiguous()  # (1, S, S, 3)
    litert.convert(ChannelsBehind(network).eval(), (image,)).export(str(place / "model.tflite"))
    return "model.tflite"


_WRITERS = {"onnx": _write_onnx, "openvino": _write_openvino, "tflite": _write_tflite}

if __name__ == "__main__":
    main(sys.argv[1:])
