"""The token that a request must carry: where it comes from, and how it is compared."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
from pathlib import Path

from gazeclip.errors import ConfigError

VARIABLE = "GAZECLIP_TOKEN"
MIN_LENGTH = 16  # characters
_MAX_BYTES = 4096
_SCHEME = "bearer"
_MAKE_ONE = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"


def read_token(file: Path | None) -> str | None:
    """The token of a file, or else of the environment; None where neither is given.

    It is never an option itself, because every user of a machine can read its command lines.

    Raises:
        ConfigError: the file cannot be read, or what it holds is no token.
    """
    if file is None:
        text = os.environ.get(VARIABLE)
        where = f"the token of {VARIABLE}"
    else:
        where = f"the token of {file}"
        text = _read_text(file)
    return None if text is None else _check_token(text.strip(), where)


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError as error:
        what = f"{file} cannot be read ({error.strerror})"
        raise ConfigError(what, remedy="Check its name and permissions") from error


def _check_token(token: str, where: str) -> str:
    spelled = token.isascii() and token.isprintable() and " " not in token
    if len(token) < MIN_LENGTH or not spelled:
        raise ConfigError(
            f"{where} is none: it needs {MIN_LENGTH} visible ASCII characters without a space",
            remedy=f"Make one: {_MAKE_ONE}",
        )
    return token


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address; False for what is no address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def require_token(address: str, token: str | None) -> None:
    """Refuse to listen without a token where others can connect.

    Raises:
        ConfigError: no token, and the address is not of the loopback interface.
    """
    if token is None and not is_loopback(address):
        raise ConfigError(
            f"{address} can be reached from other machines, and no token is set",
            remedy=f"Name a file with --token-file or set {VARIABLE}; to make one: {_MAKE_ONE}",
        )


def holds_token(authorization: str | None, token: str) -> bool:
    """Whether a header `Authorization: Bearer TOKEN` holds this token.

    It takes as long wherever the two differ, and whatever their lengths: digests are compared.
    """
    scheme, _, given = (authorization or "").partition(" ")
    same = hmac.compare_digest(_digest(given.strip()), _digest(token))
    return same and scheme.lower() == _SCHEME


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
