"""Post-training quantization of a student's encoder with NNCF.

The result is ready for quantization-aware training and every export.

Only the encoder is quantized; the head (projection, L2 norm, text bank) stays float. Activations
are per tensor, because Core ML and TFLite have no per-channel activations and ONNX Runtime fuses
none.
"""

from __future__ import annotations

import contextlib
import copy
import io
import math
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gazeclip.errors import ArtifactError, StageError
from gazeclip.files.atomic import read_json, write_json
from gazeclip.files.tensors import load_tensors, save_tensors
from gazeclip.system.packages import require
from gazeclip.system.place import command_line
from quantize.bias import correct_biases
from quantize.fuse import prepare_encoder
from quantize.layers import find_gates, map_operations, name_operations
from quantize.nncf_setup import prepare_nncf

STATE_FILE = "encoder.safetensors"
CONFIG_FILE = "nncf.json"


def _rerun() -> str:
    return f"Run: {command_line('quantize')}"


def _load_nncf() -> Any:
    prepare_nncf()
    nncf = require("nncf", extra="train")
    nncf.set_log_level(40)  # its progress notes go to the console otherwise; errors still show
    return nncf


def quantize_encoder(
    encoder: nn.Module,
    calibration_batches: Iterable[Tensor],
    *,
    overflow_fix: bool,
    fast_bias_correction: bool = False,
    subset_size: int = 256,
    float_layers: Collection[str] = (),
) -> nn.Module:
    """Insert 8-bit fake quantizers into a copy of `encoder`, with ranges from calibration images.

    The result is an ordinary module to fine-tune: `optimizer(q.parameters())`, `loss.backward()`.
    Keep it in eval mode while doing so: its batch norms are folded, but drop-path would still act
    in training mode.

    Args:
        encoder: timm backbone with trained weights, `(B, 3, S, S)` normalised float to `(B, F)`; it
            is not changed.
        calibration_batches: normalised images, each `(B, 3, S, S)` float32, all of one B (a smaller
            last one is fine).
        overflow_fix: keep weights to 7 bits, so that 8-bit products cannot saturate on a CPU
            without VNNI.
        fast_bias_correction: NNCF's fast bias correction (True) or the accurate, slower one of
            `quantize.bias`.
        subset_size: number of images to calibrate with; fewer are used when there are no more.
        float_layers: names of convolutions that are left in float.

    Raises:
        StageError: no calibration image, or a convolution was left without weight quantizer.
    """
    nncf = _load_nncf()
    batches = _take_images(calibration_batches, subset_size)
    prepared = prepare_encoder(encoder, batches[0].shape[-1])
    ignored = nncf.IgnoredScope(names=name_operations(prepared, float_layers, batches[0][:1]))
    from nncf.quantization.advanced_parameters import OverflowFix, QuantizationParameters

    advanced = nncf.AdvancedQuantizationParameters(
        overflow_fix=OverflowFix.ENABLE if overflow_fix else OverflowFix.DISABLE,
        activations_quantization_params=QuantizationParameters(per_channel=False),
        disable_bias_correction=not fast_bias_correction,
    )
    # NNCF draws progress bars even into a pipe.
    with contextlib.redirect_stdout(sys.stdout if sys.stdout.isatty() else io.StringIO()):
        quantized: nn.Module = nncf.quantize(
            copy.deepcopy(prepared),
            nncf.Dataset(batches),
            subset_size=len(batches),
            ignored_scope=ignored,
            advanced_parameters=advanced,
        )
    _require_complete(quantized, prepared, float_layers, batches[0][:1])
    if not fast_bias_correction:
        correct_biases(prepared, quantized.eval(), torch.cat(batches))
    return quantized


def _take_images(batches: Iterable[Tensor], subset_size: int) -> list[Tensor]:
    """The first batches that together hold at most `subset_size` images (one batch at least)."""
    taken: list[Tensor] = []
    images = 0
    for batch in batches:
        room = subset_size - images
        if room <= 0:
            break
        taken.append(batch[:room].float())
        images += min(room, len(batch))
    if not images:
        raise StageError(
            "there is no calibration image", remedy="Give the manifest rows of split 'calibration'"
        )
    return taken


