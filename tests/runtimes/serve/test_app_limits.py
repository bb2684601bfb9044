"""The application in this process: limits, and an engine that fails."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gazeclip.errors import BundleError
from runtimes import Verifier, load
from runtimes.serve import health
from runtimes.serve.limits import Limits
from runtimes.serve.metrics import Metrics
from runtimes.serve.service import Service
from runtimes.serve.settings import Settings
from tests.runtimes.faces.pictures import draw_face, make_picture
from tests.runtimes.serve.asking import IMAGE, Open, as_form, check_refusal, send


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


def test_faces_of_a_request_are_bounded(open_client: Open, photos: dict[str, Path]) -> None:
    pair = make_picture()
    for number, place in enumerate(((40, 60), (560, 300))):
        pair.paste(draw_face(number + 1, 300 - 50 * number), place)
    stream = io.BytesIO()
    pair.save(stream, "PNG")
    face = {"params": {"crop": "face"}}
    assert (
        len(
            send(open_client(Settings(Limits(faces=2))), stream.getvalue(), **face).json()[
                "results"
            ]
        )
        == 2
    )
    client = open_client(Settings(Limits(faces=1)))
    check_refusal(send(client, stream.getvalue(), **face), 413, "more than 1 faces")
    one = io.BytesIO()
    pair.crop((0, 0, 450, 450)).save(one, "PNG")
    assert send(client, one.getvalue(), **face).status_code == 200
    files = [("file", ("one.png", one.getvalue()))] * 2
    check_refusal(client.post("/verify", files=files, **face), 413, "more than 1 faces")
    # an image that is judged as a whole counts as a file
    assert client.post("/verify", files=as_form(*[photos["real"]] * 3)).status_code == 200


def test_readiness_ends_with_the_queue(verifier: Verifier) -> None:
    service = Service(verifier, Limits(), Metrics(verifier))

    async def work() -> None:
        async with service.running():
            await asyncio.sleep(0)
            await service.check_engine()
        await asyncio.sleep(0)
        with pytest.raises(BundleError, match="has ended"):
            await service.check_engine()

    asyncio.run(work())


def test_a_server_without_room_says_when_to_come_again(
    open_client: Open, photos: dict[str, Path]
) -> None:
    client = open_client(Settings(Limits(inside=0)))
    answer = send(client, photos["real"].read_bytes())
    check_refusal(answer, 429, "no room")
    assert int(answer.headers["retry-after"]) >= 1
    assert 'gazeclip_requests_total{code="429"} 1.0' in client.get("/metrics").text


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
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "_KEPT_SECONDS", 0.0)
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
