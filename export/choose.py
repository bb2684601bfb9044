"""Which exports the options name: targets, precisions, and what of both is possible together."""

from __future__ import annotations

from collections.abc import Sequence

from export import registry
from export.batch import Pair
from gazeclip.bundle.layout import PRECISIONS, Precision
from gazeclip.errors import ConfigError, nearest

ALL = "all"
INT8: Precision = "int8"


def choose_targets(named: Sequence[str], otherwise: Sequence[str]) -> list[str]:
    """Targets in the order in which they were named, `all` standing for every one.

    Raises:
        ConfigError: no such target; the nearest name is only a hint.
    """
    for target in named:
        _refuse_unknown("export target", target, list(registry.TARGETS))
    if ALL in named:
        return list(registry.TARGETS)
    return list(dict.fromkeys(named or otherwise))


def choose_precisions(named: Sequence[str], otherwise: Sequence[str]) -> list[str]:
    """Precisions likewise; `all` stays as it is, because targets differ in what they can write.

    Raises:
        ConfigError: no such precision.
    """
    for precision in named:
        _refuse_unknown("precision", precision, list(PRECISIONS))
    return [ALL] if ALL in named else list(dict.fromkeys(named or otherwise))


def pair_up(
    targets: Sequence[str], precisions: Sequence[str], without: Sequence[str] = ()
) -> list[Pair]:
    """What to export, one precision after the other, fp32 first: the gate compares with it.

    Args:
        without: precisions that `all` does not mean here.

    Raises:
        ConfigError: a target cannot write a precision that was named; with what it can.
    """
    if list(precisions) != [ALL]:
        registry.refuse_impossible(targets, precisions)
        named = [precision for precision in PRECISIONS if precision in precisions]
        return [(target, precision) for precision in named for target in targets]
    pairs: list[Pair] = []
    for precision in PRECISIONS:
        able = [name for name in targets if precision in registry.find_target(name).precisions]
        pairs += [(name, precision) for name in able if precision not in without]
    return pairs


def _refuse_unknown(kind: str, name: str, known: list[str]) -> None:
    if name not in (*known, ALL):
        raise ConfigError(f"there is no {kind} '{name}'", remedy=nearest(name, [*known, ALL]))
