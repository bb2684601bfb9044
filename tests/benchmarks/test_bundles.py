"""A report on bundles outside any run."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bundles as reporting
from benchmarks.command import add_options
from benchmarks.measure.latency import LatencyConfig
from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.keys import make_keys, read_private_key
from gazeclip.bundle.signature import sign_bundle
from gazeclip.bundle.trust import VARIABLE
from gazeclip.bundle.write import write_bundle
from gazeclip.console.parser import CommandParser
from gazeclip.errors import BundleError, ConfigError
from gazeclip.files.atomic import read_json
from gazeclip.files.hashes import sha256
from tests.benchmarks.hand_made import GENERATORS, MODEL_FILES, write_images


@pytest.fixture(autouse=True)
def measure_hastily(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed is not what is tested here."""
    hasty = partial(LatencyConfig, rounds=1, min_round_time_s=0.0, warmup_max_s=0.0)
    monkeypatch.setattr(reporting, "LatencyConfig", hasty)


def run_command(*words: str) -> int:
    parser = CommandParser()
    add_options(parser)
    args: Any = parser.parse_args(list(words))
    return int(args.command(args))


def copy_bundle(bundle: Path, contents: BundleContents, manifest: Path, folder: Path) -> str:
    """The bundle as one that was made from this data set."""
    target = bundle.name
    folder.mkdir()
    for path in bundle.glob("model.*"):
        shutil.copy(path, folder)
    origin = {**contents.provenance, "data_manifest_sha256": sha256(manifest)}
    file = MODEL_FILES[target]
    write_bundle(folder, replace(contents, target=target, model_file=file, provenance=origin))
    return str(folder)


