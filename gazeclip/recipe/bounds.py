"""Limits of a recipe's values, in words that pydantic understands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True)
class Bounds:
    """Limits of a field, in pydantic's words.

    pydantic finds them here without having to be installed to read this file.
    """

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    min_length: int | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: Callable[[Any], dict[str, Any]]
    ) -> dict[str, Any]:
        schema = handler(source)
        limits = {name: value for name, value in vars(self).items() if value is not None}
        if schema["type"] == "float":
            limits["allow_inf_nan"] = False
        return schema | limits


Count = Annotated[int, Bounds(ge=1)]
Natural = Annotated[int, Bounds(ge=0)]
Positive = Annotated[float, Bounds(gt=0)]
NonNegative = Annotated[float, Bounds(ge=0)]
Share = Annotated[float, Bounds(gt=0, lt=1)]
BelowOne = Annotated[float, Bounds(ge=0, lt=1)]
