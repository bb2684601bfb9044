"""The model card says what the bundle's data say."""

from __future__ import annotations

from pathlib import Path


def test_card_is_written_from_the_data(bundles: dict[str, Path]) -> None:
    card = (bundles["onnx"] / "MODEL_CARD.md").read_text(encoding="utf-8")
    for piece in (
        "| swap | Swap | face_swap | graphics |",
        "| fpr1 | 1.4 | -1 | 0.01 | 0.00994 | 300 | 0.05 | 0.043 | 140 |",
        "| weight of margin | 0.05 |",
        "| limits | -6 to 5.7 |",
        "| test_unseen | - | 0 |",
    ):
        assert piece in card, piece
