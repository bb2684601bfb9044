"""The server as a process, over real connections: its end, its limits, and fuzzed requests."""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gazeclip.bundle.write import write_bundle
from tests.conftest import Weights, onnx_model

ROOT = Path(__file__).parents[3]
IMAGE = {"Content-Type": "image/png"}
FUZZ_OPTIONS = (
    "--continue-on-failure",
    "--suppress-health-check=all",
    # no schema says which bytes are an image
    "--exclude-checks=positive_data_acceptance",
)
pytestmark = pytest.mark.slow
pytest.importorskip("uvicorn")


@contextlib.contextmanager
def run_server(bundle: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server process that listens, and its port."""
    command = [sys.executable, "-m", "runtimes", "serve", "--bundle", str(bundle), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--threads", "1", *options], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)$", line):
                yield process, int(found[1])
                break
        else:
            pytest.fail("".join(lines))
    finally:
        process.kill()
        process.communicate()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, IMAGE if body is not None else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def count_inside(port: int) -> float:
    _, text = ask(port, "GET", "/metrics")
    return float(re.findall(r"^gazeclip_requests_inside (\S+)$", text, re.M)[0])


def wait_for(condition: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def large() -> bytes:
    """An image that takes a while to decode, so that requests pile up."""
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_that_was_accepted_is_answered(
    number: signal.Signals, bundles: dict[str, Path], large: bytes
) -> None:
    count = 16
    with run_server(bundles["onnx"], "--timeout", "60") as (process, port):
        slow = socket.create_connection(("127.0.0.1", port), timeout=60)
        head = f"POST /verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(large)}\r\n\r\n"
        slow.sendall(head.encode() + large[:1000])
        with ThreadPoolExecutor(count) as pool:
            waiting = [pool.submit(ask, port, "POST", "/verify", large) for _ in range(count)]
            wait_for(lambda: count_inside(port) == count + 1)
            process.send_signal(number)
            answers = [future.result() for future in waiting]
        slow.sendall(large[1000:])  # was inside before the signal, and arrives after it
        rest = b"".join(iter(lambda: slow.recv(65536), b""))
        slow.close()
        assert [status for status, _ in answers] == [200] * count
        assert rest.startswith(b"HTTP/1.1 200") and b"connection: close" in rest.lower()
        assert process.wait(30) == 0
        with pytest.raises(ConnectionRefusedError):
            ask(port, "GET", "/healthz")


def test_an_idle_server_ends_at_once(bundles: dict[str, Path]) -> None:
    with run_server(bundles["onnx"]) as (process, port):
        kept = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        kept.request("GET", "/healthz")
        assert kept.getresponse().read() == b'{"status":"ok"}\n'
        process.terminate()
        assert process.wait(5) == 0
        kept.close()


def test_a_second_interrupt_does_not_wait(bundles: dict[str, Path], large: bytes) -> None:
    with run_server(bundles["onnx"], "--timeout", "60") as (process, port):
        slow = socket.create_connection(("127.0.0.1", port), timeout=60)
        slow.sendall(b"POST /verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1")
        wait_for(lambda: count_inside(port) == 1)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        slow.close()


def test_who_sends_too_much_still_hears_why(bundles: dict[str, Path]) -> None:
    with run_server(bundles["onnx"], "--max-mb", "1") as (_, port):
        status, text = ask(port, "POST", "/verify", bytes(2_900_000))
        assert status == 413 and "1 MB" in text


def test_without_room_every_request_is_answered_200_or_429(
    bundles: dict[str, Path], large: bytes
) -> None:
    with run_server(bundles["onnx"], "--queue", "4", "--timeout", "60") as (_, port):
        with ThreadPoolExecutor(24) as pool:
            futures = [pool.submit(ask, port, "POST", "/verify", large) for _ in range(72)]
            statuses = [future.result()[0] for future in futures]
        assert set(statuses) == {200, 429}


def test_a_token_from_the_environment_or_a_file(bundles: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("correct-horse-battery\n", encoding="utf-8")
    with run_server(bundles["onnx"], "--token-file", str(file)) as (_, port):
        assert ask(port, "POST", "/verify", b"x")[0] == 401
        assert ask(port, "GET", "/readyz")[0] == 200


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory, weights: Weights, contents: Any) -> Path:
    """The small bundle, but a black picture, whose embedding has no length, is no fault of it."""
    onnx = pytest.importorskip("onnx")
    model = onnx_model(weights)
    graph = model.graph
    (place,) = (i for i, node in enumerate(graph.node) if node.op_type == "ReduceL2")
    graph.node[place].output[0] = "measured"
    floor = onnx.helper.make_node("Max", ["measured", "least"], ["length"])
    graph.node.insert(place + 1, floor)
    graph.initializer.append(onnx.numpy_helper.from_array(np.float32([1e-6]), "least"))
    folder = tmp_path_factory.mktemp("steady")
    onnx.save(model, str(folder / "model.onnx"))
    write_bundle(folder, contents)
    return folder


def test_fuzzed_requests_cause_no_fault(steady: Path, tmp_path: Path) -> None:
    """Schemathesis makes requests from OpenAPI, right ones and wrong ones, and checks answers."""
    pytest.importorskip("schemathesis")
    with run_server(steady, "--timeout", "60") as (process, port):
        base = f"http://127.0.0.1:{port}"
        fuzzer = [sys.executable, "-m", "schemathesis.cli", "run", f"{base}/openapi.json"]
        done = subprocess.run(
            [*fuzzer, "--max-examples", "60", "--seed", "1", "--no-color", *FUZZ_OPTIONS],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        _, text = ask(port, "GET", "/metrics")
        codes = set(re.findall(r'gazeclip_requests_total\{code="(\d+)"\}', text))
        assert "200" in codes and not any(code.startswith("5") for code in codes), codes
        assert process.poll() is None
