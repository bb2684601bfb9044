"""The file of figures: cells keep the session in which they were measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.zoo.listing import QUIET
from benchmarks.zoo.measure import FOLDING_BOUND
from benchmarks.zoo.outcome import FAILED, OK, find_surprise
from benchmarks.zoo.record import SHIPPED, Record, describe_session, is_ok, read_record
from export.registry import TARGETS
from export.runner import is_reference
from gazeclip.errors import ArtifactError
from gazeclip.networks.zoo import ZooStudent, name_cell, read_zoo

GOOD = {"state": OK, "step": None, "why": None}
BAD = {"state": FAILED, "step": "convert", "why": "aten::roll in encoder.stages.1 is unknown"}
STUDENT = ZooStudent("resnet18", 96, {"coreml-int8": "aten::roll in encoder"})


def test_a_cell_names_its_session_and_the_last_measurement_counts(tmp_path: Path) -> None:
    record = Record()
    record.begin_session(describe_session("none", 0))
    record.add_cell("resnet18", "onnx-int8", BAD)
    record.add_cell("resnet18", "onnx-fp32", GOOD)
    record.begin_session(describe_session("timm", 1))
    record.describe_student("resnet18", {"macs": 5})
    record.add_cell("resnet18", "onnx-int8", GOOD)
    record.save(tmp_path / "zoo.json")
    found = read_record(tmp_path / "zoo.json")
    assert found == record
    assert found.find_cell("resnet18", "onnx-int8") == {**GOOD, "session": 1}
    assert found.find_cell("resnet18", "onnx-fp32") == {**GOOD, "session": 0}
    assert found.find_cell("resnet18", "tflite-int8") is None
    assert found.students["resnet18"]["macs"] == 5
    assert [session["weights"] for session in found.sessions] == ["none", "timm"]


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"sessions": []}')
    with pytest.raises(ArtifactError, match="no record of the zoo"):
        read_record(tmp_path / "other.json")
    with pytest.raises(ArtifactError, match="there is no file"):
        read_record(tmp_path / "none.json")


def test_cells_of_another_size_are_dropped() -> None:
    record = Record()
    record.begin_session(describe_session("none", 0))
    for size, kept in ((96, False), (224, False), (224, True)):
        record.describe_student("resnet18", {"size": size})
        assert (record.find_cell("resnet18", "onnx-fp32") is not None) is kept
        record.add_cell("resnet18", "onnx-fp32", GOOD)


def test_weights_of_a_file_are_known_by_their_content(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    told = []
    for content in (b"one", b"two"):
        file.write_bytes(content)
        told.append(describe_session(str(file), 0)["weights"])
    assert told[0] != told[1]
    assert describe_session("none", 0)["weights"] == "none"


@pytest.mark.parametrize(
    ("target", "cell", "said"),
    [
        ("onnx", GOOD, ""),
        ("onnx", BAD, "resnet18 onnx int8 fails: aten::roll"),
        ("coreml", BAD, ""),
        ("coreml", GOOD, "resnet18 coreml int8 works, and zoo.yaml says: aten::roll in encoder"),
        ("coreml", {**BAD, "why": "no memory"}, "resnet18 coreml int8 fails otherwise than"),
    ],
)
def test_what_differs_from_the_zoo_is_said(target: str, cell: dict[str, str], said: str) -> None:
    found = find_surprise(STUDENT, target, "int8", cell)
    assert found.startswith(said) and bool(found) == bool(said)


def _list_promised() -> dict[str, tuple[str, str]]:
    return {
        name_cell(target, precision): (target, precision)
        for target, entry in TARGETS.items()
        for precision in entry.precisions
    }


def test_the_shipped_record_has_every_cell_with_its_figures() -> None:
    record = read_record(SHIPPED)
    cells = set(_list_promised())
    assert set(record.students) == set(read_zoo())
    for name, student in record.students.items():
        assert set(student["cells"]) == cells, name
        assert 0 <= student["fold_error"] <= FOLDING_BOUND
        for cell in student["cells"].values():
            if is_ok(cell):
                assert cell["export_s"] > 0 and cell["peak_mb"] > 0
                reference = is_reference(cell["engine"])
                assert (cell["latency_ms"] is None) is reference
                assert reference or not cell["disturbed"]


def test_shipped_times_were_taken_on_a_quiet_machine() -> None:
    """Sizes, parity and operations do not depend on what else a machine does; times do."""
    record = read_record(SHIPPED)
    for session in record.sessions:
        assert session["machine"]["load_average"][0] <= QUIET


def test_the_shipped_figures_are_those_that_the_zoo_promises() -> None:
    """A record that was measured again with a broken cell cannot be committed unseen."""
    record = read_record(SHIPPED)
    zoo = read_zoo()
    promised = _list_promised()
    surprises = []
    for name, student in record.students.items():
        assert set(zoo[name].refuses) <= set(promised)
        for cell_name, cell in student["cells"].items():
            surprises.append(find_surprise(zoo[name], *promised[cell_name], cell))
            assert cell["session"] < len(record.sessions)
            if is_ok(cell) and cell_name.endswith("int8"):
                assert 0 < cell["integer"] <= cell["convolutions"]
    assert [said for said in surprises if said] == []
