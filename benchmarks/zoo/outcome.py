"""What can become of one export of one student, and whether that was expected of it."""

from __future__ import annotations

from typing import Any

from gazeclip.networks.zoo import ZooStudent

OK = "ok"
FAILED = "failed"


def find_surprise(student: ZooStudent, target: str, precision: str, cell: dict[str, Any]) -> str:
    """What differs from the zoo's file; empty where nothing does.

    Both ways count: a cell that works again must be written down, or nobody would notice when it
    breaks the next time.
    """
    known = student.expects(target, precision)
    what = f"{student.name} {target} {precision}"
    if cell["state"] == OK:
        return f"{what} works, and zoo.yaml says: {known}" if known is not None else ""
    if known is None:
        return f"{what} fails: {cell['why']}"
    if not str(cell["why"]).startswith(known):
        return f"{what} fails otherwise than zoo.yaml says ({known}): {cell['why']}"
    return ""
