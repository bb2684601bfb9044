"""The listings for telephones are not run here: their names are held against a bundle."""

from __future__ import annotations

import json
import math
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.registry import TARGETS
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import (
    BANK_INPUT,
    BANK_ROWS,
    BANK_SCHEMA,
    INPUT_NAME,
    OUTPUTS,
    SCHEMAS,
    SHIPPED_POINT,
    TEXT_BANK,
)
from gazeclip.bundle.text_bank import KIND, VERSION, TextBankFile
from gazeclip.images.preprocess import PixelContract
from gazeclip.scoring.evidence import SCORES
from tests.integrate.listings import GUIDES, PHONES, join_listings
from tests.rejected import build_entry

pytestmark = pytest.mark.checkout
# What the listings call the widths of outputs.
WIDTHS = {
    "bundle.embeddingWidth": "D",
    'Int(try bundle.meta["embedding_dim"].number())': "D",
    "bundle.rows": "rows",
    "1": "1",
    "2": "2",
}
_KOTLIN_CHAIN = re.compile(
    r'\b(\w+)((?:\.get(?:Int|String|Double|Boolean|JSONObject|JSONArray)\((?:"[^"]+"|\w+)\))+)'
)
_KOTLIN_CALL = re.compile(r'\.get(\w+)\(("[^"]+"|\w+)\)')
_SWIFT_CHAIN = re.compile(r'\b(meta|header|told)((?:\["[^"]+"\]|\[[$\w]+\])+)(?:\.(\w+))?')
Step = tuple[str, type | tuple[type, ...]]  # a key, `*` for any, and what lies there
_ANYTHING = (dict, list, str, int, float)
_KOTLIN_TYPES: dict[str, type | tuple[type, ...]] = {
    "Int": int,
    "String": str,
    "Double": (int, float),
    "Boolean": bool,
    "JSONObject": dict,
    "JSONArray": list,
}
_SWIFT_TYPES: dict[str, type | tuple[type, ...]] = {
    "number": (int, float),
    "text": str,
    "flag": bool,
    "count": list,
    "keys": dict,
}


# The JSON values that listings read: bundle.json, a bank's header, and what it says of itself.
ROOTS = ("meta", "header", "told")


@pytest.fixture
def documents(bundles: dict[str, Path], external: Path, bank_file: Path) -> dict[str, Any]:
    """Those of a TFLite bundle that takes a text bank, and of a bank with a row from images."""
    raw = bank_file.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    sources = Bundle.load(external).meta["provenance"]
    port = {"name": BANK_INPUT, "rows": BANK_ROWS}
    meta = {**Bundle.load(bundles["tflite"]).meta, "provenance": sources, "gate": build_entry()}
    told = json.loads(header["__metadata__"]["gazeclip"])
    return {"meta": {**meta, "text_bank": port}, "header": header, "told": told}


def find_kotlin_paths(code: str) -> list[list[Step]]:
    """Ways from `ROOTS` into the documents, also through values that have a name of their own."""
    known: dict[str, list[Step]] = {root: [(root, dict)] for root in ROOTS}
    paths = []
    for match in _KOTLIN_CHAIN.finditer(code):
        root, calls = match.groups()
        path = list(known[root])
        for kind, key in _KOTLIN_CALL.findall(calls):
            path.append((key.strip('"') if key.startswith('"') else "*", _KOTLIN_TYPES[kind]))
        paths.append(path)
        named = re.search(r"val (\w+) = $", code[: match.start()])
        passed = re.match(r"\.let \{ (\w+) ->", code[match.end() :])
        if named:
            known[named.group(1)] = path
        if passed:
            known[passed.group(1)] = path
    return paths


def find_swift_paths(code: str) -> list[list[Step]]:
    paths = []
    for root, keys, last in _SWIFT_CHAIN.findall(code):
        path: list[Step] = [(root, dict)]
        for literal, _ in re.findall(r'\[(?:"([^"]+)"|([$\w]+))\]', keys):
            path.append((literal or "*", _ANYTHING))
        path[-1] = (path[-1][0], _SWIFT_TYPES.get(last, _ANYTHING))
        paths.append(path)
    return paths


