"""Reads the content credentials of a file, by the C2PA library and without any network."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import stat
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from gazeclip.errors import ImageError
from gazeclip.images.file_kind import HEAD_LENGTH, recognise
from gazeclip.images.source import Encoded, open_stream
from gazeclip.system.packages import require
from runtimes.provenance.bounded import BoundedStream
from runtimes.provenance.credentials import ABSENT, UNREADABLE, Credentials
from runtimes.provenance.manifest import read_store
from runtimes.provenance.trust import read_anchors

EXTRA = "provenance"
# The library takes a media type rather than trying its parsers one after the other. BMP is not
# among them: no place for credentials is defined in it.
_MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "HEIC": "image/heic",
    "AVIF": "image/avif",
}
TOO_MUCH = "it makes its reader read far more than its size"
_LONGEST_REASON = 200  # characters
_REMOTE = "Remote:"  # how the library begins what it says of credentials kept elsewhere


class CredentialReader:
    """Reads files one after the other. May be shared between threads, and is made before them."""

    def __init__(self, trust: Path | None = None) -> None:
        """Load the library.

        Args:
            trust: a PEM file with the certificates that signers must lead to; None: no signer is
                called trusted.

        Raises:
            MissingDependencyError: the extra `provenance` is not installed.
            ConfigError: the file cannot be read, or holds no certificate.
        """
        self._library = load_library()
        anchors = None if trust is None else read_anchors(trust)
        self._with_anchors = anchors is not None
        settings = json.dumps(make_settings(anchors))
        self._context = self._library.Context(self._library.Settings.from_json(settings))

    def read(self, source: str | os.PathLike[str] | Encoded) -> Credentials:
        """The credentials in a file or in encoded bytes; whatever is wrong with them is a state."""
        try:
            if isinstance(source, str | os.PathLike) and not _is_plain(Path(source)):
                return Credentials(UNREADABLE, reason="not a plain file")
            with contextlib.closing(open_stream(source, "the file")) as stream:
                return self._read_stream(stream)
        except ImageError as error:
            return Credentials(UNREADABLE, reason=error.message)
        except OSError as error:
            return Credentials(UNREADABLE, reason=error.strerror or type(error).__name__)

    def _read_stream(self, stream: BinaryIO) -> Credentials:
        kind = recognise(stream.read(HEAD_LENGTH))
        stream.seek(0)
        media_type = _MEDIA_TYPES.get(kind or "")
        if media_type is None:
            what = "a file of unknown type" if kind is None else f"a file of type {kind}"
            return Credentials(UNREADABLE, reason=f"{what} is not looked into")
        bounded = BoundedStream(stream)
        try:
            store = self._read_store(media_type, bounded)
        except self._library.C2paError as error:
            reason = TOO_MUCH if bounded.exhausted else _explain(str(error))
            return Credentials(UNREADABLE, reason=reason)
        except (ValueError, RecursionError) as error:  # of the JSON
            return Credentials(UNREADABLE, reason=_explain(str(error)))
        return Credentials(ABSENT) if store is None else read_store(store, self._with_anchors)

    def _read_store(self, media_type: str, stream: BoundedStream) -> Any:
        """The parsed manifest store; None if there is none."""
        reader = self._library.Reader.try_create(media_type, stream, context=self._context)
        if reader is None:
            return None
        with reader:
            return json.loads(reader.json())


def _is_plain(path: Path) -> bool:
    """Whether a path leads to a plain file.

    What a pipe gave went to who judged it, and opening it again would wait for ever.

    Raises:
        OSError: it leads nowhere.
    """
    return stat.S_ISREG(path.stat().st_mode)


def make_settings(anchors: str | None) -> dict[str, Any]:
    """What the library is told: to check everything, and to ask nobody.

    It takes unknown settings without a word, so tests hold that these do what they say. An empty
    list of hosts stops each request for itself, identity documents included, which no switch names.
    """
    settings: dict[str, Any] = {
        "core": {"allowed_network_hosts": []},
        "verify": {
            "verify_after_reading": True,
            "verify_trust": True,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
    }
    if anchors is not None:
        settings["trust"] = {"trust_anchors": anchors}
    return settings


def load_library() -> ModuleType:
    """Import `c2pa`.

    Its loader takes `libc2pa_c.so` out of the current folder first, which may be a folder of
    downloads. For the import, the folder of the package is the current one.

    Raises:
        MissingDependencyError: it is not installed.
    """
    # Without a handler Python prints what it logs of damaged files.
    logging.getLogger("c2pa").addHandler(logging.NullHandler())
    spec = importlib.util.find_spec("c2pa") if "c2pa" not in sys.modules else None
    if spec is None or spec.origin is None:
        return require("c2pa", EXTRA)
    libraries = Path(spec.origin).parent / "libs"
    if not libraries.is_dir():
        return require("c2pa", EXTRA)
    with contextlib.chdir(libraries):
        return require("c2pa", EXTRA)


def _explain(message: str) -> str:
    """The library's message on one line."""
    if message.startswith(_REMOTE):
        address = message.rpartition(" ")[2]
        message = f"kept elsewhere, and nothing is fetched ({address})"
    return " ".join(message.split())[:_LONGEST_REASON]
