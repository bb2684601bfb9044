"""The float head's weights, stored in 16 or 8 bits.

The head computes in float32, but its matrices need not lie in the file as such: one of 1280
features to 256 values is a quarter of an INT8 file. They are rounded here, once for all targets;
each target then stores what it finds of them in the small form, and the engine expands them when
it loads the file.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from export.job import ExportJob
from export.packed_matrix import FEWEST_VALUES, PackedMatrix, round_to_levels
from gazeclip.bundle.layout import WeightFormat
from gazeclip.errors import StageError
from gazeclip.networks.student import Student, StudentHead
from gazeclip.system.place import command_line

# Of files that hold weights in 8 bits; the names of the others say how all their weights lie.
_PRECISIONS = ("w8", "int8")


def pack_head(job: ExportJob, kind: WeightFormat) -> ExportJob:
    """The job with a rounded head, to be stored as `kind`; the job itself where nothing changes."""
    if job.precision not in _PRECISIONS or kind == "fp32":
        return job
    packed = tuple(
        _pack_matrix(name, values.detach().numpy(), kind)
        for name, values in _matrices_of(job.student.head)
    )
    return replace(job, student=_round_head(job.student, packed), packed_head=packed)


def _matrices_of(head: StudentHead) -> list[tuple[str, Tensor]]:
    """The layers' weights by name, each `(N, K)`, as far as packing them pays.

    Not the text bank: it is a hundredth of the projection, and TFLite's converter multiplies the
    logit scale into it.
    """
    return [
        (name, values)
        for name, values in head.named_parameters()
        if values.ndim == 2 and values.numel() >= FEWEST_VALUES
    ]


def _pack_matrix(name: str, matrix: np.ndarray, kind: WeightFormat) -> PackedMatrix:
    """Half precision, or levels with a scale for each row, which is an output of its layer."""
    if kind == "fp16":
        return PackedMatrix(name, matrix.astype(np.float16), None)
    return round_to_levels(name, matrix)


def _round_head(student: Student, packed: Iterable[PackedMatrix]) -> Student:
    rounded = copy.deepcopy(student)
    state = rounded.head.state_dict()
    for matrix in packed:
        state[matrix.name] = torch.from_numpy(matrix.unpack())
    rounded.head.load_state_dict(state)
    return rounded


def require_packed_convolutions(left: Collection[str], what: str) -> None:
    """Refuse a w8 file that would hold filters in float32 under that name.

    `left`: convolutions whose filters are no constants of the file.

    Raises:
        StageError: there are some.
    """
    if left:
        raise StageError(
            f"{what}: the filters of {', '.join(sorted(left))} are computed in the file and "
            "cannot be stored in 8 bits",
            remedy="Export this student with another precision",
        )


def note_packed(job: ExportJob, found: Iterable[str]) -> dict[str, object]:
    """What an export's notes say of the head: `head_weights`, the format of its matrices.

    Args:
        found: names of the matrices that the target stored in the small form.

    Raises:
        StageError: one is missing: the converter changed it, and it would lie there in float32.
    """
    missing = sorted({matrix.name for matrix in job.packed_head} - set(found))
    if missing:
        raise StageError(
            f"the converter changed {', '.join(missing)} of the head, which stays float32",
            remedy="Export with head_weights=fp32: "
            + command_line("export", "--set", "export.head_weights=fp32"),
        )
    if not job.packed_head:
        return {}
    kind = "fp16" if job.packed_head[0].scale is None else "int8"
    return {"head_weights": kind}
