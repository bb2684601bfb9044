"""Forms are taken apart as an independent writer puts them together."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from runtimes.serve.refusal import Refusal
from runtimes.serve.uploads import FORM, Upload, is_form, split_form

httpx = pytest.importorskip("httpx2")


def write_form(*files: tuple[str, bytes]) -> tuple[str, bytes]:
    """Content-Type and body of a form, by an HTTP library."""
    request = httpx.Request("POST", "http://a/", files=[("file", item) for item in files])
    return request.headers["content-type"], request.read()


def test_what_another_library_writes() -> None:
    rng = random.Random(0)
    for _ in range(200):
        files = []
        for number in range(rng.randint(1, 4)):
            # line breaks and dashes are what a parser stumbles over
            data = bytes(rng.choices(b"\r\n-ab\0\xff", k=rng.randint(0, 60)))
            files.append((f"a b{number};\u00e9.png", data))
        content_type, body = write_form(*files)
        assert split_form(content_type, body, 4) == [Upload(*item) for item in files]


NAMED = b"Content-Disposition: form-data; name=file\r\n\r\n"


def test_parts_without_a_file_name() -> None:
    body = b"skipped\r\n--x\r\n" + NAMED + b"first\r\n--x\r\n" + NAMED + b"\r\n--x--\r\nskipped"
    found = split_form(f'{FORM}; boundary="x"', body, 2)
    assert found == [Upload("image 0", b"first"), Upload("image 1", b"")]


def test_what_is_a_form() -> None:
    assert is_form(FORM) and is_form(f"{FORM.upper()}; boundary=x")
    for content_type in (None, "", "image/png", "application/octet-stream", "multipart/mixed"):
        assert not is_form(content_type)


PART = b"--x\r\n" + NAMED + b"a\r\n"


@pytest.mark.parametrize(
    ("content_type", "body", "words"),
    [
        (FORM, PART + b"--x--", "boundary"),
        (f"{FORM}; boundary=", PART + b"--x--", "boundary"),
        (f"{FORM}; boundary=x", b"", "damaged"),
        (f"{FORM}; boundary=x", b"--x--", "no file"),
        (f"{FORM}; boundary=x", b"--x", "damaged"),
        (f"{FORM}; boundary=x", b"--x\r\nno end of headers\r\n--x--", "damaged"),
        (f"{FORM}; boundary=x", PART, "cut off"),
        (f"{FORM}; boundary=x", PART + b"--xy\r\n", "damaged"),
        (f"{FORM}; boundary=x", PART + PART + b"--x--", "more than 1 files"),
        (f"{FORM}; boundary=x", PART.replace(b"=file", b"=files") + b"--x--", "'file'"),
        (f"{FORM}; boundary=x", PART.replace(b"; name", b"; filename") + b"--x--", "'file'"),
    ],
)
def test_forms_that_are_refused(content_type: str, body: bytes, words: str) -> None:
    with pytest.raises(Refusal) as caught:
        split_form(content_type, body, 1)
    assert caught.value.status == 400 and words in caught.value.message


@pytest.mark.parametrize("first", [b"", NAMED])
def test_a_million_empty_parts_are_not_looked_at(first: bytes) -> None:
    body = b"--x\r\n" + first + (b"\r\n--x\r\n" + first) * 1_000_000 + b"\r\n--x--"
    tracemalloc.start()
    try:
        with pytest.raises(Refusal, match="damaged" if not first else "more than 9 files"):
            split_form(f"{FORM}; boundary=x", body, 9)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000  # a list of all has some 100 MB


def test_damaged_forms_raise_nothing_else() -> None:
    rng = random.Random(1)
    content_type, body = write_form(("a.png", b"x" * 30), ("b.png", b"\r\n--\r\n"))
    for _ in range(3000):
        damaged = bytearray(body)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(damaged))
            damaged[place : place + rng.randint(0, 3)] = bytes(rng.choices(b'\r\n-"=;\xff', k=2))
        try:
            assert 1 <= len(split_form(content_type, bytes(damaged), 9)) <= 9
        except Refusal as refusal:
            assert refusal.status == 400
