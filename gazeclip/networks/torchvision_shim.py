"""Let timm and open_clip import a torchvision that was built for another torch.

On a machine without a GPU the registry's torchvision may be a CUDA build. Its Python code and
transforms work, but its import stops at operators that its C++ library would have registered.
Declaring their schemas is enough; calling them still fails, and nothing here calls them.
"""

from __future__ import annotations

_SCHEMAS = {
    "torchvision::nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "torchvision::qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_declared = False


def ensure() -> None:
    """Make `import torchvision` work; does nothing where the installed one loads by itself."""
    global _declared
    if _declared:
        return
    _declared = True
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        import sys

        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        for name, schema in _SCHEMAS.items():
            torch.library.define(name, schema)
