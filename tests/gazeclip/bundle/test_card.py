"""The model card says what the bundle's data say."""

from __future__ import annotations

from pathlib import Path


def test_card_is_written_from_the_data(bundles: dict[str, Path]) -> None:
    card = (bundles["onnx"] / "MODEL_CARD.md").read_text(encoding="utf-8")
    for piece in (
        "| swap | Swap | face_swap | graphics |",
        "| fpr1 | 0.8 | 300 | 0.75 to 0.85 | yes |",
        "| test_unseen | - | 0 |",
    ):
        assert piece in card, piece
