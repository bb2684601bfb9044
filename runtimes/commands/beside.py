"""What stands beside outcomes and never enters them: the content credentials of their files."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gazeclip.console.text import printable
from gazeclip.errors import ConfigError
from gazeclip.images.source import ImageSource
from runtimes.commands.name_lists import STDIN
from runtimes.provenance.credentials import Credentials
from runtimes.provenance.reader import CredentialReader

CSV_COLUMNS = ("provenance", "signer", "signer_trusted", "says_ai_made")
_HEADER = "credentials"


def add_provenance_options(parser: argparse.ArgumentParser) -> None:
    """`--provenance` and `--trust`."""
    parser.add_argument(
        "--provenance",
        action="store_true",
        help="also say whether a file has content credentials (C2PA) and what they say; changes no "
        "verdict and no exit code (needs the extra 'provenance')",
    )
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="FILE.pem",
        help="with --provenance: certificates that signers must lead to (default: no signer is "
        "called trusted)",
    )


class Beside:
    """Credentials in each form of answer, or nothing in any where they were not asked for.

    Each file is read when its first outcome is written: it may have several, one after the other.
    One that was written again since is read again: a watched folder gives it a new verdict, beside
    which the former credentials would be of other bytes.
    """

    def __init__(self, reader: CredentialReader | None) -> None:
        self._reader = reader
        self._last: tuple[str, _State | None, Credentials] | None = None
        self._stdin: bytes | None = None

    @classmethod
    def from_options(cls, args: argparse.Namespace) -> Beside:
        """What the options ask for.

        Raises:
            GazeClipError: certificates without credentials to check, or what cannot be loaded.
        """
        if args.provenance:
            return cls(CredentialReader(args.trust))
        if args.trust is not None:
            remedy = "Add --provenance, or leave it out"
            raise ConfigError("--trust without --provenance", remedy=remedy)
        return cls(None)

    def watch(self, sources: Iterable[ImageSource]) -> Iterator[ImageSource]:
        """The same sources; what came on standard input is kept, as it cannot be read again."""
        for source in sources:
            if self._reader is not None and isinstance(source, bytes):
                self._stdin = source
            yield source

    @property
    def header(self) -> tuple[str, ...]:
        """The heads of a table's last columns."""
        return () if self._reader is None else (_HEADER,)

    def cells(self, source: str) -> tuple[str, ...]:
        """What stands under `header`."""
        found = self._read(source)
        return () if found is None else (found.describe(),)

    def describe(self, source: str) -> dict[str, Any]:
        """What JSON has beside a result."""
        found = self._read(source)
        return {} if found is None else {"provenance": found.to_dict()}

    @property
    def csv_columns(self) -> tuple[str, ...]:
        """The last columns of CSV."""
        return () if self._reader is None else CSV_COLUMNS

    def csv_row(self, source: str) -> dict[str, str]:
        """Those cells of `CSV_COLUMNS` about which there is something to say."""
        found = self._read(source)
        if found is None:
            return {}
        values = (found.state, found.signer, found.trusted, found.says_ai_made)
        row = {}
        for column, value in zip(CSV_COLUMNS, values, strict=True):
            if value is not None:
                text = value if isinstance(value, str) else "yes" if value else "no"
                row[column] = printable(text)
        return row

    def _read(self, source: str) -> Credentials | None:
        if self._reader is None:
            return None
        state = None if source == STDIN else _find_state(source)
        if self._last is None or self._last[:2] != (source, state):
            given = (self._stdin or b"") if source == STDIN else source
            self._last = (source, state, self._reader.read(given))
        return self._last[2]


class _State(NamedTuple):
    """What at least one of changes where a file is written again.

    `changed_ns` is set by the system alone: a copy that keeps its original's time has a new one.
    """

    size: int
    modified_ns: int
    changed_ns: int
    inode: int


def _find_state(source: str) -> _State | None:
    """None where there is no such file."""
    try:
        found = Path(source).stat()
    except (OSError, ValueError):  # the second where it can be no name of a file
        return None
    return _State(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
