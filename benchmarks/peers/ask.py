"""Whether peers are asked for; what they are built with is imported only then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gazeclip.recipe.stages import ReportStage


def check_if_asked(stage: ReportStage) -> None:
    """Whether peers can be measured, before anything else is.

    Raises:
        StageError: there is no room for their files.
        MissingDependencyError: what they are built with is not installed.
    """
    if stage.peers:
        from benchmarks.peers.measure import check_peers

        check_peers()


def measure_if_asked(bundles: Sequence[Path], stage: ReportStage) -> dict[str, Any] | None:
    """`peers` of report.json; None where they are not asked for."""
    if not stage.peers:
        return None
    from benchmarks.peers.measure import measure_peers

    return measure_peers(bundles, stage)
