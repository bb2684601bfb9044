"""The probes find what gaze tells."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gazeclip.scoring import metrics
from gazeclip.studies.ablation import probe


def test_probes_find_what_gaze_tells_and_nothing_where_it_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1, 3], 60)  # class 2 has no training image
    yaw = rng.normal(0, 1, 180) * np.repeat(
        [1.0, 0.1, 0.1], 60
    )  # forged faces look ahead: a matter of spread, not of direction
    table = probe._expand_angles(np.stack((rng.normal(0, 1, 180), yaw), axis=1))
    noise = rng.normal(0, 1, (180, 8))
    tables = {
        "angles": {"train": table, "test": table},
        "features": {"train": noise, "test": rng.normal(0, 1, (180, 8))},
    }
    monkeypatch.setattr(probe, "_build_tables", lambda *_: (tables, targets))
    found = probe.score_probes(SimpleNamespace(classes=("real", "a", "b", "c")), ("test",), Path())  # type: ignore[arg-type]
    assert metrics.roc_auc(targets != 0, found["angles_test_fake_logit"]) > 0.85
    assert abs(metrics.roc_auc(targets != 0, found["features_test_fake_logit"]) - 0.5) < 0.15
    assert (found["angles_test_logits"][:, 2] == -30.0).all() and found[
        "angles_test_logits"
    ].shape == (180, 4)
