"""Without a token no web page may ask: `Host` and `Origin`, as browsers send them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from runtimes.commands.serve import add_options, read_settings
from runtimes.serve.settings import Settings
from runtimes.serve.strangers import StrangerCheck
from tests.runtimes.serve.asking import Open, as_form, check_refusal

PATHS = ("/metrics", "/openapi.json", "/nowhere")
TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:8000", "127.9.9.9:1", "[::1]", "[::1]:8000"),
        *("localhost", "localhost:8000", "LocalHost:8000", "localhost.:8000"),
    ],
)
def test_this_machine_is_served_by_its_names(host: str, client: Any) -> None:
    assert client.get("/metrics", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example"),
        *("0.0.0.0:8000", "192.168.1.2", "127.1", "[::2]", "[::1", "evil.example/"),
        *("", ":8000", "localhost:8000:8000", "localhost, evil.example", "testserver"),
        "127.0.0.1@evil.example",
    ],
)
def test_another_host_is_refused(host: str, client: Any, photos: dict[str, Path]) -> None:
    for path in PATHS:
        check_refusal(client.get(path, headers={"host": host}), 403, "only this machine is served")
    answer = client.post("/verify", files=as_form(photos["real"]), headers={"host": host})
    check_refusal(answer, 403, "only this machine is served")
    assert "--allow-host" in answer.json()["remedy"]


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "https://evil.example",
            "null",
            "",
            "file://",
            "http://127.0.0.1",
            "http://127.0.0.1:3000",
        ),
        *("http://localhost:8000", "http://127.0.0.1:8000.evil.example", "127.0.0.1:8000"),
        *("http://127.0.0.1:8000/", "chrome-extension://abc"),
    ],
)
def test_a_page_from_elsewhere_is_refused_before_it_costs_anything(
    origin: str, client: Any, photos: dict[str, Path]
) -> None:
    """A form that a page sends by itself; its browser asks nobody before."""
    form = as_form(photos["real"])
    answer = client.post("/verify", files=form, headers={"origin": origin})
    check_refusal(answer, 403, "no page of another site may ask")
    counted = client.get("/metrics").text.splitlines()
    assert 'gazeclip_requests_total{code="403"} 1.0' in counted
    verdicts = [line for line in counted if line.startswith("gazeclip_verdicts_total{")]
    assert all(line.endswith(" 0.0") for line in verdicts)


def test_a_page_of_the_server_itself_may_ask(client: Any, photos: dict[str, Path]) -> None:
    form = as_form(photos["real"])
    for origin in ("http://127.0.0.1:8000", "https://127.0.0.1:8000"):
        assert client.post("/verify", files=form, headers={"origin": origin}).status_code == 200


def test_probes_are_answered_by_any_name(client: Any) -> None:
    for path in ("/healthz", "/readyz"):
        headers = {"host": "10.0.0.7:8000", "origin": "https://evil.example"}
        assert client.get(path, headers=headers).status_code == 200


def test_with_a_token_the_headers_are_not_looked_at(open_client: Open) -> None:
    client = open_client(Settings(token=TOKEN))
    headers = {"host": "gateway:8000", "origin": "https://any.example"}
    assert client.get("/metrics", headers=headers).status_code == 401
    headers["authorization"] = f"Bearer {TOKEN}"
    assert client.get("/metrics", headers=headers).status_code == 200


def test_hosts_that_are_named_are_served(open_client: Open) -> None:
    client = open_client(Settings(hosts=("Judge.example", "::7")))
    for host in ("judge.example", "judge.example:8443", "JUDGE.EXAMPLE.", "[::7]:1", "localhost"):
        assert client.get("/metrics", headers={"host": host}).status_code == 200
    for host in ("other.example", "a.judge.example"):
        assert client.get("/metrics", headers={"host": host}).status_code == 403
    same = {"host": "judge.example", "origin": "https://judge.example"}
    assert client.get("/metrics", headers=same).status_code == 200
    other = {"host": "judge.example", "origin": "https://localhost"}
    assert client.get("/metrics", headers=other).status_code == 403


def test_two_hosts_are_none() -> None:
    check = StrangerCheck(())
    one = (b"host", b"localhost")
    assert check.find_refusal([one]) is None
    for headers in ([], [one, one], [one, (b"host", b"evil.example")]):
        refusal = check.find_refusal(headers)
        assert refusal is not None and refusal.status == 403
    two = [one, (b"origin", b"http://localhost"), (b"origin", b"http://evil.example")]
    assert check.find_refusal(two) is not None


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(words)


def test_what_the_options_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAZECLIP_TOKEN", raising=False)
    words = ("--host", "me", "--allow-host", "judge.example", "--allow-host", "::7")
    assert read_settings(parse(*words)).hosts == ("me", "judge.example", "::7")
    assert read_settings(parse()).hosts == ("127.0.0.1",)


@pytest.mark.parametrize("name", ["*", "*.example", "a:80", "http://a", "a/", "", "a b", "[::]:1"])
def test_what_is_no_host(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("--allow-host", name)
    assert caught.value.code == 2 and "is no host" in capsys.readouterr().err
