"""What the tests of the application share: requests, and what an error answer is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

IMAGE = {"content-type": "image/png"}
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
