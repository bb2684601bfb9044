"""The language of `--fail-if`: what it takes, what it means, and what it says of the rest."""

from __future__ import annotations

import pytest

from benchmarks.compare.condition import parse_conditions
from benchmarks.compare.figures import FIGURES
from gazeclip.errors import ConfigError


def test_the_example_of_the_help_is_read() -> None:
    found = parse_conditions("latency>1.1x or auc<-0.5pt or tpr<-2pt")
    assert [str(one) for one in found] == ["latency>1.1x", "auc<-0.5pt", "tpr<-2pt"]


@pytest.mark.parametrize(
    "text", ["LATENCY > 1.1 X", "latency>+1.10x", "  latency\t>1.1x  ", "latency >1.1x"]
)
def test_spaces_and_case_say_nothing(text: str) -> None:
    assert [str(one) for one in parse_conditions(text)] == ["latency>1.1x"]


@pytest.mark.parametrize(
    ("text", "a", "b", "met"),
    [
        ("latency>1.1x", 2.0, 2.21, True),
        ("latency>1.1x", 2.0, 2.19, False),
        ("latency>0.5ms", 2.0, 2.6, True),
        ("latency>0.5ms", 2.0, 2.4, False),
        ("auc<-0.5pt", 0.990, 0.984, True),
        ("auc<-0.5pt", 0.990, 0.986, False),
        ("auc<-0.5pt", 0.900, 0.990, False),
        ("fpr>1pt", 0.01, 0.03, True),
        ("fpr_unseen>1pt", 0.03, 0.01, False),
        ("size<0.5x", 4.0, 1.9, True),
        ("cllr>0.05bit", 0.10, 0.16, True),
        ("latency>1.1x", 0.0, 1.0, True),
    ],
)
def test_a_change_is_judged(text: str, a: float, b: float, met: bool) -> None:
    (condition,) = parse_conditions(text)
    assert condition.holds(a, b) is met


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latncy>1.1x", "character 1: there is no figure 'latncy'. Did you mean 'latency'?"),
        ("auc<-1pt or auk<1pt", "character 13: there is no figure 'auk'. Did you mean 'auc'?"),
        ("auc_unsen<-1pt", "Did you mean 'auc_unseen'?"),
        ("zzzz>1x", "there is no figure 'zzzz'. Known: latency, size, auc"),
        ("", "--fail-if: it ends where the name of a figure was expected"),
        ("auc", "character 4: it ends where '<' or '>' was expected"),
        ("auc<", "character 5: it ends where a number was expected"),
        ("auc<-1", "character 7: it ends where a unit (pt) was expected"),
        ("auc<-1x", "character 7: auc is compared in pt, not in 'x'"),
        ("latency>5pt", "latency is compared in ms or x, not in 'pt'"),
        ("auc<-1pt and tpr<-1pt", "character 10: 'and' where 'or' was expected"),
        ("auc<-1pt or", "character 12: it ends where the name of a figure was expected"),
        ("auc<-1pt tpr<1pt", "'tpr' where 'or' was expected"),
        ("auc=1pt", "character 4: '=' means nothing here"),
        ("__import__('os')", "character 11: '(' means nothing here"),
        ("1<auc", "character 1: '1' where the name of a figure was expected"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_conditions(text)
    assert message in str(caught.value)


def test_every_figure_can_be_named() -> None:
    for key, figure in FIGURES.items():
        for unit in figure.units:
            (condition,) = parse_conditions(f"{key}>1{unit}")
            assert condition.figure is figure
