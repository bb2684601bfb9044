"""Who is refused without a token: web pages that are open on this machine.

Any page can make its browser send forms to an address of this machine, and fill the queue (a forged
cross-site request). A page whose name leads to that address from the second time on, which its
owner decides, can read the answers as well (DNS rebinding). No page can change two headers by which
that is seen: `Host`, the name in the address that is asked, and `Origin`, where the page is from.
Jupyter refuses by the same two, see `allow_remote_access` and `check_origin` of its server.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from runtimes.serve.refusal import FORBIDDEN, Refusal
from runtimes.serve.token import VARIABLE, is_loopback

Headers = Sequence[tuple[bytes, bytes]]
_OWN_NAME = "localhost"
# A name or an IPv4 address, or an IPv6 address in brackets; then perhaps a port.
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\s:/?#@\[\]]+)(?::\d*)?", re.ASCII | re.IGNORECASE)
_ORIGIN = re.compile(r"https?://(?P<host>[^/]+)", re.ASCII | re.IGNORECASE)
_LONGEST = 100  # characters of a header that are told


class StrangerCheck:
    """Looks at the headers of each request; for a server that listens to its own machine."""

    def __init__(self, names: Collection[str]) -> None:
        """Addresses of loopback and `localhost` need not be among the names."""
        self._names = {_OWN_NAME, *map(_normalise, names)}

    def find_refusal(self, headers: Headers) -> Refusal | None:
        """403 where a request was not meant for this machine, or a page from elsewhere made it.

        Args:
            headers: of an ASGI scope; names are in lower case.
        """
        hosts = _find_all(headers, b"host")
        host = hosts[0] if len(hosts) == 1 else ""
        if not self._is_own(host):
            return Refusal(
                FORBIDDEN,
                f"without a token only this machine is served, and this asks for {_quote(host)}",
                "Use http://127.0.0.1, name the host with --allow-host, or set a token "
                f"(--token-file, {VARIABLE})",
            )
        for origin in _find_all(headers, b"origin"):
            match = _ORIGIN.fullmatch(origin)
            if match is None or match["host"].lower() != host.lower():
                site = _quote(origin)
                return Refusal(
                    FORBIDDEN,
                    f"without a token no page of another site may ask, and this is of {site}",
                    f"Ask from a program, or set a token (--token-file, {VARIABLE})",
                )
        return None

    def _is_own(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = _normalise(match["name"])
        return name in self._names or is_loopback(name)


def is_host_name(text: str) -> bool:
    """Whether it is a name or an address, and nothing with a port or a path."""
    match = _HOST.fullmatch(text) or _HOST.fullmatch(f"[{text}]")
    return match is not None and match["name"].strip("[]") == text and "*" not in text


def _normalise(name: str) -> str:
    return name.strip("[]").lower().removesuffix(".")


def _find_all(headers: Headers, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name == wanted]


def _quote(text: str) -> str:
    return f"'{text[:_LONGEST]}'" if text else "no host"
