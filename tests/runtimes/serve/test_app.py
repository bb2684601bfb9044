"""The application in this process: verdicts, every error answer, and what it never tells."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeclip.errors import BundleError
from gazeclip.images.crop_rule import CROPS
from runtimes import Verifier, load
from runtimes.cli import main
from runtimes.serve.limits import Limits
from runtimes.serve.schemas import VerifyAnswer
from runtimes.serve.settings import Settings
from tests.runtimes.faces.pictures import draw_face, make_picture

IMAGE = {"content-type": "image/png"}
TOKEN = "correct-horse-battery"
Open = Callable[..., Any]


def send(client: Any, data: bytes, **options: Any) -> Any:
    return client.post("/verify", content=data, headers=IMAGE, **options)


def as_form(*paths: Path) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", (path.name, path.read_bytes())) for path in paths]


def check_refusal(answer: Any, status: int, words: str) -> None:
    """One line of JSON with an error and a remedy."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.text.count("\n") == 1 and answer.text.endswith("\n")
    told = answer.json()
    assert set(told) == {"error", "remedy"} and told["remedy"]
    assert words in told["error"]


def leave_out_times(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        **answer,
        "results": [
            {key: value for key, value in row.items() if key not in ("timings_ms", "source")}
            for row in answer["results"]
        ],
    }


@pytest.mark.parametrize("crop", CROPS)
def test_answers_are_those_of_verify_json(
    crop: str,
    client: Any,
    bundles: dict[str, Path],
    photos: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = [photos[name] for name in ("real", "fake", "unsure", "truncated", "text")]
    pair = make_picture()
    for number, place in enumerate(((40, 60), (560, 300))):
        pair.paste(draw_face(number + 1, 300 - 50 * number), place)
    paths.append(tmp_path / "pair.png")
    pair.save(paths[-1])
    options = f"--threads 1 --json --crop {crop} --prior 0.1 --threshold fpr0.1 --embedding"
    main(["verify", *map(str, paths), "--bundle", str(bundles["onnx"]), *options.split()])
    printed = json.loads(capsys.readouterr().out)
    asked = {"crop": crop, "prior": 0.1, "threshold": "fpr0.1", "embedding": True}
    answer = client.post("/verify", params=asked, files=as_form(*paths))
    assert answer.status_code == 200
    served = answer.json()
    VerifyAnswer.model_validate(served)
    names = [path.name for path in paths]
    assert list(dict.fromkeys(row["source"] for row in served["results"])) == names
    for row in printed["results"]:  # messages name the file, which has no path here
        for key in ("error", "reason"):
            if key in row:
                row[key] = row[key].replace(row["source"], "image")
    for row in served["results"]:
        if "reason" in row:
            row["reason"] = row["reason"].replace("image 0", "image")
    assert crop == "whole" or [row.get("face") for row in served["results"][-2:]] == [1, 2]
    printed["bundle"]["folder"] = bundles["onnx"].name
    assert leave_out_times(served) == leave_out_times(printed)


def test_one_image_as_it_is(client: Any, photos: dict[str, Path]) -> None:
    for name, verdict in (("real", "real"), ("fake", "fake"), ("unsure", "inconclusive")):
        answer = send(client, photos[name].read_bytes())
        assert answer.status_code == 200
        VerifyAnswer.model_validate(answer.json())
        assert answer.json()["results"][0]["verdict"] == verdict
        assert answer.json()["summary"][verdict] == 1
        assert answer.text.count("\n") == 1


def test_the_folder_of_the_bundle_is_not_told(
    client: Any, photos: dict[str, Path], bundles: dict[str, Path]
) -> None:
    answer = send(client, photos["real"].read_bytes())
    assert str(bundles["onnx"].parent) not in answer.text
    assert str(bundles["onnx"].parent) not in client.get("/metrics").text


def test_images_that_are_refused(client: Any, photos: dict[str, Path]) -> None:
    check_refusal(send(client, photos["truncated"].read_bytes()), 422, "damaged")
    check_refusal(send(client, b""), 422, "empty")
    check_refusal(send(client, photos["text"].read_bytes()), 415, "not an image")
    check_refusal(send(client, b"GIF89a" + bytes(50)), 415, "GIF")
    png_head = photos["real"].read_bytes()[:40]
    check_refusal(send(client, png_head), 422, "damaged")
    answer = client.post("/verify", files=as_form(photos["truncated"]))
    check_refusal(answer, 422, "damaged")  # a single file, whichever way it came


def test_one_bad_file_of_several_is_told_in_its_row(client: Any, photos: dict[str, Path]) -> None:
    answer = client.post("/verify", files=as_form(photos["empty"], photos["fake"]))
    assert answer.status_code == 200
    first, second = answer.json()["results"]
    assert first["verdict"] is None and first["error"] == "image is empty"
    assert second["verdict"] == "fake"
    assert answer.json()["summary"] == {"real": 0, "fake": 1, "inconclusive": 0, "error": 1}


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"content-type": "text/plain"}, "Content-Type"),
        ({"content-type": "application/x-www-form-urlencoded"}, "Content-Type"),
        ({"content-type": "image/png", "content-encoding": "gzip"}, "compressed"),
    ],
)
def test_bodies_that_are_no_image(
    headers: dict[str, str], words: str, client: Any, photos: dict[str, Path]
) -> None:
    data = photos["real"].read_bytes()
    check_refusal(client.post("/verify", content=data, headers=headers), 415, words)


