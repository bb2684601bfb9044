"""Serves the built page to this machine: files, and the headers that make a browser keep to them.

Nothing is accepted: a request has no body that is read, and is not logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gazeclip.errors import ConfigError

LOOPBACK = "127.0.0.1"
# What the page may load and reach: its own files, and pictures that it made itself.
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS: Mapping[str, str] = {
    # both together: shared memory, which threads need
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def open_server(page: Path, port: int) -> ThreadingHTTPServer:
    """A server of a folder that listens on loopback; `serve_forever` answers.

    Args:
        port: 0: any that is free.

    Raises:
        ConfigError: the port is taken or may not be used.
    """
    handler = partial(_PageHandler, directory=str(page))
    try:
        return _Server((LOOPBACK, port), handler)
    except OSError as error:
        what = f"cannot listen on {LOOPBACK} port {port} ({error.strerror})"
        raise ConfigError(what, remedy="Choose another with --port") from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in mid-answer is no news."""


class _PageHandler(SimpleHTTPRequestHandler):
    # The system's table may not know these, and a browser compiles no WASM of another type.
    extensions_map: dict[str, str] = {  # noqa: RUF012  # as the base declares it
        **SimpleHTTPRequestHandler.extensions_map,
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".mjs": "text/javascript; charset=utf-8",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
        ".svg": "image/svg+xml",
    }
    server_version = "gazeclip"
    sys_version = ""

    def end_headers(self) -> None:
        """The headers of every answer."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path: Any) -> None:
        """No folder is listed."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""
