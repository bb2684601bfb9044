"""The application in this process: the token, and what it never tells."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runtimes.serve.limits import Limits
from runtimes.serve.settings import Settings
from tests.runtimes.serve.asking import IMAGE, Open, check_refusal, send

TOKEN = "correct-horse-battery"


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


BY_ITSELF = """
import logging
from fastapi import FastAPI
from starlette.testclient import TestClient
logging.basicConfig()
with TestClient(FastAPI()):
    pass
"""


def test_no_export_of_errors_whatever_the_environment_says(
    open_client: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert open_client().get("/healthz").status_code == 200
    assert "telemetry" not in caplog.text
    # By itself it sets the export up, or misses a package for that; it says so once a process.
    done = subprocess.run(
        [sys.executable, "-c", BY_ITSELF], capture_output=True, text=True, timeout=60, check=True
    )
    assert "telemetry configuration failed" in done.stderr


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
