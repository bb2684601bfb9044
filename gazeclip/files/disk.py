"""Was it the disk? A library says `basic_ios::clear`; a user must read which folder is full."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gazeclip.errors import ArtifactError, GazeClipError

REMEDY = "Free space, or choose another folder; what was there before is unchanged"
_OF_THE_DISK = {errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
_OF_THE_DISK |= {getattr(errno, "EDQUOT", errno.ENOSPC)}
# More than any file of an export: a library that gave up has freed what it had written.
_PROBE_MB = 64


@contextlib.contextmanager
def disk_faults_named(folder: Path) -> Iterator[None]:
    """Within this, what fails because `folder` or the temporary one cannot be written is one line.

    Raises:
        ArtifactError: names the folder and the system's reason. Other exceptions pass as they are.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, ArtifactError) and error.message.startswith("cannot write"):
            raise
        reason = _find_system_reason(error, folder) or _try_to_write(error, folder)
        if reason is None:
            raise
        raise ArtifactError(reason, remedy=REMEDY) from error


def _find_system_reason(error: BaseException, folder: Path) -> str | None:
    """What the system said, if it is anywhere in the chain of exceptions."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.errno in _OF_THE_DISK:
            name = folder
            if isinstance(link.filename, str | bytes):
                name = Path(os.fsdecode(link.filename))
            within = name.absolute().is_relative_to(folder.absolute())
            # A photograph that may not be read has the same number as a refused write.
            verb = "write" if within or link.errno not in (errno.EACCES, errno.EPERM) else "use"
            return f"cannot {verb} {folder if within else name}: {link.strerror}"
        link = link.__cause__ or link.__context__
    return None


def _try_to_write(error: Exception, folder: Path) -> str | None:
    """Why nothing can be written now, with what the library made of it."""
    text = error.message if isinstance(error, GazeClipError) else f"{type(error).__name__}: {error}"
    place = str(folder)
    reason = write_refusal(folder)
    if reason is None:
        try:
            place = tempfile.gettempdir()
        except OSError as refusal:  # it tries all the usual ones, and none can be written
            place = "a temporary folder"
            reason = refusal.strerror or str(refusal)
        else:
            reason = write_refusal(Path(place))
    if reason is None:
        return None
    return f"cannot write {place}: {reason} ({' '.join(text.split())[:160]})"


def write_refusal(folder: Path) -> str | None:
    """Why a file of some size cannot be written into `folder`, in the system's words, or None."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            for _ in range(_PROBE_MB):
                file.write(bytes(1 << 20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as refusal:
        return refusal.strerror or str(refusal)
    return None
