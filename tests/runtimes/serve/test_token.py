"""Tokens: where they come from, what is none, and where one is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazeclip.errors import ConfigError
from runtimes.serve.token import VARIABLE, holds_token, is_loopback, read_token, require_token

TOKEN = "0123456789abcdef"


def test_a_token_comes_from_its_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert read_token(None) is None
    monkeypatch.setenv(VARIABLE, f"{TOKEN}-of-environment")
    assert read_token(None) == f"{TOKEN}-of-environment"
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n", encoding="utf-8")
    assert read_token(file) == TOKEN
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(tmp_path / "missing")


@pytest.mark.parametrize("text", ["", TOKEN[:-1], f"{TOKEN} {TOKEN}", f"{TOKEN}\u00e9", "\n" * 20])
def test_what_is_no_token(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="is none") as caught:
        read_token(file)
    assert "secrets" in str(caught.value.remedy)
    assert not text.strip() or text.strip() not in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_needs_no_token(address: str) -> None:
    assert is_loopback(address)
    require_token(address, None)
    require_token(address, TOKEN)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.2", "localhost", ""])
def test_others_reach_nothing_without_a_token(address: str) -> None:
    assert not is_loopback(address)
    with pytest.raises(ConfigError, match="no token"):
        require_token(address, None)
    require_token(address, TOKEN)


def test_headers() -> None:
    assert holds_token(f"Bearer {TOKEN}", TOKEN) and holds_token(f"bearer  {TOKEN} ", TOKEN)
    for wrong in (None, "", "Bearer", f"Bearer{TOKEN}", f"Basic {TOKEN}", "Bearer \udcff"):
        assert not holds_token(wrong, TOKEN)
