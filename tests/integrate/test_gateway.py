"""The gateway of docs/integrate is run: it answers as `runtimes` does, and refuses likewise."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeclip.bundle.parts import read_bank_and_facts, write_text_bank
from gazeclip.bundle.text_bank import TextBankFile
from runtimes import Verdict, load
from tests.integrate.gateway import Change, check_refusal, rewrite, run, start
from tests.integrate.listings import GUIDES, ROOT, read_listings
from tests.runtimes.test_telemetry import check_that_nothing_is_left_or_sent

pytestmark = pytest.mark.checkout


def make_pictures(folder: Path, photos: dict[str, Path]) -> list[Path]:
    """Pictures that need each step of the pixel contract that the listing spells out."""
    detail = np.asarray(Image.open(photos["whole"]))
    image = Image.fromarray(detail)
    paths = [photos[name] for name in ("real", "fake", "unsure", "whole")]
    turned = image.getexif()
    turned[0x0112] = 6
    image.crop((0, 0, 150, 90)).save(folder / "turned.jpg", exif=turned)
    rgba = image.convert("RGBA")
    rgba.putalpha(Image.fromarray(detail[..., 1]))
    rgba.save(folder / "alpha.png")
    image.convert("L").save(folder / "grey.png")
    image.quantize(16).save(folder / "palette.png", transparency=3)
    image.resize((700, 500)).save(folder / "drafted.jpg")  # 32 * 3 * 4 = 384: decoded at 1/4
    image.convert("CMYK").save(folder / "inks.jpg")
    image.save(folder / "web.webp", lossless=True)
    return [*paths, *sorted(folder.iterdir())]


def describe(verdict: Verdict) -> dict[str, Any]:
    """What the listing says of an image, as `runtimes` says it."""
    told: dict[str, Any] = {
        "image": verdict.source,
        "verdict": verdict.verdict,
        "llr": verdict.llr,
        "fake_probability": verdict.fake_probability,
    }
    if verdict.generator is not None:
        told["generator"] = {"name": verdict.generator.name, "p": verdict.generator.p}
    return told


def test_the_gateway_answers_as_runtimes_does(
    gateway: Path, bundles: dict[str, Path], photos: dict[str, Path], tmp_path: Path
) -> None:
    pictures = make_pictures(tmp_path, photos)
    done = start(gateway, bundles["onnx"], *pictures)
    assert done.stderr == "" and done.returncode == 1
    told = [json.loads(line) for line in done.stdout.splitlines()]
    verdicts = load(bundles["onnx"], threads=2).verify(pictures, crop="whole")
    assert {verdict.verdict for verdict in verdicts} == {"real", "fake", "inconclusive"}
    assert len(told) == len(verdicts) == len(pictures)
    for mine, verdict in zip(told, verdicts, strict=True):
        wanted = describe(verdict)
        # float32 outputs of another batch size differ in the last place
        for key in ("llr", "fake_probability"):
            assert mine.pop(key) == pytest.approx(wanted.pop(key), abs=1e-5)
        assert mine.get("generator", {}).pop("p", 1) == pytest.approx(
            wanted.get("generator", {}).pop("p", 1), abs=1e-5
        )
        assert mine == wanted


def test_the_gateway_takes_other_classes(
    gateway: Path, external: Path, bank_file: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    """With the bundle's own bank and with another; detection is the same."""
    pictures = [photos[name] for name in ("real", "fake", "unsure", "whole")]
    rng = np.random.default_rng(4)
    for number in range(8):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((40, 40, 3), rng.integers(0, 256, 3), np.uint8)).save(path)
        pictures.append(path)
    answers = {}
    for given in (None, bank_file):
        options = () if given is None else ("--text-bank", given)
        done = run(gateway, external, *options, *pictures)
        assert done.stderr == ""
        answers[given] = [json.loads(line) for line in done.stdout.splitlines()]
        verdicts = load(external, threads=2, text_bank=given).verify(pictures, crop="whole")
        for mine, verdict in zip(answers[given], verdicts, strict=True):
            wanted = describe(verdict)
            for key in ("verdict", "image"):
                assert mine[key] == wanted[key]
            assert mine["llr"] == pytest.approx(wanted["llr"], abs=1e-5)
            assert mine.get("generator", {}).get("name") == wanted.get("generator", {}).get("name")
            assert mine.get("generator", {}).get("p") == pytest.approx(
                wanted.get("generator", {}).get("p"), abs=1e-5
            )
    named = {line.get("generator", {}).get("name") for line in answers[bank_file]}
    assert "new gan" in named
    assert [line["llr"] for line in answers[None]] == [line["llr"] for line in answers[bank_file]]


