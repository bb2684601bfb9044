"""The text bank of a model that takes one: fed as its format wants it, its classes' logits cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gazeclip.bundle.bundle import Bundle
from gazeclip.errors import ConfigError
from runtimes.batches import Outputs


@dataclass(frozen=True)
class BankFeed:
    """Rows for a model's input.

    Attributes:
        name: of the input in the model file.
        values: float32, `(C, D)`, or with zeros below where the model takes a fixed number of rows.
        classes: C.
    """

    name: str
    values: np.ndarray
    classes: int

    @classmethod
    def of_bundle(cls, bundle: Bundle) -> BankFeed | None:
        """The bundle's own bank; None where its model has no such input.

        Raises:
            ConfigError: more rows than the model takes.
        """
        port = bundle.bank_input
        if port is None:
            return None
        rows = np.ascontiguousarray(bundle.text_bank, np.float32)
        count = len(rows)
        if port.rows is not None:
            if count > port.rows:
                what = (
                    f"a text bank of {count} classes; this {bundle.target} model takes {port.rows}"
                )
                raise ConfigError(what, remedy="Take classes out of the bank")
            rows = np.pad(rows, ((0, port.rows - count), (0, 0)))
        return cls(port.name, rows, count)

    def cut(self, outputs: Outputs) -> Outputs:
        """The outputs with logits `(B, C)` of the classes that there are."""
        logits = outputs["logits"]
        if logits.shape[1] == self.classes:
            return outputs
        return {**outputs, "logits": np.ascontiguousarray(logits[:, : self.classes])}
