"""The zoo's file: what an entry may say, and that timm has what it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazeclip.errors import ConfigError
from gazeclip.networks.zoo import find_students, read_zoo


def test_timm_has_every_student() -> None:
    from gazeclip.networks.weights import find_backbone_faults

    assert [name for name in read_zoo() if find_backbone_faults(name)] == []


def test_one_line_adds_a_student(tmp_path: Path) -> None:
    file = tmp_path / "zoo.yaml"
    file.write_text("resnet18: {}\nresnet34: {size: 96, refuses: {onnx-int8: no such kernel}}\n")
    plain, other = read_zoo(file).values()
    assert (plain.name, plain.size, plain.expects("onnx", "int8")) == ("resnet18", 224, None)
    assert (other.size, other.expects("onnx", "int8")) == (96, "no such kernel")
    assert other.expects("onnx", "fp32") is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- resnet18\n", "it holds no mapping"),
        ("resnet18: {pixels: 96}\n", "may have the keys size and refuses"),
        ("resnet18: 96\n", "may have the keys size and refuses"),
        ("resnet18: {size: true}\n", "size is a number of pixels"),
        ("resnet18: {size: 0}\n", "size is a number of pixels"),
        ("resnet18: {refuses: [onnx-int8]}\n", "refuses is a mapping"),
        ("resnet18: {refuses: {onnx-int8: 3}}\n", "refuses is a mapping"),
        ("resnet18: {}\nresnet18: {}\n", "stands twice"),
        ("resnet18: {\n", "is no zoo"),
    ],
)
def test_a_faulty_file_is_refused(text: str, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "zoo.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=fault):
        read_zoo(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no zoo"):
        read_zoo(tmp_path / "none.yaml")


def test_students_are_found_in_the_order_named() -> None:
    zoo = read_zoo()
    first, second, *_ = zoo
    assert [student.name for student in find_students([second, first, second], zoo)] == [
        second,
        first,
    ]
    assert [student.name for student in find_students([], zoo)] == list(zoo)
    with pytest.raises(ConfigError, match=f"there is no '{first}x' in the zoo.*{first}"):
        find_students([f"{first}x"], zoo)
