"""A process that runs tests and dies takes one test with it: that test runs once more.

A dead process says nothing of the test that it was running: the system may have killed it for
memory, or a library may have crashed in a thread of an earlier test. So the test is run again by
another process, once, and what happened stands in the summary. If that one dies too, it fails.
"""

from __future__ import annotations

from typing import Any

import pytest

_died: list[str] = []


@pytest.hookimpl(optionalhook=True)  # a hook of pytest-xdist, which may be absent
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
