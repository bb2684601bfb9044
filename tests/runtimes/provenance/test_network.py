"""Nothing is fetched: neither credentials kept elsewhere nor revocations, and no name is looked up.

The library takes unknown settings without a word. So a server counts what comes, and the same
pictures make the library call it where our settings are not used.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes.provenance.reader import CredentialReader, make_settings
from tests.runtimes.provenance.signing import Authority, c2pa, draw, sign
from tests.runtimes.test_telemetry import check_that_nothing_is_left_or_sent

ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class CountingServer:
    """Counts connections, and answers each that nothing is there."""

    def __init__(self) -> None:
        self.count = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._socket.accept()
                self.count += 1
                with connection:
                    connection.recv(65536)
                    connection.sendall(ANSWER)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def server() -> Iterator[CountingServer]:
    counting = CountingServer()
    yield counting
    counting.close()


def read_with(settings: dict[str, object], picture: bytes) -> None:
    """Read by the library itself."""
    context = c2pa.Context(c2pa.Settings.from_json(json.dumps(settings)))
    with contextlib.suppress(c2pa.C2paError):
        c2pa.Reader("image/jpeg", io.BytesIO(picture), context=context).json()


def test_credentials_kept_elsewhere_are_not_fetched(server: CountingServer) -> None:
    where = f"{server.address}credentials.c2pa"
    picture = sign(draw("JPEG"), Authority().make_signer("A camera"), address=where)
    assert where.encode() in picture
    signing = server.count
    found = CredentialReader().read(picture)
    assert (found.state, server.count) == ("unreadable", signing)
    assert found.reason == f"kept elsewhere, and nothing is fetched ({where})"
    read_with({"verify": {"remote_manifest_fetch": True}}, picture)
    assert server.count > signing


def test_revocations_are_not_asked_for(server: CountingServer, tmp_path: Path) -> None:
    authority = Authority()
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(authority.pem)
    signer = authority.make_signer("A camera", ocsp=f"{server.address}ocsp")
    picture = sign(draw("JPEG"), signer)
    signing = server.count
    assert CredentialReader(anchors).read(picture).trusted is True
    assert server.count == signing
    settings = make_settings(authority.pem.decode())
    read_with(settings | {"core": {}, "verify": {"ocsp_fetch": True}}, picture)
    assert server.count > signing


def test_the_empty_list_of_hosts_stops_what_a_switch_would_allow(server: CountingServer) -> None:
    where = f"{server.address}credentials.c2pa"
    picture = sign(draw("JPEG"), Authority().make_signer("A camera"), address=where)
    signing = server.count
    settings = make_settings(None)
    settings["verify"]["remote_manifest_fetch"] = True
    read_with(settings, picture)
    assert server.count == signing


def test_reading_leaves_and_sends_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    signer = Authority().make_signer("A camera")
    (folder / "signed.jpg").write_bytes(sign(draw("JPEG"), signer))
    far = sign(draw("JPEG"), Authority().make_signer("B"), address="http://example.invalid/a.c2pa")
    (folder / "far.jpg").write_bytes(far)
    code = (
        "import sys; from pathlib import Path\n"
        "from runtimes.provenance.reader import CredentialReader\n"
        "reader = CredentialReader()\n"
        "states = [reader.read(path).state for path in sorted(Path(sys.argv[1]).iterdir())]\n"
        "assert states == ['unreadable', 'valid'], states\n"
    )
    check_that_nothing_is_left_or_sent(tmp_path, "-c", code, str(folder))
