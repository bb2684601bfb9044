"""The language of `--fail-if`: when the second report counts as worse.

    conditions = condition { "or" condition }
    condition  = figure ( "<" | ">" ) number unit
    unit       = "x" (the second over the first) | "pt" | "ms" | "mb" | "bit" (the difference)

Read by hand: nothing of what is given is ever evaluated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarks.compare.figures import FIGURES, Figure
from gazeclip.errors import ConfigError, nearest

EXAMPLE = 'Such as "latency>1.1x or auc<-0.5pt or tpr<-2pt"'
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?\d+(?:\.\d+)?)|(?P<word>[a-z_]+)|(?P<sign>[<>]))", re.IGNORECASE
)


@dataclass(frozen=True)
class Condition:
    """What must not be: a change of `figure` beyond `amount`, above or below it."""

    figure: Figure
    above: bool
    amount: float
    unit: str

    def holds(self, a: float, b: float) -> bool:
        """Whether the change from `a` to `b` is what must not be."""
        change = self.figure.change(a, b, self.unit)
        return change > self.amount if self.above else change < self.amount

    def __str__(self) -> str:
        return f"{self.figure.key}{'>' if self.above else '<'}{self.amount:g}{self.unit}"


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int  # in characters from 1, as people count


def parse_conditions(text: str) -> tuple[Condition, ...]:
    """The conditions of an expression, of which one is enough.

    Raises:
        ConfigError: what is wrong, and at which character.
    """
    reader = _Reader(text)
    found = [reader.read_condition()]
    while reader.rest:
        word = reader.take("word", "'or'")
        if word.text.lower() != "or":
            raise _complain(text, word.place, f"'{word.text}' where 'or' was expected")
        found.append(reader.read_condition())
    return tuple(found)


class _Reader:
    """Takes one token after the other."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.rest = _split_tokens(text)

    def take(self, kind: str, wanted: str) -> _Token:
        """The next token, which must be of this kind."""
        if not self.rest:
            raise _complain(self.text, len(self.text) + 1, f"it ends where {wanted} was expected")
        token = self.rest.pop(0)
        if token.kind != kind:
            raise _complain(self.text, token.place, f"'{token.text}' where {wanted} was expected")
        return token

    def read_condition(self) -> Condition:
        """One condition; everything that is known of its words is checked."""
        name = self.take("word", "the name of a figure")
        figure = FIGURES.get(name.text.lower())
        if figure is None:
            what = f"there is no figure '{name.text}'"
            raise ConfigError(
                f"--fail-if, character {name.place}: {what}",
                remedy=nearest(name.text.lower(), FIGURES),
            )
        sign = self.take("sign", "'<' or '>'")
        number = self.take("number", "a number")
        units = " or ".join(figure.units)
        unit = self.take("word", f"a unit ({units})")
        if unit.text.lower() not in figure.units:
            what = f"{figure.key} is compared in {units}, not in '{unit.text}'"
            raise _complain(self.text, unit.place, what)
        return Condition(figure, sign.text == ">", float(number.text), unit.text.lower())


def _split_tokens(text: str) -> list[_Token]:
    found = []
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            rest = text[place:].lstrip()
            raise _complain(text, len(text) - len(rest) + 1, f"'{rest[0]}' means nothing here")
        kind = str(match.lastgroup)
        found.append(_Token(kind, match[kind], match.start(kind) + 1))
        place = match.end()
    return found


def _complain(text: str, place: int, what: str) -> ConfigError:
    where = f", character {place}" if text.strip() else ""
    return ConfigError(f"--fail-if{where}: {what}", remedy=EXAMPLE)
