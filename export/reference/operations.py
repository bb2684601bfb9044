"""The operations of Core ML's ML Program as torch functions, by the names that MIL gives them."""

from __future__ import annotations

from export.reference import elements, quantization, resizing, shapes, windows
from export.reference.table import OPERATIONS

__all__ = ["OPERATIONS", "elements", "quantization", "resizing", "shapes", "windows"]
