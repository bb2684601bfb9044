"""What all tests of the gaze statistics share."""

from __future__ import annotations

import pytest

from gazeclip.studies.gaze_stats import compare, matched


@pytest.fixture(autouse=True)
def few_resamplings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of reports are tested for being there; those of the statistics have their own."""
    for module in (compare, matched):
        monkeypatch.setattr(module, "BOOTSTRAPS", 100)