def test_only_bundles_of_the_pinned_key_are_measured(
    spoiled: Path, bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography")
    keys = tmp_path / "ours"
    make_keys(keys)
    public = f"{keys}.pub"
    sign_bundle(spoiled, read_private_key(Path(f"{keys}.key")))
    unsigned = str(bundles["onnx"])
    out = ["--out", str(tmp_path / "out")]
    with pytest.raises(BundleError, match="is not signed"):
        run_command(str(spoiled), unsigned, *out, "--trusted", public)
    monkeypatch.setenv(VARIABLE, public)
    with pytest.raises(BundleError, match="is not signed"):
        run_command(str(spoiled), unsigned, *out)
    assert not (tmp_path / "out").exists()
    assert run_command(str(spoiled), *out) == 0
    with pytest.raises(ConfigError, match="--trusted is for bundles"):
        run_command("--trusted", public)


def test_bundles_are_measured_and_disturbed(
    bundles: dict[str, Path], contents: BundleContents, tmp_path: Path
) -> None:
    manifest = write_images(tmp_path / "data")
    taxonomy = tmp_path / "hand.yaml"
    taxonomy.write_text(json.dumps({"name": "hand", "generators": GENERATORS}))
    out = tmp_path / "out"
    images = ["--manifest", str(manifest), "--taxonomy", str(taxonomy)]
    own = copy_bundle(bundles["onnx"], contents, manifest, tmp_path / "own")
    names = [own, str(bundles["openvino"])]
    assert run_command(*names, "--robustness", "--images", "4", *images, "--out", str(out)) == 0
    report = read_json(out / "report.json")
    assert [entry["name"] for entry in report["subjects"]] == ["own", "openvino"]
    assert all(entry["latency_ms"]["p50"] > 0 for entry in report["subjects"])
    for entry in report["robustness"]["subjects"]:
        assert entry["splits"]["test"]["clean"]["n"] == 4
        assert entry["splits"]["test"]["clean"]["n_real"] == 2
    assert (out / "report.html").is_file() and not (out / "scores.json").exists()
    first, second = (entry["protocols"] for entry in report["protocols"]["subjects"])
    assert first["P1"]["n_real"] == 2
    accuracy, unknown = (entry["accuracy"]["test"] for entry in report["subjects"])
    assert accuracy["auc"] == pytest.approx(first["P1"]["auc"])
    assert accuracy["shipped"]["tpr"] == pytest.approx(first["P1"]["tpr"])
    assert unknown["auc"] is None
    assert set(first["P1"]["per_generator"]) == {"swap", "gan", "flow"}
    assert set(first["P2"]["per_generator"]) == {"gan_new"}
    # Made from another data set, whose generators only have the same names.
    assert set(second) == {"P4 test", "P4 test_unseen"}
    coverage = report["protocols"]["coverage"]
    assert (coverage["images"], coverage["not_judged"]) == (12, 0)


def test_bundles_that_only_a_reference_runs_judge_no_images(
    bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = write_images(tmp_path / "data")
    taxonomy = tmp_path / "hand.yaml"
    taxonomy.write_text(json.dumps({"name": "hand", "generators": GENERATORS}))
    found = reporting.open_bundle

    def open_untimed(*given: Any) -> Any:
        return replace(found(*given), timed=False)

    monkeypatch.setattr(reporting, "open_bundle", open_untimed)
    out = tmp_path / "out"
    images = ["--manifest", str(manifest), "--taxonomy", str(taxonomy), "--robustness"]
    assert run_command(str(bundles["onnx"]), *images, "--out", str(out)) == 0
    report = read_json(out / "report.json")
    assert report["protocols"] is None and report["robustness"] is None
    assert report["subjects"][0]["latency_ms"]["p50"] is None


def test_images_that_cannot_be_judged_are_an_exit_code(
    bundles: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_images(tmp_path / "data")
    taxonomy = tmp_path / "hand.yaml"
    taxonomy.write_text(json.dumps({"name": "hand", "generators": GENERATORS}))
    rows = [line.split(",") for line in manifest.read_text().splitlines()]
    broken = next(tmp_path / "data" / row[0] for row in rows if row[2] == "test")
    broken.write_bytes(broken.read_bytes()[:50])
    out = tmp_path / "out"
    images = ["--manifest", str(manifest), "--taxonomy", str(taxonomy)]
    assert run_command(str(bundles["onnx"]), *images, "--out", str(out)) == 3
    coverage = read_json(out / "report.json")["protocols"]["coverage"]
    assert coverage["covered"] is False
    assert [one["path"] for one in coverage["first"]] == [str(broken)]
    told = "1 of 12 images could not be judged (8.3%, allowed 1%)"
    assert told in capsys.readouterr().err
    assert told in (out / "report.html").read_text(encoding="utf-8")
    assert told in (out / "report.md").read_text(encoding="utf-8")


def test_a_data_set_that_does_not_know_a_bundles_classes_is_another_one(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    manifest = write_images(tmp_path / "data")
    taxonomy = tmp_path / "hand.yaml"
    generators = {f"other_{name}": entry for name, entry in GENERATORS.items()}
    taxonomy.write_text(json.dumps({"name": "hand", "generators": generators}))
    text = manifest.read_text()
    for name in sorted(GENERATORS, key=len, reverse=True):
        text = text.replace(f",{name},", f",other_{name},")
    manifest.write_text(text)
    out = tmp_path / "out"
    images = ["--manifest", str(manifest), "--taxonomy", str(taxonomy)]
    assert run_command(str(bundles["onnx"]), *images, "--out", str(out)) == 0
    (entry,) = read_json(out / "report.json")["protocols"]["subjects"]
    assert set(entry["protocols"]) == {"P4 test", "P4 test_unseen"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a"], "needs a place"),
        (["a", "--out", "o", "--run", "r"], "are for runs"),
        (["a", "--out", "o", "--set", "report.threads=1"], "are for runs"),
        (["a", "--out", "o", "--manifest", "m"], "belong together"),
        (["--out", "o"], "--out is for bundles"),
        (["--taxonomy", "dfad"], "Name its manifest as well"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_command(*words)


def test_bundles_that_scale_images_in_different_ways_do_not_share_pixels(
    bundles: dict[str, Path], contents: BundleContents, tmp_path: Path
) -> None:
    manifest = write_images(tmp_path / "data")
    taxonomy = tmp_path / "hand.yaml"
    taxonomy.write_text(json.dumps({"name": "hand", "generators": GENERATORS}))
    changed = replace(contents, contract=replace(contents.contract, interpolation="bilinear"))
    other = copy_bundle(bundles["onnx"], changed, manifest, tmp_path / "other")
    images = ["--manifest", str(manifest), "--taxonomy", str(taxonomy)]
    size = contents.contract.size
    message = rf"{size} px \(bicubic\) and {size} px \(bilinear\)"
    with pytest.raises(ConfigError, match=message):
        run_command(str(bundles["onnx"]), other, *images, "--out", str(tmp_path / "out"))


def test_a_grid_needs_images(bundles: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs images"):
        run_command(str(bundles["onnx"]), "--robustness", "--out", str(tmp_path / "out"))