def rewrite_bank(path: Path, **changed: Any) -> None:
    """Change what a bank says of itself; None takes nothing away."""
    rows, text = read_bank_and_facts(path)
    assert text is not None
    write_text_bank(path, rows, json.dumps(json.loads(text) | changed))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"teacher_sha256": "e" * 64}, "of another teacher"),
        ({"teacher_sha256": None}, "of another teacher"),
        ({"student_sha256": "e" * 64}, "of another student"),
        ({"student_sha256": None}, "of another student"),
        ({"kind": "a list"}, "does not say whose it is"),
        ({"version": 2}, "does not say whose it is"),
        ({"classes": [{"name": "real"}]}, "does not fit"),
        ({"classes": [{"name": str(number)} for number in range(5)]}, "does not fit"),
    ],
)
def test_the_gateway_refuses_a_bank_of_others(
    change: dict[str, Any], words: str, gateway: Path, external: Path, bank_file: Path
) -> None:
    assert run(gateway, external, "--text-bank", bank_file).returncode == 0
    rewrite_bank(bank_file, **change)
    done = run(gateway, external, "--text-bank", bank_file)
    assert (done.returncode, done.stdout) == (70, "") and words in done.stderr


def test_the_gateway_refuses_banks_that_cannot_be_used(
    gateway: Path, external: Path, bundles: dict[str, Path], bank: TextBankFile, bank_file: Path
) -> None:
    done = run(gateway, bundles["onnx"], "--text-bank", bank_file)
    assert done.returncode == 70 and "classes are part of the model" in done.stderr
    own = external / "text_bank.safetensors"
    done = run(gateway, external, "--text-bank", own)
    assert done.returncode == 70 and "does not say whose it is" in done.stderr
    _, text = read_bank_and_facts(bank_file)
    rows = bank.embeddings.copy()
    rows[4, 0] = np.nan
    for values, words in ((rows, "not finite"), (bank.embeddings[:, :5], "does not fit")):
        write_text_bank(bank_file, values, text)
        done = run(gateway, external, "--text-bank", bank_file)
        assert done.returncode == 70 and words in done.stderr
    bank_file.write_bytes(bank_file.read_bytes()[:-2])
    done = run(gateway, external, "--text-bank", bank_file)
    assert done.returncode == 70 and len(done.stderr.splitlines()) == 1


def test_a_profile_is_converted(
    gateway: Path, bundles: dict[str, Path], photos: dict[str, Path], tmp_path: Path
) -> None:
    from tests.gazeclip.images.profiles import ADOBE_GAMMA, ADOBE_RGB, make_rgb

    profile = make_rgb(ADOBE_RGB, ADOBE_GAMMA)
    path = tmp_path / "wide.png"
    Image.open(photos["unsure"]).save(path, icc_profile=profile)
    told = json.loads(run(gateway, bundles["onnx"], path).stdout)
    (verdict,) = load(bundles["onnx"], threads=2).verify([path], crop="whole")
    (plain,) = load(bundles["onnx"], threads=2).verify([photos["unsure"]], crop="whole")
    assert verdict.note is not None and abs(verdict.llr - plain.llr) > 0.01
    assert told["llr"] == pytest.approx(verdict.llr, abs=1e-5)


@pytest.mark.parametrize(
    ("names", "code"),
    [(["real"], 0), (["fake", "real"], 1), (["unsure"], 3), (["fake", "truncated"], 2), ([], 0)],
)
def test_the_gateways_exit_codes(
    names: list[str], code: int, gateway: Path, bundles: dict[str, Path], photos: dict[str, Path]
) -> None:
    done = run(gateway, bundles["onnx"], *(photos[name] for name in names))
    assert (done.returncode, done.stderr) == (code, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["error" in line for line in told] == [name == "truncated" for name in names]


def test_the_gateway_refuses_what_it_cannot_judge(
    gateway: Path, bundles: dict[str, Path], tmp_path: Path
) -> None:
    deep = tmp_path / "deep.png"
    Image.fromarray(np.full((40, 40), 40_000, np.uint16)).save(deep)
    done = run(gateway, bundles["onnx"], deep, tmp_path / "none.jpg")
    errors = [json.loads(line)["error"] for line in done.stdout.splitlines()]
    assert done.returncode == 2 and "more than 8 bits" in errors[0] and "No such" in errors[1]


@pytest.mark.parametrize("part", ["model.onnx", "golden.npz"])
def test_the_gateway_refuses_a_changed_file(part: str, gateway: Path, spoiled: Path) -> None:
    data = bytearray((spoiled / part).read_bytes())
    data[len(data) // 2] ^= 1
    (spoiled / part).write_bytes(bytes(data))
    check_refusal(run(gateway, spoiled), f"{part} was changed")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda meta: meta.update(schema=4), "not a bundle that this program understands"),
        (lambda meta: meta.update(target="tflite"), "not a bundle that this program understands"),
        # No engine is as exact as this.
        (lambda meta: meta["golden"]["tolerance"].update(logits=-1.0), "self-test failed: logits"),
    ],
)
def test_the_gateway_refuses_a_bundle_that_does_not_fit(
    change: Change, words: str, gateway: Path, spoiled: Path
) -> None:
    rewrite(spoiled, change)
    check_refusal(run(gateway, spoiled), words)


