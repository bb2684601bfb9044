"""Small real bundles: one network by hand as ONNX, OpenVINO and TFLite.

The network: mean colour -> linear -> four outputs.
The expected outputs come from the NumPy formula in `reference`, in float64, not from any engine.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeclip.bundle.contents import BundleClass, BundleContents, Golden, OperatingPoint
from gazeclip.bundle.write import write_bundle
from gazeclip.images.preprocess import PixelContract
from gazeclip.scoring.evidence import Evidence
from gazeclip.system import place
from gazeclip.system.memory import take_arrow_from_mimalloc

take_arrow_from_mimalloc()  # before any test imports pyarrow
# As in an activated environment, so that the commands in messages say `python`.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
# Tests of it choose a folder of their own; all others leave the user's cache as it is.
os.environ["GAZECLIP_MODEL_CACHE"] = "off"

SIZE = 32
DIM = 6
_PAINTS = {"real": (40, 90, 200), "fake": (220, 90, 30), "unsure": (130, 120, 125)}
CLASSES = [
    BundleClass("real", "a camera", category="real", family="real"),
    BundleClass("swap", "Swap", category="face_swap", family="graphics"),
    BundleClass("gan", "A GAN", category="entire_synthesis", family="gan"),
    BundleClass("flow", "A flow", category="entire_synthesis", family="flow"),
]
Weights = dict[str, np.ndarray]
pytest_plugins = ["tests.collecting", "tests.worker_crashes"]


def pytest_configure(config: pytest.Config) -> None:
    """Here, and not in the project's file: tests may also lie beside an installed wheel."""
    config.addinivalue_line("markers", "checkout: skipped beside an installed wheel")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of an installed wheel, skip what is about the source tree."""
    if place.is_checkout():
        return
    for item in items:
        if item.get_closest_marker("checkout"):
            item.add_marker(pytest.mark.skip(reason="needs a checkout"))


@pytest.fixture(scope="session")
def quantizers(request: pytest.FixtureRequest) -> None:
    """NNCF ready to quantize, by its compiled quantizers only where slow tests run.

    Compiling takes minutes in a fresh cache. Both compute the same; a slow test of
    `quantize.nncf_setup` holds that.
    """
    if any(item.get_closest_marker("slow") for item in request.session.items):
        return
    import torch

    from quantize.nncf_setup import prepare_nncf

    prepare_nncf()
    from nncf.torch.quantization import extensions

    extensions.QuantizedFunctionsCPU._loaded_namespace = extensions.ReferenceQuantizedFunctions
    torch.compiler.set_stance("force_eager")  # as `load_quantizers` does where they must do


@pytest.fixture(scope="session")
def weights() -> Weights:
    rng = np.random.default_rng(7)
    bank = rng.normal(size=(len(CLASSES), DIM))
    return {
        "project": rng.normal(size=(DIM, 3)).astype(np.float32),
        "bank": (bank / np.linalg.norm(bank, axis=1, keepdims=True)).astype(np.float32),
        "scale": np.float32(5.0),
        # more red than blue counts as fake, so that a test can paint both verdicts
        "fake": np.array([[8.0, 0.0, -8.0]], np.float32),
        "gaze": np.array([[0.3, 0.0, 0.0], [0.0, -0.4, 0.0]], np.float32),
    }


@pytest.fixture(scope="session")
def reference(weights: Weights) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """The network's formula in float64."""

    def forward(images: np.ndarray) -> dict[str, np.ndarray]:
        mean = images.astype(np.float64).mean(axis=(1, 2)) / 255.0
        raw = mean @ weights["project"].astype(np.float64).T
        embedding = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        logits = float(weights["scale"]) * embedding @ weights["bank"].T
        return {
            "embedding": embedding,
            "logits": logits,
            "fake_logit": mean @ weights["fake"].T,
            "gaze": mean @ weights["gaze"].T,
        }

    return forward


