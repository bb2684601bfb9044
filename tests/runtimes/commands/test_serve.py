"""`gazeclip serve` before it listens: what it refuses, each with one line."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gazeclip.errors import BundleError, ConfigError
from runtimes.cli import main
from runtimes.serve.limits import Limits
from runtimes.serve.token import VARIABLE

pytest.importorskip("fastapi")


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_beyond_this_machine_a_token_is_needed(bundles: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="no token is set"):
        main(["serve", "--host", "0.0.0.0", "--port", "0", "--bundle", str(bundles["onnx"])])


def test_a_port_that_is_taken(bundles: dict[str, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1 port"):
            main(["serve", "--port", port, "--bundle", str(bundles["onnx"])])


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 70, "no host"])
def test_an_address_of_another_machine(host: str, bundles: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="cannot listen on"):
        main(["serve", "--host", host, "--port", "0", "--bundle", str(bundles["onnx"])])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--max-files", "0"), ("--batch", "0"), ("--queue", "0"), ("--max-mb", "300")),
        *(("--max-faces", "0"), ("--max-megapixels", "1000"), ("--timeout", "100000")),
    ],
)
def test_limits_that_cannot_be_kept(option: str, value: str, bundles: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="is out of range"):
        main(["serve", "--port", "0", "--bundle", str(bundles["onnx"]), option, value])


@pytest.mark.parametrize(
    ("option", "value"), [("--max-mb", "nan"), ("--timeout", "-1"), ("--port", "65536")]
)
def test_what_is_no_number(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", option, value])
    assert caught.value.code == 2
    assert value in capsys.readouterr().err


def test_a_bundle_that_fails_its_self_test(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from runtimes.verifier import Verifier

    def fail(_: Verifier) -> None:
        raise BundleError("self-test failed")

    monkeypatch.setattr(Verifier, "self_test", fail)
    with pytest.raises(BundleError, match="self-test"):
        main(["serve", "--port", "0", "--bundle", str(bundles["onnx"])])


def test_a_threshold_that_the_bundle_lacks(bundles: dict[str, Path]) -> None:
    options = ["--port", "0", "--bundle", str(bundles["onnx"]), "--threshold", "fpr2"]
    with pytest.raises(ConfigError, match="unknown operating point"):
        main(["serve", *options])


def test_the_limits_that_ship_can_be_kept() -> None:
    assert list(Limits().find_faults()) == []