def test_the_gateway_refuses_another_bundle_json(gateway: Path, spoiled: Path) -> None:
    path = spoiled / "bundle.json"
    meta = json.loads(path.read_text())
    meta["thresholds"]["fpr1"]["fake_from"] = 5.0
    path.write_text(json.dumps(meta))
    check_refusal(run(gateway, spoiled), "bundle.json was changed")


@pytest.fixture
def served(gateway: Path, bundles: dict[str, Path], tmp_path: Path) -> Iterator[Path]:
    """The path of a Unix socket behind which the gateway answers, as systemd starts it."""
    path = tmp_path / "judge.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        number = listener.fileno()
        command = [sys.executable, "-I", str(gateway), str(bundles["onnx"]), "--serve"]
        hand_over = (
            "import os, sys\nos.dup2(int(sys.argv[1]), 3)\nos.execv(sys.argv[2], sys.argv[2:])\n"
        )
        starter = [sys.executable, "-c", hand_over, str(number), *command]
        process = subprocess.Popen(starter, pass_fds=(number,))
        yield path
        assert process.poll() is None  # no client ended it
        process.terminate()
        process.wait(10)


def ask(path: Path, data: bytes) -> dict[str, Any]:
    """What the gateway answers to these bytes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(path))
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as stream:
            told: dict[str, Any] = json.loads(stream.read())
    return told


def test_the_gateway_answers_on_a_socket(served: Path, photos: dict[str, Path]) -> None:
    names = ("real", "fake", "unsure")
    answers = [ask(served, photos[name].read_bytes()) for name in names]
    assert [told["verdict"] for told in answers] == ["real", "fake", "inconclusive"]
    assert ["generator" in told for told in answers] == [False, True, True]
    told = ask(served, photos["text"].read_bytes())
    assert told["verdict"] is None and "error" in told
    with socket.socket(socket.AF_UNIX) as client:  # one that goes away at once
        client.connect(str(served))
    assert ask(served, photos["real"].read_bytes())["verdict"] == "real"


def test_the_gateway_leaves_and_sends_nothing(
    gateway: Path, bundles: dict[str, Path], photos: dict[str, Path], tmp_path: Path
) -> None:
    command = (str(gateway), str(bundles["onnx"]), str(photos["real"]))
    check_that_nothing_is_left_or_sent(tmp_path, *command)


def test_the_image_has_the_tested_versions() -> None:
    (dockerfile,) = read_listings("gateway.md", "dockerfile")
    pins = re.findall(r"[\w-]+==[\w.]+", dockerfile)
    assert len(pins) == 3
    constraints = (ROOT / "gazeclip" / "system" / "constraints.txt").read_text().splitlines()
    text = (GUIDES / "gateway.md").read_text(encoding="utf-8")
    (signatures,) = re.findall(r"cryptography==[\w.]+\b", text)  # of `--key`
    assert [pin for pin in (*pins, signatures) if pin not in constraints] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units_and_finds_them_hardened(tmp_path: Path) -> None:
    units = read_listings("gateway.md", "ini")
    for unit, kind in zip(units, ("socket", "service"), strict=True):
        there = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", unit, flags=re.M)
        (tmp_path / f"gazeclip.{kind}").write_text(there)
    files = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if "gazeclip" in line]
    assert (done.returncode, complaints) == (0, [])
    about = ["systemd-analyze", "security", "--offline=true", str(tmp_path / "gazeclip.service")]
    rated = subprocess.run(about, capture_output=True, text=True)
    (exposure,) = re.findall(r"exposure level for \S+: ([\d.]+)", rated.stdout)
    assert float(exposure) <= 1.0