def count_quantizers(quantized: nn.Module) -> dict[str, int]:
    """Counts `convolutions`, `weight_quantizers` and `activation_quantizers`.

    A shared quantizer counts once.
    """
    on_weight = [flag for _, _, flag in named_quantizers(quantized)]
    weights = sum(on_weight)
    activations = len(on_weight) - weights
    convolutions = sum(isinstance(module, nn.Conv2d) for module in quantized.modules())
    return {
        "convolutions": convolutions,
        "weight_quantizers": weights,
        "activation_quantizers": activations,
    }


def named_quantizers(quantized: nn.Module) -> list[tuple[str, nn.Module, bool]]:
    """`(hook name, quantizer, whether it is on a weight)` of every NNCF quantizer.

    Raises:
        ArtifactError: `quantized` does not come from NNCF.
    """
    _load_nncf()
    from nncf.torch.function_hook.wrapper import get_hook_storage, is_wrapped
    from nncf.torch.quantization.layers import BaseQuantizer

    if not is_wrapped(quantized):
        raise ArtifactError("the encoder was not quantized by NNCF", remedy=_rerun())
    found = []
    for name, module in get_hook_storage(quantized).named_hooks():
        if isinstance(module, BaseQuantizer):
            # Weight quantizers are the per-channel ones: activations are per tensor by
            # construction.
            found.append((name, module, bool(module.per_channel)))
    return found


def _require_complete(
    quantized: nn.Module, prepared: nn.Module, float_layers: Collection[str], example: Tensor
) -> None:
    """NNCF skips what it cannot place without a word; read the graph instead of trusting it.

    It leaves the gates of squeeze-and-excitation in float on purpose, whose two convolutions read
    one place: they take no time, and every value of a map hangs on their answer. The head behind
    the pooling reads one place as well, but holds up to half of all weights and must be quantized.
    """
    counts = count_quantizers(quantized)
    if counts["weight_quantizers"] == counts["convolutions"] - len(float_layers):
        return
    hooks = {name.partition(".")[2] for name, _, _ in named_quantizers(quantized)}
    allowed = {*float_layers, *find_gates(prepared, example)}
    missing = [
        layer
        for layer, operation in map_operations(prepared, example).items()
        # A hook is named by its operation and port: 1 is the weight.
        if f"{operation}__1.0" not in hooks and layer not in allowed
    ]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise StageError(
            f"the convolutions {', '.join(missing[:3])}{more} got no weight quantizer",
            remedy="This backbone cannot be quantized yet; choose another one of the zoo",
        )


def save_quantized(folder: Path, quantized: nn.Module, *, image_size: int) -> None:
    """Write state (safetensors) and NNCF configuration (JSON) to `folder`; nothing is pickled.

    Args:
        folder: created when missing.
        quantized: from `quantize_encoder`, before or after fine-tuning.
        image_size: S in pixels, needed to rebuild the folded encoder.
    """
    nncf = _load_nncf()
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(
        folder / STATE_FILE,
        quantized.state_dict(),
        {"kind": "nncf-encoder", "image_size": image_size},
    )
    write_json(
        folder / CONFIG_FILE, {"image_size": image_size, "nncf": nncf.torch.get_config(quantized)}
    )


def load_quantized(folder: Path, fresh_encoder: nn.Module) -> nn.Module:
    """Rebuild the quantized encoder of `folder`, in eval mode, without any calibration.

    Args:
        folder: from `save_quantized`.
        fresh_encoder: the same timm backbone with any weights; it is not changed.

    Raises:
        ArtifactError: a file is missing or damaged, or the backbone is another one.
    """
    nncf = _load_nncf()
    config = read_json(folder / CONFIG_FILE)
    state, _ = load_tensors(folder / STATE_FILE)
    prepared = prepare_encoder(fresh_encoder, int(config["image_size"]))
    if not all(
        math.isfinite(float(value.sum())) for value in state.values() if value.is_floating_point()
    ):
        raise ArtifactError(
            f"{folder / STATE_FILE} holds values that are not finite", remedy=_rerun()
        )
    quantized: nn.Module = nncf.torch.load_from_config(prepared, config["nncf"])
    try:
        quantized.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1:2] or [str(error)]
        raise ArtifactError(
            f"{folder} does not fit this backbone ({first[0].strip()[:160]})", remedy=_rerun()
        ) from error
    return quantized.eval()