def follow(value: Any, path: list[Step]) -> bool:
    """Whether a way leads to values of its types, wherever `*` may lead."""
    if not path:
        return True
    (key, kind), rest = path[0], path[1:]
    if key == "*":
        children = list(value.values()) if isinstance(value, dict) else list(value)
    else:
        children = [value[key]] if isinstance(value, dict) and key in value else []
    fits = (isinstance(child, kind) and follow(child, rest) for child in children)
    return bool(children) and all(fits)


def test_a_wrong_way_into_the_bundle_is_found(documents: dict[str, Any]) -> None:
    wrong = (
        'header.getJSONObject("text_bank").getInt("shape")',
        'told.getString("version")',
        'meta.getInt("sizes")',
        'meta.getInt("target")',
        'meta.getJSONObject("io").getInt("x")',
    )
    for code in wrong:
        assert [follow(documents, path) for path in find_kotlin_paths(code)] == [False]
    for code in (
        'told["student"].text()',
        'meta["sizes"].number()',
        'meta["target"].number()',
        'meta["thresholds"][point]["x"]',
    ):
        assert [follow(documents, path) for path in find_swift_paths(code)] == [False]


@pytest.mark.parametrize("guide", PHONES)
def test_every_key_is_there(guide: str, documents: dict[str, Any]) -> None:
    find = find_kotlin_paths if PHONES[guide] == "kotlin" else find_swift_paths
    paths = find(join_listings(guide))
    assert [path for path in paths if not follow(documents, path)] == []
    # What the contract cannot be followed without.
    needed = {"schema", "target", "contract", "files", "io", "golden", "thresholds", "evidence"}
    needed |= {"classes", "temperature", "model_file", "text_bank", "provenance", "gate"}
    found = {root: {path[1][0] for path in paths if path[0][0] == root} for root in ROOTS}
    assert found["meta"] >= needed
    assert found["header"] == {"text_bank", "__metadata__"}
    # Of a bank everything but how rows were made in detail is checked.
    assert found["told"] == set(documents["told"])


@pytest.mark.parametrize("guide", PHONES)
def test_the_tensors_are_those_of_the_bundle(guide: str, bundles: dict[str, Path]) -> None:
    code = join_listings(guide)
    bundle = Bundle.load(bundles["tflite"])
    names = {INPUT_NAME, *OUTPUTS}
    assert set(bundle.meta["io"]) == names
    if PHONES[guide] == "kotlin":
        held = dict(re.findall(r"val (\w+) = Array\(1\) \{ FloatArray\((\S+)\) \}", code))
        given = re.findall(r'graphName\("(\w+)"\) to (\w+)', code)
        widths = {name: held[array] for name, array in given if name != INPUT_NAME}
    else:
        widths = dict(re.findall(r'try read\("(\w+)", (.+?)\)[,)]?\n', code + "\n"))
    found = {name: WIDTHS[width] for name, width in widths.items()}
    assert found == {"embedding": "D", "logits": "rows", "fake_logit": "1", "gaze": "2"}
    cut = {"kotlin": r"logits\[0\]\.copyOf\(bundle\.classes\.size\)"}
    cut["swift"] = r"logits: Array\(ofRows\.prefix\(bundle\.classes\.count\)\)"
    assert len(re.findall(cut[PHONES[guide]], code)) == 1
    assert f'graphName("{INPUT_NAME}")' in code
    with np.load(bundle.folder / "golden.npz") as golden:
        assert names == set(golden.files)
    read = set(re.findall(r'(?:readArray\((?:golden, )?|listOf\()"(\w+)"', code))
    listed = set(re.findall(r'"(\w+)"', "".join(re.findall(r"listOf\((.*?)\)", code))))
    assert names <= read | listed


def test_the_tflite_model_has_the_types_of_the_listing(bundles: dict[str, Path]) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    bundle = Bundle.load(bundles["tflite"])
    model = interpreter.Interpreter(model_path=str(bundle.model_path))
    (runner,) = [model.get_signature_runner(name) for name in model.get_signature_list()]
    (entry,) = runner.get_input_details().values()
    code = join_listings("android.md")
    assert "DataType.UINT8" in code and "intArrayOf(1, bundle.size, bundle.size, 3)" in code
    assert entry["dtype"] is np.uint8
    assert entry["shape"].tolist() == [1, bundle.image_size, bundle.image_size, 3]
    sizes = {"embedding": bundle.embedding_dim, "logits": len(bundle.classes)}
    for name, output in runner.get_output_details().items():
        width = sizes.get(name, {"fake_logit": 1, "gaze": 2}.get(name))
        assert (output["dtype"], output["shape"].tolist()) == (np.float32, [1, width])


