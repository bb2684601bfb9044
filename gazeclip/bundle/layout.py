"""Names that every bundle shares: its files, its input and outputs, its precisions.

This is the one place where they are written down; training, export and engines read them here.
"""

from __future__ import annotations

from typing import Literal, get_args

# w8: weights of 8 bits, computing in float32. int8: weights and activations.
Precision = Literal["fp32", "fp16", "w8", "int8"]
# How a single weight lies in a file.
WeightFormat = Literal["fp32", "fp16", "int8"]
# Where Core ML may compute, by the names that Apple gives them.
ComputeUnits = Literal["all", "cpu_only", "cpu_and_gpu", "cpu_and_ne"]

# 2: evidence as a log-likelihood ratio, two thresholds for three answers.
SCHEMA = 2
# 3: the text bank is an input of the model. Whoever reads 2 only would not feed it.
BANK_SCHEMA = 3
SCHEMAS = (SCHEMA, BANK_SCHEMA)
MANIFEST = "bundle.json"
TEXT_BANK = "text_bank.safetensors"
GOLDEN = "golden.npz"
INPUT_NAME = "image"
BANK_INPUT = "text_bank"  # of models that take their classes from outside
# Of a model whose format has no free axis: rows that are not used are zeros.
BANK_ROWS = 64
# The order matters: the graphs of all targets give their outputs in it.
OUTPUTS = ("embedding", "logits", "fake_logit", "gaze")
CARD = "MODEL_CARD.md"
ORIGIN = "provenance.json"  # bundles of earlier versions have none
PARTS = (TEXT_BANK, GOLDEN, CARD)
# It is over the digest, so the digest cannot be over it.
SIGNATURE = "signature.json"
# The second is the export stage's record, which names this bundle by its hash.
UNHASHED = (MANIFEST, "manifest.json", SIGNATURE)
CONVERSION = "conversion"  # of `metrics` in bundle.json: notes of the export
# The operating point that verdicts are given at unless another is named.
SHIPPED_POINT = "fpr1"
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
COMPUTE_UNITS: tuple[ComputeUnits, ...] = get_args(ComputeUnits)


def output_widths(embedding_dim: int, classes: int) -> dict[str, int]:
    """Output name -> W of its array `(B, W)`: embedding D, logits C, one score, pitch and yaw."""
    return dict(zip(OUTPUTS, (embedding_dim, classes, 1, 2), strict=True))
