"""A server in this process around the small ONNX bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtimes import Verifier, load
from runtimes.serve.settings import Settings

pytest.importorskip("fastapi")
testclient = pytest.importorskip("starlette.testclient")


@pytest.fixture(scope="session")
def verifier(bundles: dict[str, Path]) -> Verifier:
    return load(bundles["onnx"], threads=1)


@pytest.fixture
def open_client(verifier: Verifier) -> Iterator[Callable[..., Any]]:
    """Starts a server with the given settings; it ends with the test."""
    from runtimes.serve.app import create_app

    opened = []

    def open_with(settings: Settings | None = None, judge: Verifier = verifier) -> Any:
        door = create_app(judge, settings or Settings())
        client = testclient.TestClient(door, base_url="http://127.0.0.1:8000")
        client.__enter__()
        opened.append(client)
        return client

    yield open_with
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(open_client: Callable[..., Any]) -> Any:
    return open_client()