def onnx_model(weights: Weights) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:
        return helper.make_node(kind, inputs, [output], **attributes)

    float_type = TensorProto.FLOAT
    nodes = [
        node("Cast", ["image"], "pixels", to=float_type),
        node("ReduceMean", ["pixels"], "mean255", axes=[1, 2], keepdims=0),
        node("Div", ["mean255", "full"], "mean"),
        node("Gemm", ["mean", "project"], "raw", transB=1),
        node("ReduceL2", ["raw"], "length", axes=[1], keepdims=1),
        node("Div", ["raw", "length"], "embedding"),
        node("Gemm", ["embedding", "scaled_bank"], "logits", transB=1),
        node("Gemm", ["mean", "fake"], "fake_logit", transB=1),
        node("Gemm", ["mean", "gaze_w"], "gaze", transB=1),
    ]
    constants = {
        "full": np.float32([255.0]),
        "project": weights["project"],
        "scaled_bank": weights["scale"] * weights["bank"],
        "fake": weights["fake"],
        "gaze_w": weights["gaze"],
    }
    widths = {"embedding": DIM, "logits": len(CLASSES), "fake_logit": 1, "gaze": 2}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info(name, float_type, ["batch", width])
            for name, width in widths.items()
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def tflite_model(weights: Weights) -> bytes:
    """The same network as a flatbuffer with a signature, batch fixed to 1 as converters do."""
    flatbuffers = pytest.importorskip("flatbuffers")
    s = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model = s.ModelT()
    graph = s.SubGraphT()
    model.version = 3
    model.buffers = [s.BufferT()]
    model.operatorCodes = []
    graph.tensors = []
    graph.operators = []

    def tensor(
        name: str,
        shape: list[int],
        data: np.ndarray | None = None,
        kind: int = s.TensorType.FLOAT32,
    ) -> int:
        entry = s.TensorT()
        entry.name = name
        entry.shape = shape
        entry.type = kind
        entry.buffer = 0
        if data is not None:
            buffer = s.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            model.buffers.append(buffer)
            entry.buffer = len(model.buffers) - 1
        graph.tensors.append(entry)
        return len(graph.tensors) - 1

    def operator(
        code: int, inputs: list[int], output: int, kind: int = 0, options: Any = None
    ) -> int:
        opcode = s.OperatorCodeT()
        op = s.OperatorT()
        opcode.builtinCode = opcode.deprecatedBuiltinCode = code
        model.operatorCodes.append(opcode)
        op.opcodeIndex = len(model.operatorCodes) - 1
        op.inputs = inputs
        op.outputs = [output]
        op.builtinOptionsType = kind
        op.builtinOptions = options
        graph.operators.append(op)
        return output

    def linear(source: int, name: str, matrix: np.ndarray) -> int:
        inputs = [source, tensor(f"{name}_w", list(matrix.shape), matrix), -1]
        options = s.FullyConnectedOptionsT()
        return operator(
            s.BuiltinOperator.FULLY_CONNECTED,
            inputs,
            tensor(name, [1, matrix.shape[0]]),
            s.BuiltinOptions.FullyConnectedOptions,
            options,
        )

    codes = s.BuiltinOperator
    image = tensor("x", [1, SIZE, SIZE, 3], kind=s.TensorType.UINT8)
    pixels = operator(
        codes.CAST,
        [image],
        tensor("pixels", [1, SIZE, SIZE, 3]),
        s.BuiltinOptions.CastOptions,
        s.CastOptionsT(),
    )
    axes = tensor("axes", [2], np.array([1, 2], np.int32), s.TensorType.INT32)
    mean = operator(
        codes.MEAN,
        [pixels, axes],
        tensor("mean", [1, 3]),
        s.BuiltinOptions.ReducerOptions,
        s.ReducerOptionsT(),
    )
    raw = linear(mean, "raw", weights["project"] / 255)
    embedding = operator(
        codes.L2_NORMALIZATION,
        [raw],
        tensor("e", [1, DIM]),
        s.BuiltinOptions.L2NormOptions,
        s.L2NormOptionsT(),
    )
    outputs = {
        "embedding": embedding,
        "logits": linear(embedding, "l", weights["scale"] * weights["bank"]),
        "fake_logit": linear(mean, "f", weights["fake"] / 255),
        "gaze": linear(mean, "g", weights["gaze"] / 255),
    }
    graph.inputs = [image]
    graph.outputs = list(outputs.values())
    signature = s.SignatureDefT()
    signature.signatureKey = "serving_default"
    signature.subgraphIndex = 0
    signature.inputs = []
    signature.outputs = []
    for name, index, where in [("image", image, signature.inputs)] + [
        (n, i, signature.outputs) for n, i in outputs.items()
    ]:
        entry = s.TensorMapT()
        entry.name = name
        entry.tensorIndex = index
        where.append(entry)
    model.subgraphs = [graph]
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def write_model(folder: Path, target: str, weights: Weights) -> str:
    """Write the network in a target's format; returns the file name."""
    folder.mkdir(parents=True, exist_ok=True)
    if target == "tflite":
        (folder / "model.tflite").write_bytes(tflite_model(weights))
        return "model.tflite"
    onnx = pytest.importorskip("onnx")
    if target == "onnx":
        onnx.save(onnx_model(weights), str(folder / "model.onnx"))
        return "model.onnx"
    openvino = pytest.importorskip("openvino")
    source = folder.parent / f"{folder.name}.source.onnx"
    onnx.save(onnx_model(weights), str(source))
    openvino.save_model(
        openvino.Core().read_model(str(source)), str(folder / "model.xml"), compress_to_fp16=False
    )
    return "model.xml"


