"""A process that runs tests and dies takes one test with it: that test runs once more.

A dead process says nothing of the test that it was running: the system may have killed it for
memory, or a library may have crashed in a thread of an earlier test. So the test is run again by
another process, once, and what happened stands in the summary. If that one dies too, it fails.
"""

from __future__ import annotations

import signal
import subprocess
from typing import Any

import pytest

_died: list[str] = []
_ends: list[str] = []  # how processes ended, in the order in which they were found dead


@pytest.hookimpl(optionalhook=True)  # hooks of pytest-xdist, which may be absent
def pytest_testnodedown(node: Any, error: object) -> None:
    """Note how a process ended that did not end by itself."""
    if error is not None:
        _ends.append(_describe_end(node))


def _describe_end(node: Any) -> str:
    """What the system says of a dead process; execnet keeps it where nobody else needs it."""
    process = getattr(getattr(node.gateway, "_io", None), "popen", None)
    if process is None:
        return "nobody knows how"
    try:
        status = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return "it still runs, but says nothing any more"
    return f"by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(crashitem: str, report: pytest.TestReport, sched: Any) -> None:
    """Put the test back in the queue unless it has died before."""
    if crashitem not in _died:
        sched.mark_test_pending(crashitem)
        report.outcome = "rerun"  # type: ignore[assignment]
    _died.append(crashitem)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Neither passed nor failed: a category of its own, which the last line counts."""
    if report.outcome == "rerun":  # type: ignore[comparison-overlap]
        return "process died", "D", "DIED"
    return None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name them: a test that kills its process now and then is a fault to look for."""
    for name in dict.fromkeys(_died):
        terminalreporter.write_line(
            f"process died while running {name}: run again by another process", yellow=True
        )
    for end in _ends:
        terminalreporter.write_line(f"a process of the tests died: {end}", yellow=True)
