"""One `verify` at work: what it judges is told at once, and counted."""

from __future__ import annotations

import dataclasses
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import NamedTuple

from gazeclip.console.progress import can_show_progress, progress_callback, say
from gazeclip.images.source import ImageSource
from runtimes.answers import Tally
from runtimes.commands.forms import Form
from runtimes.commands.inputs import Inputs, Named
from runtimes.remarks import Remarks
from runtimes.verdict import Verdict
from runtimes.verifier import Outcome

# Outcomes of sources, each with the number of its source from 0.
Judge = Callable[[Iterable[ImageSource]], Iterator[tuple[int, Outcome]]]


class Told(NamedTuple):
    """An outcome, and the place and name of the image that it is about."""

    number: int
    image: Named
    outcome: Outcome


class Session:
    """Judges images and tells the outcomes in a form, with remarks on standard error."""

    def __init__(self, judge: Judge, form: Form, tally: Tally, remarks: Remarks) -> None:
        self._judge = judge
        self._form = form
        self.tally = tally
        self._remarks = remarks

    def work_off(self, inputs: Inputs) -> None:
        """Judge all that was named; a bar shows how far it is."""
        is_shown = can_show_progress() and not self._shares_terminal()
        total = inputs.count() if is_shown else None
        bar = progress_callback("judging", unit="images") if is_shown else nullcontext(_ignore)
        with bar as report:
            for told in self._judge_each(inputs):
                self._tell(told.image.name, told.outcome)
                report(told.number + 1, total)
        for name, failure in inputs.failures:
            self._tell(name, failure)

    def close(self) -> int:
        """Finish the form; the exit code."""
        self._form.close(self.tally)
        return self.tally.exit_code()

    def _tell(self, name: str, outcome: Outcome) -> None:
        self.tally.add(outcome)
        self._form.add(name, outcome)
        for line in self._remarks.describe(name, outcome):
            say(line)

    def _judge_each(self, images: Iterable[Named]) -> Iterator[Told]:
        """Each outcome with its image; only the images of one batch are held."""
        waiting: deque[tuple[int, Named]] = deque()

        def hand_over() -> Iterator[ImageSource]:
            for number, image in enumerate(images):
                waiting.append((number, image))
                yield image.source

        for number, outcome in self._judge(hand_over()):
            while waiting[0][0] < number:
                waiting.popleft()
            image = waiting[0][1]
            if isinstance(outcome, Verdict) and outcome.source != image.name:
                outcome = dataclasses.replace(outcome, source=image.name)
            yield Told(number, image, outcome)

    def _shares_terminal(self) -> bool:
        """Whether a bar would stand between the lines of the form."""
        return self._form.is_streamed and sys.stdout.isatty()


def _ignore(done: int, total: int | None) -> None:
    """No bar is shown."""
