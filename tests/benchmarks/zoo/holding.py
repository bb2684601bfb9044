"""A cell measured anew against what the zoo promises, and against what is recorded of it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.zoo.cell import measure_cell
from benchmarks.zoo.outcome import find_surprise
from benchmarks.zoo.record import SHIPPED, read_record
from benchmarks.zoo.student import Subject
from gazeclip.bundle.layout import Precision
from gazeclip.networks.zoo import name_cell, read_zoo
from quantize.encoder import count_quantizers


def hold_cell(
    subject: Subject,
    name: str,
    target: str,
    precision: Precision,
    folder: Path,
    whole: bool = True,
) -> None:
    """As zoo.yaml has it; and of the convolutions with quantizers as few are float as recorded.

    How many convolutions there are in all depends on size and depth.

    Args:
        whole: in full depth; of fewer blocks no more may be float.
    """
    folder.mkdir(exist_ok=True)
    cell = measure_cell(subject, target, precision, folder)
    assert find_surprise(read_zoo()[name], target, precision, cell) == ""
    if precision != "int8" or "integer" not in cell:
        return
    record = read_record(SHIPPED)
    known = record.find_cell(name, name_cell(target, precision))
    assert known is not None
    facts = record.students[name]
    recorded = facts["quantizers"]["weight_quantizers"] - known["integer"]
    quantizers = count_quantizers(subject.quantized)["weight_quantizers"]
    floats = quantizers - cell["integer"]
    assert floats == recorded if whole else floats <= recorded