@pytest.fixture(scope="session")
def contents(
    weights: Weights, reference: Callable[[np.ndarray], dict[str, np.ndarray]]
) -> BundleContents:
    """What goes with the network into a bundle; target and model file are those of ONNX."""
    images = np.random.default_rng(3).integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8)
    outputs = {name: value.astype(np.float32) for name, value in reference(images).items()}
    # float32 sums over 1,024 pixels against float64
    tolerance = {"embedding": 1e-5, "logits": 1e-4, "fake_logit": 1e-5, "gaze": 1e-5}
    return BundleContents(
        target="onnx",
        precision="fp32",
        model_file="model.onnx",
        classes=CLASSES,
        contract=PixelContract(SIZE),
        temperature={"attribution": 2.0},
        evidence=Evidence(("detection", "margin"), (0.7, 0.05), 0.1, -6.0, 5.7),
        thresholds={
            "fpr1": OperatingPoint("fpr1", 1.4, -1.0, 0.01, 0.05, 0.00994, 0.043, 300, 140),
            "fpr0.1": OperatingPoint("fpr0.1", 5.5, -1.0, 0.001, 0.05, 0.00994, 0.043, 300, 140),
        },
        metrics={"test": {"auc": 0.9, "n": np.int64(300)}, "test_unseen": {"auc": None, "n": 0}},
        parity={"embedding_cosine_min": 0.9999},
        provenance={"teacher_sha256": "a" * 64, "data_manifest_sha256": "b" * 64},
        versions={"onnx": "1"},
        text_bank=weights["bank"],
        golden=Golden(images, outputs, tolerance),
    )


@pytest.fixture(scope="session")
def bundles(
    tmp_path_factory: pytest.TempPathFactory, weights: Weights, contents: BundleContents
) -> dict[str, Path]:
    """A whole bundle per target. Tests that spoil one copy it first."""
    root = tmp_path_factory.mktemp("bundles")
    for target in ("openvino", "onnx", "tflite"):
        name = write_model(root / target, target, weights)
        write_bundle(root / target, replace(contents, target=target, model_file=name))
    return {target: root / target for target in ("openvino", "onnx", "tflite")}


@pytest.fixture
def spoiled(bundles: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the ONNX bundle, for a test to damage."""
    return Path(shutil.copytree(bundles["onnx"], tmp_path / "bundle"))


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A blue (real), a red (fake) and a grey (unsure) picture by the network's rule.

    And three that are none.
    """
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name, colour in _PAINTS.items():
        noise = rng.integers(-20, 20, (80, 64, 3))
        Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(
            root / f"{name}.png"
        )
    detailed = Image.fromarray(rng.integers(0, 256, (200, 200, 3), dtype=np.uint8))
    detailed.save(root / "whole.jpg", quality=95)
    bad = root / "bad"
    bad.mkdir()
    (bad / "truncated.jpg").write_bytes((root / "whole.jpg").read_bytes()[:3000])
    (bad / "empty.jpg").write_bytes(b"")
    (bad / "text.jpg").write_text("not a picture", encoding="utf-8")
    names = {path.stem: path for path in (*root.glob("*.*"), *bad.glob("*"))}
    return names
