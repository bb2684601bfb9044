"""One small student, its NNCF-quantized encoder, and what PyTorch says of six images.

The student's batch statistics are warmed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from export.job import ExportJob
from export.lower import StrippedEncoder
from gazeclip.bundle.layout import OUTPUTS, Precision
from gazeclip.images.preprocess import PixelContract
from gazeclip.networks.student import Student, StudentSpec
from gazeclip.networks.student_encoder import build_student_encoder
from quantize.encoder import quantize_encoder

SIZE, DIM = 64, 32
SMALLEST = "mobilenetv4_conv_small_050"
CLASSES = ("real", "swap", "gan", "flow", "diffusion")
Outputs = dict[str, np.ndarray]


def pictures(count: int, seed: int) -> np.ndarray:
    """Smooth colour fields with a little noise, uint8 `(count, SIZE, SIZE, 3)`."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic")
    noisy = 0.9 * fine + 0.1 * torch.rand(count, 3, SIZE, SIZE, generator=generator)
    return (
        (noisy.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    )


def pixels(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def build(backbone: str, blocks: Sequence[int] = ()) -> Student:
    """A student whose batch statistics are warmed.

    Args:
        blocks: how many of them are kept in each stage of the backbone, if not all.
    """
    torch.manual_seed(0)
    spec = StudentSpec(
        backbone, DIM, CLASSES, PixelContract(SIZE), (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)
    )
    encoder = build_student_encoder(backbone, SIZE)
    for number, kept in enumerate(blocks):
        del encoder.backbone.blocks[number][kept:]
    student = Student(spec, encoder, torch.randn(len(CLASSES), DIM), 10.0).train()
    with torch.no_grad():
        for seed in range(8):
            student(pixels(pictures(8, 100 + seed)))
    return student.eval()


def quantize(student: Student) -> torch.nn.Module:
    batches = [student.normalise(pixels(pictures(8, 200 + seed))) for seed in range(3)]
    return quantize_encoder(student.encoder, batches, overflow_fix=True).eval()


def build_short() -> Student:
    """The smallest student of the zoo with each kind of block, and half of its convolutions.

    Every converter takes half the time for it; the whole network is tested with the zoo's.
    """
    return build(SMALLEST, blocks=(2, 2, 2, 1, 1))


@pytest.fixture(scope="session")
def student() -> Student:
    return build_short()


@pytest.fixture(scope="session")
def quantized(student: Student, quantizers: None) -> torch.nn.Module:
    return quantize(student)


@pytest.fixture(scope="session")
def stripped(quantized: torch.nn.Module) -> StrippedEncoder:
    """What all int8 jobs share, as those of a run do."""
    return StrippedEncoder(quantized, SIZE)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return pictures(6, 300)


@pytest.fixture(scope="session")
def expected(
    student: Student, quantized: torch.nn.Module, images: np.ndarray
) -> dict[str, Outputs]:
    """What PyTorch computes.

    The float student, and for int8 the student around NNCF's fake quantizers.
    """
    with torch.no_grad():
        x = student.normalise(pixels(images))
        floating, fake = student.head(student.encoder(x)), student.head(quantized(x))
    outputs = {"fp32": floating, "fp16": floating, "w8": floating, "int8": fake}
    return {
        precision: {name: getattr(out, name).numpy() for name in OUTPUTS}
        for precision, out in outputs.items()
    }


@pytest.fixture(scope="session")
def make_job(
    student: Student, quantized: torch.nn.Module, stripped: StrippedEncoder
) -> Callable[[Precision, Path], ExportJob]:
    """A job that writes into a given folder."""

    def make(precision: Precision, folder: Path) -> ExportJob:
        return ExportJob(
            student, quantized, precision, folder, CLASSES, SIZE, {"run": "test"}, stripped
        )

    return make


@pytest.fixture
def job(
    make_job: Callable[[Precision, Path], ExportJob], tmp_path: Path
) -> Callable[[Precision], ExportJob]:
    """A job that writes into the folder of the test."""
    return lambda precision: make_job(precision, tmp_path)


@pytest.fixture
def job_of(tmp_path: Path) -> Callable[[str, Precision], ExportJob]:
    """A job for a student with another backbone."""

    def make(backbone: str, precision: Precision) -> ExportJob:
        student = build(backbone)
        return ExportJob(
            student, quantize(student), precision, tmp_path, CLASSES, SIZE, {"run": "test"}
        )

    return make


@pytest.fixture(scope="session")
def check() -> Callable[[Outputs, Outputs, str], None]:
    """Compare an engine's outputs with PyTorch's.

    fp32: the same operations in another order, some fifty layers deep; logits are ten times a
        cosine.
    fp16: eleven bits of mantissa.
    w8: weights rounded to 255 levels.
    int8: a value between two levels may be rounded either way, and the step travels on. Between
    this network's own outputs for an image and for the same image moved by 1e-4 the cosine is
    0.9986, so that is what parity can mean.
    """
    bounds = {
        "fp32": (2e-4, 0.99999),
        "fp16": (5e-2, 0.9999),
        "w8": (0.3, 0.999),
        "int8": (0.6, 0.995),
    }

    def compare(found: Outputs, wanted: Outputs, precision: str) -> None:
        assert set(found) == set(OUTPUTS)
        absolute, cosine = bounds[precision]
        for name in OUTPUTS:
            assert found[name].shape == wanted[name].shape and found[name].dtype == np.float32, name
            assert np.abs(found[name] - wanted[name]).max() < absolute, name
        a, b = found["embedding"], wanted["embedding"]
        assert (
            (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        ).min() > cosine

    return compare
