"""Names that every bundle shares: its files, its outputs, its precisions."""

from __future__ import annotations

SCHEMA = 1
MANIFEST = "bundle.json"
TEXT_BANK = "text_bank.safetensors"
GOLDEN = "golden.npz"
OUTPUTS = ("embedding", "logits", "fake_logit", "gaze")
PARTS = (TEXT_BANK, GOLDEN, "MODEL_CARD.md")
UNHASHED = (
    MANIFEST,
    "manifest.json",
)  # the latter is the export stage's record, which names this bundle by hash
PRECISIONS = ("fp32", "fp16", "int8")
