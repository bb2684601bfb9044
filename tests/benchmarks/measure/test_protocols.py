"""P1 to P3 of a file, against scikit-learn and against shares counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.measure.protocols import Resampling, measure_images, measure_protocols
from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.rule import Rule
from gazeclip.scoring.evidence import Evidence
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.taxonomy import Taxonomy

TAXONOMY = Taxonomy.load("demo")
CLASSES = TAXONOMY.classes()
# LLR = 2 * fake_logit - 2; fake from 1, real below -1
RULE = Rule(Evidence(("detection",), (2.0,), -2.0, -50.0, 50.0), OperatingPoint("fpr1", 1.0, -1.0))


def make_outputs(names: tuple[str, ...], seed: int, persons: bool = True) -> SplitOutputs:
    rng = np.random.default_rng(seed)
    labels = tuple(name for name in names for _ in range(20))
    fake = np.array([name != "real" for name in labels])
    score = rng.normal(0, 1, len(labels)) + 1.5 * fake
    identities = tuple(f"p{number // 2}" for number in range(len(labels))) if persons else None
    return SplitOutputs(score, np.zeros((len(labels), len(CLASSES))), labels, None, identities)


@pytest.fixture(name="splits")
def make_splits() -> dict[str, SplitOutputs]:
    seen = tuple(one.name for one in TAXONOMY.generators if one.seen)
    unseen = ("real", *(one.name for one in TAXONOMY.generators if not one.seen))
    return {
        "test": make_outputs(("real", *(name for name in seen if name != "real")), 0),
        "test_unseen": make_outputs(unseen, 1),
    }


def test_figures_are_those_of_the_rows(splits: dict[str, SplitOutputs]) -> None:
    found = measure_protocols(splits, RULE, TAXONOMY, CLASSES, Resampling(0, 0))
    outputs = splits["test"]
    fake = outputs.is_fake
    labels = np.array(outputs.labels)
    one = found["P1"]
    assert one["auc"] == pytest.approx(roc_auc_score(fake, outputs.fake_logit))
    assert one["tpr"] == pytest.approx((2 * outputs.fake_logit[fake] - 2 >= 1).mean())
    assert one["fpr"] == pytest.approx((2 * outputs.fake_logit[~fake] - 2 >= 1).mean())
    for name, own in one["per_generator"].items():
        rows = ~fake | (labels == name)
        assert own["auc"] == pytest.approx(roc_auc_score(fake[rows], outputs.fake_logit[rows]))
        mine = outputs.fake_logit[labels == name]
        assert own["tpr"] == pytest.approx((mine >= 1.5).mean())
        assert own["inconclusive"] == pytest.approx(((mine >= 0.5) & (mine < 1.5)).mean())
        assert own["auc_interval"] is None
    assert set(one["per_generator"]) == set(labels[fake])


def test_protocols_have_the_images_that_belong_to_them(splits: dict[str, SplitOutputs]) -> None:
    # Without the classes of one family its unseen generators are of an unknown family.
    family = next(one.family for one in TAXONOMY.generators if not one.seen)
    known = tuple(name for name in CLASSES if TAXONOMY.get(name).family != family)
    found = measure_protocols(splits, RULE, TAXONOMY, known, Resampling(0, 0))
    for name, expected in (("P2", False), ("P3", True)):
        for generator in found[name]["per_generator"]:
            assert (TAXONOMY.get(generator).family == family) is expected
        assert found[name]["n_real"] == 20
    everything = {**found["P2"]["per_generator"], **found["P3"]["per_generator"]}
    assert set(everything) == set(splits["test_unseen"].labels) - {"real"}


def test_intervals_resample_persons(splits: dict[str, SplitOutputs]) -> None:
    outputs = splits["test"]
    found: dict[str, Any] = measure_images("P1", "test", outputs, RULE, Resampling(400, 3))
    called = 2 * outputs.fake_logit - 2 >= 1
    rng = np.random.default_rng(7)  # other draws: intervals agree within their own noise
    codes = np.unique(outputs.clusters, return_inverse=True)[1]
    fake = outputs.is_fake
    drawn = []
    for _ in range(400):
        persons = rng.integers(0, codes.max() + 1, codes.max() + 1)
        rows = np.concatenate([np.flatnonzero(codes == person) for person in persons])
        drawn.append(called[rows][fake[rows]].mean())
    # 400 draws leave the 2.5% quantiles of a share of this size uncertain by about a hundredth.
    np.testing.assert_allclose(found["tpr_interval"], np.quantile(drawn, [0.025, 0.975]), atol=0.03)
    low, high = found["auc_interval"]
    assert low < found["auc"] < high