@pytest.mark.parametrize(
    "query",
    [
        *("prior=0", "prior=1", "prior=nan", "prior=x", "crop=half", "embedding=perhaps"),
        *("threshold=fpr2", "threshold=1", "threshold=0.99999999999999999999", "thershold=fpr1"),
    ],
)
def test_wrong_parameters(query: str, client: Any, photos: dict[str, Path]) -> None:
    answer = client.post(f"/verify?{query}", content=photos["real"].read_bytes(), headers=IMAGE)
    check_refusal(answer, 400, query.partition("=")[0])


def test_paths_and_methods_that_are_not_there(client: Any) -> None:
    check_refusal(client.get("/nothing"), 404, "Not Found")
    answer = client.get("/verify")
    check_refusal(answer, 405, "Not Allowed")
    assert answer.headers["allow"] == "POST"


def test_limits_of_bytes_pixels_and_files(open_client: Open, photos: dict[str, Path]) -> None:
    data = photos["real"].read_bytes()  # 64 x 80 pixels
    fits = Settings(Limits(body_bytes=len(data), pixels=64 * 80, files=1))
    assert send(open_client(fits), data).status_code == 200
    for name, value, words in (
        ("body_bytes", len(data) - 1, "MB"),
        ("pixels", 64 * 80 - 1, "64 x 80 pixels"),
    ):
        small = Settings(replace(fits.limits, **{name: value}))
        check_refusal(send(open_client(small), data), 413, words)
    in_pieces = (data[place : place + 100] for place in range(0, len(data), 100))
    small = Settings(Limits(body_bytes=len(data) - 1))
    answer = open_client(small).post("/verify", content=in_pieces, headers=IMAGE)
    check_refusal(answer, 413, "MB")
    files = as_form(photos["real"], photos["fake"])
    answer = open_client(Settings(Limits(files=1))).post("/verify", files=files)
    check_refusal(answer, 400, "more than 1 files")


def test_a_server_without_room_says_when_to_come_again(
    open_client: Open, photos: dict[str, Path]
) -> None:
    client = open_client(Settings(Limits(inside=0)))
    answer = send(client, photos["real"].read_bytes())
    check_refusal(answer, 429, "no room")
    assert int(answer.headers["retry-after"]) >= 1
    assert 'gazeclip_requests_total{code="429"} 1.0' in client.get("/metrics").text


def test_the_token(open_client: Open, photos: dict[str, Path]) -> None:
    client = open_client(Settings(token=TOKEN))
    data = photos["real"].read_bytes()
    for headers in (
        {},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
    ):
        answer = client.post("/verify", content=data, headers=IMAGE | headers)
        check_refusal(answer, 401, "token")
        assert answer.headers["www-authenticate"] == "Bearer"
        for path in ("/metrics", "/openapi.json"):
            check_refusal(client.get(path, headers=headers), 401, "token")
    right = {"authorization": f"Bearer {TOKEN}"}
    assert client.post("/verify", content=data, headers=IMAGE | right).status_code == 200
    assert client.get("/metrics", headers=right).status_code == 200
    assert (
        "security" in client.get("/openapi.json", headers=right).json()["paths"]["/verify"]["post"]
    )
    for path in ("/healthz", "/readyz"):  # for who starts it again, and has no token
        assert client.get(path).json() == {"status": "ok"}


def test_the_token_comes_before_all_else(open_client: Open) -> None:
    client = open_client(Settings(Limits(files=1), token=TOKEN))
    answer = client.post("/verify?prior=7", content=b"x", headers={"content-type": "text/plain"})
    check_refusal(answer, 401, "token")


