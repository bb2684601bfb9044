"""Verdicts of every installed engine against the NumPy formula of the network."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.layout import OUTPUTS
from gazeclip.bundle.write import write_bundle
from gazeclip.errors import BundleError, ConfigError, ImageError, MissingDependencyError
from runtimes import ENGINES, Verifier, load

Reference = Callable[[np.ndarray], dict[str, np.ndarray]]
PAIRS = [("openvino", None), ("onnx", None), ("tflite", None), ("onnx", "openvino")]
MODULES = {"openvino": "openvino", "onnx": "onnxruntime", "tflite": "ai_edge_litert"}


@pytest.fixture(params=PAIRS, ids=lambda pair: "-on-".join(str(part) for part in pair if part))
def verifier(request: pytest.FixtureRequest, bundles: dict[str, Path]) -> Verifier:
    target, engine = request.param
    if importlib.util.find_spec(engine or MODULES[target]) is None:
        pytest.skip(f"{engine or MODULES[target]} is not installed")
    return load(bundles[target], engine, threads=1)


def test_outputs_match_the_formula(verifier: Verifier, reference: Reference) -> None:
    for count in (1, 3):  # also a batch, which the TFLite graph itself cannot take
        images = np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        expected, outputs = reference(images), verifier.infer(images)
        for name in OUTPUTS:
            # float32 sums over 1,024 pixels; logits are 5 times the embedding
            np.testing.assert_allclose(outputs[name], expected[name], atol=2e-5, err_msg=name)


def test_verdict_follows_formula_and_calibration(
    verifier: Verifier, reference: Reference, photos: dict[str, Path]
) -> None:
    names = ("real", "fake", "unsure")
    verdicts = verifier.verify([photos[name] for name in names], prior=0.2)
    pixels = [
        np.asarray(
            Image.open(photos[name]).convert("RGB").resize((32, 32), Image.Resampling.BICUBIC)
        )
        for name in names
    ]
    expected = reference(np.stack(pixels))
    for row, verdict in enumerate(verdicts):
        logits = expected["logits"][row]
        # The weights, bias and limits of the fixture's bundle.
        llr = 0.7 * expected["fake_logit"][row, 0] + 0.05 * (logits[1:].max() - logits[0]) + 0.1
        llr = min(max(llr, -6.0), 5.7)
        assert verdict.llr == pytest.approx(llr, abs=1e-5)
        assert verdict.fake_probability == pytest.approx(0.2 / (0.2 + 0.8 * np.exp(-llr)))
        probabilities = np.exp(logits / 2.0) / np.exp(logits / 2.0).sum()
        assert [entry.p for entry in verdict.attribution] == pytest.approx(
            sorted(probabilities, reverse=True), abs=1e-5
        )
        best = verifier.bundle.classes[int(np.argmax(probabilities))]
        assert verdict.attribution[0][:4] == (best.name, best.title, best.category, best.family)
        assert verdict.gaze == pytest.approx(tuple(expected["gaze"][row]), abs=1e-5)
        np.testing.assert_allclose(verdict.embedding, expected["embedding"][row], atol=1e-5)
        assert set(verdict.timings_ms) == {"decode", "inference", "post"}
        if verdict.generator is not None:
            forged = probabilities[1:] / probabilities[1:].sum()
            assert verdict.generator.p == pytest.approx(forged.max(), abs=1e-5)
            assert verdict.generator.name == verifier.bundle.classes[1 + int(forged.argmax())].name
    assert [verdict.verdict for verdict in verdicts] == ["real", "fake", "inconclusive"]
    assert [verdict.generator is None for verdict in verdicts] == [True, False, False]
    assert verdicts[0].engine == verifier.engine.label and verdicts[0].operating_point == "fpr1"


def test_threshold_decides_and_ties_count_as_fake(
    bundles: dict[str, Path], photos: dict[str, Path]
) -> None:
    verifier = load(bundles["onnx"], threads=1)
    first = verifier.verify(photos["unsure"])[0]
    for prior in (0.5, 0.02):
        probability = verifier.verify(photos["unsure"], prior=prior)[0].fake_probability
        for step, answer in ((-1e-9, "fake"), (1e-9, "real")):
            found = verifier.verify(photos["unsure"], probability + step, prior=prior)[0]
            assert found.verdict == answer and found.operating_point == "custom"
    assert verifier.verify(photos["unsure"], prior=1e-4)[0].verdict == first.verdict
    assert verifier.verify(photos["fake"], threshold="fpr0.1")[0].verdict == "inconclusive"
    for wrong in ("fpr2", 1.5, 0.0, 1.0, float("nan")):
        with pytest.raises(ConfigError):
            verifier.verify(photos["fake"], threshold=wrong)
    for wrong in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="prior"):
            verifier.verify(photos["fake"], prior=wrong)


def test_every_kind_of_source_gives_the_same_verdict(
    bundles: dict[str, Path], photos: dict[str, Path]
) -> None:
    verifier = load(bundles["onnx"], threads=1)
    picture = Image.open(photos["fake"]).convert("RGB")
    sources: list[Any] = [
        photos["fake"],
        str(photos["fake"]),
        photos["fake"].read_bytes(),
        picture,
        np.asarray(picture),
        bytearray(photos["fake"].read_bytes()),
        memoryview(photos["fake"].read_bytes()),
        io.BytesIO(photos["fake"].read_bytes()),
    ]
    together = verifier.verify(sources, batch=2)
    alone = [verifier.verify(source)[0] for source in sources]
    assert {verdict.fake_probability for verdict in together + alone} == {
        together[0].fake_probability
    }
    assert together[0].source == str(photos["fake"]) and together[3].source == "image 3"


@pytest.mark.parametrize("source", [5, None, {"a.jpg": 1}, 0.5])
def test_what_is_no_image_is_one_error(
    source: Any, bundles: dict[str, Path], photos: dict[str, Path]
) -> None:
    verifier = load(bundles["onnx"], threads=1)
    with pytest.raises(ImageError, match=f"cannot judge an? {type(source).__name__}"):
        verifier.verify(source)
    outcomes = list(verifier.outcomes([source, photos["real"]]))
    assert [isinstance(outcome, ImageError) for outcome in outcomes] == [True, False]


def test_an_open_file_is_one_image(bundles: dict[str, Path], photos: dict[str, Path]) -> None:
    verifier = load(bundles["onnx"], threads=1)
    with photos["fake"].open("rb") as file:
        (verdict,) = verifier.verify(file)
    assert verdict == dataclasses.replace(verifier.verify(photos["fake"])[0], source="image 0")


def test_bad_images_are_errors_and_the_others_are_judged(
    bundles: dict[str, Path], photos: dict[str, Path]
) -> None:
    verifier = load(bundles["onnx"], threads=1)
    names = ["real", "truncated", "fake", "empty", "text"]
    outcomes = list(verifier.outcomes([photos[name] for name in names], batch=2))
    assert [isinstance(outcome, ImageError) for outcome in outcomes] == [
        False,
        True,
        False,
        True,
        True,
    ]
    assert [outcome.source for outcome in outcomes if not isinstance(outcome, ImageError)] == [
        str(photos["real"]),
        str(photos["fake"]),
    ]
    assert all("\n" not in str(outcome) for outcome in outcomes if isinstance(outcome, ImageError))
    with pytest.raises(ImageError, match=r"truncated\.jpg"):
        verifier.verify([photos["real"], photos["truncated"]])
    assert verifier.verify([]) == []


def test_frames_of_a_file(bundles: dict[str, Path], photos: dict[str, Path]) -> None:
    verifier = load(bundles["onnx"])
    names = ("fake", "real", "unsure")
    first, *others = [Image.open(photos[name]).convert("RGB") for name in names]
    stream = io.BytesIO()
    first.save(stream, "TIFF", save_all=True, append_images=others)
    alone = verifier.verify([photos[name] for name in names])
    for frames, count in ((1, 1), (2, 2), (7, 3), (None, 3)):
        got = verifier.verify(stream, frames=frames)
        assert [verdict.frame for verdict in got] == [1, 2, 3][:count]
        assert [verdict.verdict for verdict in got] == [each.verdict for each in alone[:count]]
    assert len(verifier.verify(stream)) == 1
    with pytest.raises(ConfigError, match="0 frames are too few"):
        verifier.verify(stream, frames=0)


def test_outputs_belong_to_the_caller(verifier: Verifier) -> None:
    first, second = np.random.default_rng(1).integers(0, 256, (2, 1, 32, 32, 3), dtype=np.uint8)
    kept = verifier.infer(first)
    before = {name: array.copy() for name, array in kept.items()}
    verifier.infer(second)  # must not write into what the first call returned
    for name in OUTPUTS:
        np.testing.assert_array_equal(kept[name], before[name], err_msg=name)


def test_shared_between_threads(verifier: Verifier, reference: Reference) -> None:
    images = np.random.default_rng(5).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    expected = reference(images)["fake_logit"]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(20):
            result = verifier.infer(images[index : index + 1])["fake_logit"]
            if abs(float(result[0, 0]) - float(expected[index, 0])) > 1e-4:
                wrong.append(index)

    workers = [threading.Thread(target=work, args=(index,)) for index in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_self_test_passes_and_catches_another_model(
    verifier: Verifier, weights: dict[str, np.ndarray], contents: BundleContents, tmp_path: Path
) -> None:
    assert max(verifier.self_test().values()) < 1e-4
    outputs = {name: value.copy() for name, value in contents.golden.outputs.items()}
    outputs["fake_logit"][5] += 1e-3  # far beyond the tolerance of 1e-5
    source, target = verifier.bundle.model_path, verifier.bundle.target
    for file in source.parent.glob("model.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    golden = replace(contents.golden, outputs=outputs)
    write_bundle(tmp_path, replace(contents, target=target, model_file=source.name, golden=golden))
    with pytest.raises(BundleError, match=r"fake_logit off by 0\.001"):
        load(tmp_path, verifier.engine.name, threads=1).self_test()


def test_outputs_that_are_not_finite_are_refused(
    bundles: dict[str, Path], photos: dict[str, Path]
) -> None:
    verifier = load(bundles["onnx"], threads=1)
    # a black picture has a zero embedding, which this little network divides by its length
    with pytest.raises(BundleError, match="embedding is not finite"):
        verifier.verify(np.zeros((32, 32, 3), np.uint8))


def test_choice_of_engine_and_device(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [load(bundles[target], threads=1).engine.name for target in bundles] == [
        "openvino",
        "onnxruntime",
        "litert",
    ]
    with pytest.raises(ConfigError, match="Did you mean 'openvino'"):
        load(bundles["onnx"], "openvno")
    with pytest.raises(ConfigError, match="litert cannot run a 'onnx' bundle"):
        load(bundles["onnx"], "litert")
    for target in bundles:
        with pytest.raises(ConfigError, match=r"(?i)no device 'npu9' here\. Available: cpu"):
            load(bundles[target], device="npu9")
    with pytest.raises(ConfigError, match="threads"):
        load(bundles["onnx"], threads=0)
    # with its engine gone, another engine that could read the file must not take over
    monkeypatch.setattr(
        ENGINES["onnxruntime"].load(),
        "available",
        classmethod(lambda cls: "'onnxruntime' is not installed. Run: pip"),
    )
    with pytest.raises(
        MissingDependencyError, match="engine onnxruntime: 'onnxruntime' is not installed"
    ):
        load(bundles["onnx"])


def test_core_ml_says_where_it_runs(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(Bundle, "model_path", Path("model.mlpackage"))
    with pytest.raises(MissingDependencyError, match="runs on macOS only") as caught:
        load(bundles["onnx"])
    assert "\n" not in str(caught.value)


def test_a_model_that_does_not_fit_its_bundle_is_refused(
    bundles: dict[str, Path], contents: BundleContents, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes((bundles["onnx"] / "model.onnx").read_bytes())
    write_bundle(tmp_path, replace(contents, io_names={"gaze": "angles"}))
    with pytest.raises(BundleError, match="has no output angles"):
        load(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    write_bundle(tmp_path, contents)
    with pytest.raises(BundleError, match="cannot load") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_verdict_is_plain_json(bundles: dict[str, Path], photos: dict[str, Path]) -> None:
    verdict = load(bundles["onnx"], threads=1).verify(photos["fake"])[0]
    data = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert data["embedding"] == pytest.approx(verdict.embedding.tolist())
    assert data["attribution"][0].keys() == {"name", "title", "category", "family", "p"}
    assert "embedding" not in verdict.to_dict(embedding=False)
