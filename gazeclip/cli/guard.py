"""A command as a process: errors as one line, exit codes."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from gazeclip.console.lines import print_message
from gazeclip.errors import GazeClipError
from gazeclip.system.place import OWN_PACKAGES, command_line
from gazeclip.system.privacy import switch_telemetry_off

EXIT_ERROR = 2
# EX_SOFTWARE of sysexits.h: Python's own exit code of a crash, 1, would be read as "fake".
EXIT_SOFTWARE = 70
EXIT_INTERRUPTED = 130  # as a shell reports SIGINT
EXIT_UNREAD = 141  # as a shell reports SIGPIPE
_PLACE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
# Of tempfile, which tries all the usual ones and names none as the file of its error.
_NO_TEMPORARY_FOLDER = "No usable temporary directory"
_LONGEST_TEXT = 300  # characters


def guard(main: Callable[[list[str]], int]) -> NoReturn:
    """Run `main(argv)` as a process, in which whatever happens is one line.

    A traceback is printed with `--debug` only.

    Exit codes: `main`'s own, 2 for an error that the user can solve, 70 for a fault of the program,
    130 when interrupted, 141 when nobody reads the output any more. No verdict uses the last three.
    """
    # Before torch loads OpenMP: its threads spin while they wait, and with anything else on the
    # same cores that made training up to ten times slower. Never spinning costs a third as well; a
    # short spin is best of both (docs/toolchain.md).
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    switch_telemetry_off()  # for what is imported without `require`, such as timm and its hub
    _accept_any_text()
    argv = sys.argv[1:]
    debug = "--debug" in argv
    try:
        code = main([item for item in argv if item != "--debug"])
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_UNREAD
    except KeyboardInterrupt:
        print_message("interrupted; run the same command again, without --force, to resume")
        code = EXIT_INTERRUPTED
    except Exception as error:
        if debug:
            traceback.print_exc()
        message, code = describe_error(error)
        print_message(f"error: {message}")
    sys.exit(code)


def describe_error(error: Exception) -> tuple[str, int]:
    """What to print about an error that ends a command, and the exit code."""
    if isinstance(error, GazeClipError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and (message := _describe_place(error)) is not None:
        return message, EXIT_ERROR
    if isinstance(error, ModuleNotFoundError) and not _is_own(error.name):
        return f"'{error.name}' is not installed. See: {command_line('doctor')}", EXIT_ERROR
    kind = type(error).__name__
    text = " ".join(str(error).split())[:_LONGEST_TEXT]
    what = f"{kind}: {text}" if text else kind
    report = f"Report it with the output of --debug and of '{command_line('doctor')}'"
    return f"this is a fault of the program ({what}). {report}", EXIT_SOFTWARE


def _describe_place(error: OSError) -> str | None:
    """What to print where the system refused a file or a folder; None where it is about neither."""
    said = error.strerror or type(error).__name__
    of_folder = error.errno in _PLACE_ERRORS or said.startswith(_NO_TEMPORARY_FOLDER)
    if error.filename is None and not of_folder:
        return None
    remedy = "Check its name, and that it is there and may be used"
    if of_folder:
        remedy = "Free space, check its permissions or give another folder"
    name = error.filename
    if name is None:
        return f"{said}. {remedy}"
    return f"{said}: {os.fsdecode(name) if isinstance(name, bytes) else name}. {remedy}"


def _is_own(module: str | None) -> bool:
    """Whether a module would be this program's, so that its absence is no missing package."""
    return module is None or module.partition(".")[0] in OWN_PACKAGES


def _accept_any_text() -> None:
    """Let the streams escape what their encoding lacks, which is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