def test_openapi_tells_every_answer(client: Any) -> None:
    told = client.get("/openapi.json").json()
    assert set(told["paths"]) == {"/verify", "/healthz", "/readyz", "/metrics"}
    operation = told["paths"]["/verify"]["post"]
    statuses = {"200", "400", "401", "408", "413", "415", "422", "429", "500", "503"}
    assert set(operation["responses"]) == statuses
    for status in statuses - {"200"}:
        schema = operation["responses"][status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Error"}
    assert "Retry-After" in operation["responses"]["429"]["headers"]
    assert {"image/jpeg", "multipart/form-data"} < set(operation["requestBody"]["content"])
    crops = next(item for item in operation["parameters"] if item["name"] == "crop")
    assert tuple(crops["schema"]["enum"]) == CROPS


class Failing:
    """A verifier whose engine fails while `fault` is set."""

    def __init__(self, verifier: Verifier) -> None:
        self.fault: Exception | None = None
        self._infer = verifier.infer

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        if self.fault is not None:
            raise self.fault
        return self._infer(images)


def test_an_engine_that_fails(
    open_client: Open,
    bundles: dict[str, Path],
    photos: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    verifier = load(bundles["onnx"], threads=1)
    failing = Failing(verifier)
    verifier.infer = failing  # type: ignore[method-assign]
    client = open_client(judge=verifier)
    data = photos["real"].read_bytes()
    failing.fault = BundleError("output logits is not finite", remedy="Export it again")
    check_refusal(send(client, data), 500, "not finite")
    check_refusal(client.get("/readyz"), 503, "not finite")
    failing.fault = ValueError("secret pixels")
    check_refusal(send(client, data), 500, "fault of the program")
    told = capsys.readouterr().err
    assert "ValueError" in told and "secret" not in told
    failing.fault = None
    assert client.get("/readyz").json() == {"status": "ok"}
    assert send(client, data).status_code == 200


def test_what_could_not_be_begun_in_time(open_client: Open, photos: dict[str, Path]) -> None:
    client = open_client(Settings(Limits(seconds=1e-9)))
    answer = send(client, photos["real"].read_bytes())
    assert answer.status_code in (408, 503)
    check_refusal(answer, answer.status_code, "")


def test_metrics_count(client: Any, photos: dict[str, Path]) -> None:
    client.post("/verify", files=as_form(photos["real"], photos["fake"], photos["fake"]))
    send(client, b"")
    lines = client.get("/metrics").text.splitlines()
    for line in (
        'gazeclip_requests_total{code="200"} 1.0',
        'gazeclip_requests_total{code="422"} 1.0',
        'gazeclip_verdicts_total{verdict="real"} 1.0',
        'gazeclip_verdicts_total{verdict="fake"} 2.0',
        "gazeclip_batch_images_sum 3.0",
        "gazeclip_requests_inside 0.0",
        "gazeclip_queue_images 0.0",
    ):
        assert line in lines, line


def test_no_export_of_errors_whatever_the_environment_says(
    open_client: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert open_client().get("/healthz").status_code == 200
    assert "telemetry" not in caplog.text
    with TestClient(FastAPI()):  # by itself it sets the export up, or misses a package for that
        assert "telemetry configuration failed" in caplog.text


_watched: list[str] = []
_is_watching = False


def note_written_files(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: which files are opened to write."""
    if not _is_watching or event != "open":
        return
    path, mode, flags = arguments
    writes = isinstance(mode, str) and set(mode) & set("wax+")
    if writes or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
        _watched.append(str(path))


sys.addaudithook(note_written_files)


def test_images_are_neither_written_nor_logged(
    client: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    global _is_watching
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG")
    data = stream.getvalue()
    assert len(data) > 2_000_000  # beyond what form parsers keep in memory
    caplog.set_level(logging.INFO)
    _is_watching = True
    try:
        (tmp_path / "witness").write_bytes(b"")
        for _ in range(2):
            files = [("file", ("private.png", data)), ("file", ("damaged.png", data[:-9000]))]
            assert client.post("/verify", files=files).status_code == 200
            assert send(client, data).status_code == 200
            assert send(client, data[:-9000]).status_code == 422
    finally:
        _is_watching = False
    assert _watched == [str(tmp_path / "witness")]
    logged = [record for record in caplog.records if record.name.partition(".")[0] != "httpx2"]
    told = " ".join(record.getMessage() for record in logged) + "".join(capfd.readouterr())
    assert "private" not in told and "IDAT" not in told
