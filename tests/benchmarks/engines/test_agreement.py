"""Agreement of bundles, against verdicts that `verify` itself gives."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.engines.__main__ import main
from benchmarks.engines.agreement import compare_pairs, judge_images, read_bundles
from gazeclip.bundle.keys import make_keys, read_private_key
from gazeclip.bundle.signature import sign_bundle
from gazeclip.bundle.trust import VARIABLE
from gazeclip.errors import BundleError, ConfigError, ImageError
from runtimes import load


@pytest.fixture
def folder(photos: dict[str, Path], tmp_path: Path) -> Path:
    """The three painted pictures alone."""
    for name in ("real", "fake", "unsure"):
        shutil.copy(photos[name], tmp_path / f"{name}.png")
    return tmp_path


def test_opinions_are_those_of_verify(bundles: dict[str, Path], folder: Path) -> None:
    images = sorted(folder.iterdir())
    opinions = judge_images(read_bundles(list(bundles.values())), images, threads=1)
    for opinion, bundle in zip(opinions, bundles.values(), strict=True):
        verdicts = load(bundle, threads=1).verify(images, crop="whole")
        assert opinion.answer().tolist() == [verdict.verdict for verdict in verdicts]
        np.testing.assert_allclose(opinion.weigh(), [v.llr for v in verdicts], atol=1e-6)


def test_a_shifted_score_is_seen_by_its_size(bundles: dict[str, Path], folder: Path) -> None:
    images = sorted(folder.iterdir())
    (opinion,) = judge_images(read_bundles([bundles["onnx"]]), images, threads=1)
    assert opinion.rule.evidence.scores[0] == "detection"
    weight = opinion.rule.evidence.weights[0]
    moved = dataclasses.replace(opinion, fake_logit=opinion.fake_logit - 0.5)
    (pair,) = compare_pairs([opinion, moved])
    middle = [path.stem for path in images].index("unsure")  # the others lie at the limits
    assert pair.llr_difference[middle] == pytest.approx(0.5 * weight, rel=1e-5)
    # as if its bundle had been fitted to the shifted score: verdicts agree by their own rules only
    evidence = dataclasses.replace(
        opinion.rule.evidence, bias=opinion.rule.evidence.bias + 0.5 * weight
    )
    fitted = dataclasses.replace(moved, rule=dataclasses.replace(opinion.rule, evidence=evidence))
    (pair,) = compare_pairs([opinion, fitted])
    assert pair.llr_difference.max() < 1e-5 < pair.llr_difference_by_one_rule.max()


def test_only_bundles_of_the_pinned_key_are_compared(
    spoiled: Path, bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography")
    keys = tmp_path / "ours"
    make_keys(keys)
    sign_bundle(spoiled, read_private_key(Path(f"{keys}.key")))
    command = ["agree", str(spoiled), str(bundles["onnx"]), "--images", str(tmp_path)]
    with pytest.raises(BundleError, match="is not signed"):
        main([*command, "--trusted", f"{keys}.pub"])
    monkeypatch.setenv(VARIABLE, f"{keys}.pub")
    with pytest.raises(BundleError, match="is not signed"):
        main(command)
    assert [bundle.folder for bundle in read_bundles([spoiled])] == [spoiled]


def test_the_table_and_what_cannot_be_compared(
    bundles: dict[str, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(bundle) for bundle in bundles.values()]
    assert main(["agree", *names, "--images", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "onnx, tflite" in out and "100.00" in out and "0 images differ" in out
    (folder / "none").mkdir()
    with pytest.raises(ImageError, match="no images"):
        main(["agree", *names, "--images", str(folder / "none")])


def test_bundles_of_other_pixels_are_refused(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gazeclip.bundle.bundle import Bundle
    from gazeclip.images.preprocess import PixelContract

    found = Bundle.load(bundles["tflite"])
    found.__dict__["contract"] = PixelContract(64)
    whole = {bundles["onnx"]: Bundle.load(bundles["onnx"]), bundles["tflite"]: found}
    monkeypatch.setattr(Bundle, "load", lambda folder: whole[folder])
    with pytest.raises(ConfigError, match="other pixels"):
        read_bundles(list(whole))
