"""Where the page's INT8 outputs part from Python's: the quantized tensors, layer by layer.

python tools/web_rounding.py BUNDLE IMAGE...

Runs an ONNX INT8 bundle on images (judged whole) in ONNX Runtime on this machine's CPU and in its
WASM build (Node.js; `npm ci` in apps/web first). Both return all that they quantize on the way.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.trust import load_trusted
from gazeclip.console.lines import print_line

WEB = Path(__file__).parents[1] / "apps" / "web"
Outputs = dict[str, np.ndarray]


def add_outputs(model: onnx.ModelProto) -> list[str]:
    """Make the results of all quantizers outputs of the graph too; their names in order."""
    names = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    known = {info.name for info in model.graph.output}
    inferred = {
        info.name: info for info in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    names = [name for name in names if name in inferred and name not in known]
    model.graph.output.extend(inferred[name] for name in names)
    return names


def run_here(path: Path, pixels: np.ndarray) -> list[Outputs]:
    """One mapping an image, by ONNX Runtime's CPU build in one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feed = session.get_inputs()[0].name
    runs = [session.run(names, {feed: image[None]}) for image in pixels]
    return [dict(zip(names, map(np.asarray, run), strict=True)) for run in runs]


def run_in_wasm(path: Path, pixels: np.ndarray, like: Outputs) -> list[Outputs]:
    """The same by ONNX Runtime's WASM build in Node.js.

    Args:
        like: outputs of one image, for types and shapes.
    """
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "pixels"
        raw.write_bytes(pixels.tobytes())
        out = Path(folder) / "out"
        side = str(pixels.shape[1])
        program = ["node", "tests/run_model.mjs", str(path), str(raw), side, str(out)]
        subprocess.run(program, cwd=WEB, check=True)
        lines = out.read_text(encoding="ascii").splitlines()
    runs = []
    for line in lines:
        decoded = {name: base64.b64decode(text) for name, text in json.loads(line).items()}
        runs.append(
            {
                name: np.frombuffer(decoded[name], array.dtype).reshape(array.shape)
                for name, array in like.items()
            }
        )
    return runs


def compare(bundle: Bundle, images: list[Path]) -> None:
    """Print a line an image."""
    pixels = np.stack([bundle.contract.apply(path) for path in images])
    model = onnx.load(bundle.model_path)
    names = add_outputs(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "opened.onnx"
        onnx.save(model, path)
        here = run_here(path, pixels)
        there = run_in_wasm(path, pixels, here[0])
    print_line(
        f"{len(names)} quantized tensors, {sum(here[0][name].size for name in names)} values"
    )
    # opened for more outputs, a graph may be fused otherwise
    plain = run_here(bundle.model_path, pixels)
    logit = bundle.graph_name("fake_logit")
    for image, one, other, alone in zip(images, here, there, plain, strict=True):
        steps = {name: np.abs(one[name].astype(int) - other[name].astype(int)) for name in names}
        apart = abs(one[logit].item() - other[logit].item())
        opened = abs(one[logit].item() - alone[logit].item())
        print_line(
            f"{image.parent.name}/{image.name}: {describe_steps(steps)}; "
            f"fake_logit apart by {apart:.1e}, by opening the graph {opened:.1e}"
        )


def describe_steps(steps: Outputs) -> str:
    """Where values begin to differ, and how many do.

    Args:
        steps: tensor -> by how many steps each value differs, in the order of the graph.
    """
    counts = {name: int((array > 0).sum()) for name, array in steps.items()}
    first = next((name for name, count in counts.items() if count > 0), None)
    if first is None:
        return "all equal"
    place = list(steps).index(first) + 1
    most = max(int(array.max()) for array in steps.values())
    return (
        f"first in tensor {place}, {counts[first]} values by {int(steps[first].max())} step; "
        f"{sum(counts.values())} in all, at most {most} steps"
    )


if __name__ == "__main__":
    compare(load_trusted(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