@pytest.mark.parametrize(
    ("guide", "target"), [("android.md", "tflite"), ("ios.md", "coreml"), ("gateway.md", "onnx")]
)
def test_the_listings_know_today_s_format(guide: str, target: str) -> None:
    text = (GUIDES / guide).read_text(encoding="utf-8")
    contract = PixelContract()
    assert target in TARGETS and f'"{target}"' in text and f'"{SHIPPED_POINT}"' in text
    assert f'"{contract.interpolation}"' in text
    numbers = {
        "kotlin": [r'getInt\("schema"\) in (\d)\.\.(\d)', r'contract.getInt\("version"\) == (\d+)'],
        "swift": [r"\[(\d), (\d)\]\.contains\(schema\)", r"Int\(side\) == size, version == (\d+)"],
        "python": [r"not in \((\d), (\d)\)", r'"version": (\d+)'],
    }
    schemas, version = numbers[PHONES.get(guide, "python")]
    assert re.findall(schemas, text) == [tuple(map(str, SCHEMAS))]
    assert re.findall(version, text) == [str(contract.version)]
    with_bank = {
        "kotlin": r'getInt\("schema"\) == (\d)',
        "swift": r"if schema == (\d)",
        "python": r'\["schema"\] == (\d)',
    }
    assert re.findall(with_bank[PHONES.get(guide, "python")], text) == [str(BANK_SCHEMA)]
    assert f'"{KIND}"' in text and f'"{TEXT_BANK}"' in text
    for score in SCORES:
        assert f'"{score}"' in text


def test_a_bank_is_read_where_its_bytes_are(bank_file: Path) -> None:
    """The steps of the listings: eight bytes of length, the header, then the rows."""
    raw = bank_file.read_bytes()
    length = sum(raw[place] << (8 * place) for place in range(4))  # as in Swift
    assert length == int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    entry = header["text_bank"]
    assert entry["dtype"] == "F32"
    values = struct.unpack(f"<{(len(raw) - 8 - length) // 4}f", raw[8 + length :])
    rows = TextBankFile.read(bank_file).embeddings
    assert entry["shape"] == list(rows.shape)
    assert list(values) == rows.flatten().tolist()
    assert json.loads(header["__metadata__"]["gazeclip"])["version"] == VERSION == 1


def resample(pixels: np.ndarray, size: int) -> np.ndarray:
    """`resample` of the listings along the second axis of `(H, W, 3)`."""

    def cubic(distance: float) -> float:
        x = abs(distance)
        if x < 1:
            return (1.5 * x - 2.5) * x * x + 1
        return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0

    length = pixels.shape[1]
    ratio = length / size
    stretch = max(ratio, 1.0)
    columns = []
    for place in range(size):
        centre = (place + 0.5) * ratio
        first = max(0, int(centre - 2 * stretch + 0.5))
        last = min(length, int(centre + 2 * stretch + 0.5))
        weights = [cubic((at - centre + 0.5) / stretch) for at in range(first, last)]
        fixed = [math.floor(weight / sum(weights) * (1 << 22) + 0.5) for weight in weights]
        summed = np.tensordot(pixels[:, first:last].astype(np.int64), fixed, axes=(1, 0))
        columns.append(((summed + (1 << 21)) >> 22).clip(0, 255))
    return np.stack(columns, axis=1).astype(np.uint8)


@pytest.mark.parametrize("side", [20, 96, 131, 400])
def test_pillow_scales_squares_as_the_listings_do(side: int) -> None:
    """A later Pillow may compute otherwise: listings and contract would have to follow."""
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    rows = resample(pixels, 96)
    found = resample(rows.transpose(1, 0, 2), 96).transpose(1, 0, 2)
    if side == 96:
        found = pixels  # not scaled at all, as in the listings
    assert (found == PixelContract(96).apply(pixels)).all()
