"""Whatever ends a command is one line, and its exit code is never a verdict's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gazeclip.cli.guard import EXIT_SOFTWARE

ROOT = Path(__file__).parents[3]


def run_guarded(body: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process whose `main(argv)` is `body`, under `guard`."""
    code = f"""
import errno, sys
from gazeclip.cli.guard import guard
from gazeclip.console.progress import say
def main(argv):
    {body}
guard(main)
"""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("assert argv", "AssertionError"),
        ("raise MemoryError", "MemoryError"),
        ("main(argv)", "RecursionError: maximum recursion depth exceeded"),
        ("raise ValueError('a\\nb \\x1b[2J')", "ValueError: a b \\x1b[2J"),
        ("raise OSError(errno.EINVAL, 'Invalid argument')", "OSError: [Errno 22] Invalid argument"),
        ("import runtimes.no_such_file", "No module named 'runtimes.no_such_file'"),
    ],
)
def test_a_fault_of_the_program_is_one_line_and_70(body: str, said: str) -> None:
    done = run_guarded(body)
    assert done.returncode == EXIT_SOFTWARE == 70
    assert len(done.stderr.splitlines()) == 1 and said in done.stderr
    assert "--debug" in done.stderr and "python -m gazeclip doctor" in done.stderr
    assert "Traceback" in run_guarded(body, "--debug").stderr


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (
            "raise OSError(errno.ENOSPC, 'No space left on device', '/x/y')",
            2,
            "error: No space left on device: /x/y. Free",
        ),
        (
            "raise PermissionError(errno.EACCES, 'Permission denied')",
            2,
            "error: Permission denied. Free space, check",
        ),
        (
            "raise OSError(errno.ENAMETOOLONG, 'File name too long', 'x')",
            2,
            "error: File name too long: x. Check its name",
        ),
        ("open('/no/such/photo')", 2, "error: No such file or directory: /no/such/photo. Check"),
        (
            "import tempfile; tempfile._get_default_tempdir = lambda *_: (_ for _ in ()).throw("
            "FileNotFoundError(2, 'No usable temporary directory found in x')); "
            "tempfile.TemporaryFile()",
            2,
            "error: No usable temporary directory found in x. Free space",
        ),
        (
            "import no_such_package",
            2,
            "error: 'no_such_package' is not installed. See: python -m gazeclip doctor",
        ),
        ("raise KeyboardInterrupt", 130, "interrupted; run the same command again"),
        ("raise BrokenPipeError", 141, ""),
        ("raise SystemExit(2)", 2, ""),
        ("return 1", 1, ""),
    ],
)
def test_other_exit_codes(body: str, code: int, said: str) -> None:
    done = run_guarded(body)
    assert done.returncode == code
    assert done.stderr.startswith(said) and len(done.stderr.splitlines()) == bool(said)


def test_names_that_cannot_be_encoded_are_escaped() -> None:
    done = run_guarded(
        "print(chr(0x9854)); say(chr(0x1b) + chr(0x9854)); return 0",
        PYTHONIOENCODING="cp1252:strict",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\\u9854\n", "\\x1b\\u9854\n")


def test_verification_without_numpy_is_no_verdict() -> None:
    code = (
        "import runpy, sys; sys.modules['numpy'] = None; sys.argv = ['runtimes', 'list']; "
        "runpy.run_module('runtimes', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "'numpy' is not installed" in done.stderr
