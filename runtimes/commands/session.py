"""One `verify` at work: what it judges is told at once, and counted."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from gazeclip.console.progress import can_show_progress, progress_callback, say
from gazeclip.errors import FaceError, ImageError
from gazeclip.images.source import ImageSource
from runtimes.annotate.copies import Copies, make_repeatable
from runtimes.answers import Tally
from runtimes.commands.forms import Form
from runtimes.commands.inputs import Inputs, Named, describe_unreadable
from runtimes.commands.watch import LOOK_EVERY_S, Stop, Watch
from runtimes.remarks import Remarks
from runtimes.verdict import Verdict
from runtimes.verifier import Outcome
from runtimes.video.kinds import is_film

# Outcomes of sources, each with the number of its source from 0.
Judge = Callable[[Iterable[ImageSource]], Iterator[tuple[int, Outcome]]]


class Told(NamedTuple):
    """All outcomes of one frame of an image, and the place of that image."""

    number: int
    image: Named
    outcomes: list[Outcome]


class Session:
    """Judges images and tells the outcomes in a form, with remarks on standard error."""

    def __init__(
        self,
        judge: Judge,
        form: Form,
        tally: Tally,
        remarks: Remarks,
        copies: Copies | None = None,
    ) -> None:
        self._judge = judge
        self._form = form
        self.tally = tally
        self._remarks = remarks
        self._copies = copies

    def work_off(
        self, inputs: Inputs, stop: Stop | None = None, watch: Watch | None = None
    ) -> None:
        """Judge all that was named, or what of it there is time for; a bar shows how far it is.

        What is judged here and does not change later is not due in `watch`.
        """
        is_shown = can_show_progress() and not self._shares_terminal()
        total = inputs.count() if is_shown else None
        bar = progress_callback("judging", unit="images") if is_shown else nullcontext(_ignore)
        images = inputs if watch is None else watch.leave_out(inputs)
        with bar as report:
            self._judge_all(images, stop, lambda done: report(done, total))
        for name, failure in inputs.failures:
            self._tell_one(name, failure, None)

    def follow(self, watch: Watch, stop: Stop) -> None:
        """Judge what comes into a folder until the end is asked for."""
        say(f"watching {watch.folder}; Ctrl-C ends it")
        while not stop.is_requested:
            time.sleep(LOOK_EVERY_S)
            due = watch.find_due()
            images = [Named(str(item.path), item.path) for item in due if item.reason is None]
            self._judge_all(images, stop)
            for path, reason in due:
                if reason is not None:
                    self._tell_one(str(path), describe_unreadable(path, reason), None)

    def close(self) -> int:
        """Finish the form; the exit code."""
        self._form.close(self.tally)
        if self._copies is not None:
            say(f"annotated copies in {self._copies.folder}: {self._copies.count}")
        return self.tally.exit_code()

    def break_off(self) -> None:
        """Print the rows that a form keeps to its end; what is written at once is out already."""
        if not self._form.is_streamed and self.tally.total():
            self._form.close(self.tally)

    def _judge_all(
        self,
        images: Iterable[Named],
        stop: Stop | None,
        report: Callable[[int], None] = lambda done: None,
    ) -> None:
        try:
            for told in self._judge_each(_give_until(stop, images)):
                self._tell(told)
                report(told.number + 1)
        finally:
            if self._copies is not None:
                self._copies.close()

    def _tell(self, told: Told) -> None:
        copy = self._save_copy(told)
        for outcome in told.outcomes:
            self._tell_one(told.image.name, outcome, copy)

    def _tell_one(self, name: str, outcome: Outcome, copy: Path | None) -> None:
        self.tally.add(outcome)
        self._form.add(name, outcome, copy)
        for line in self._remarks.describe(name, outcome):
            say(line)

    def _save_copy(self, told: Told) -> Path | None:
        drawn = [item for item in told.outcomes if isinstance(item, Verdict | FaceError)]
        if self._copies is None or not drawn:
            return None
        if is_film(told.image.source):
            say(f"warning: {told.image.name}: no annotated copy, as it is a film")
            return None
        try:
            return self._copies.save(told.number, told.image.name, told.image.source, drawn)
        except ImageError as error:
            say(f"warning: no annotated copy: {error}")
            return None

    def _judge_each(self, images: Iterable[Named]) -> Iterator[Told]:
        """The outcomes of each frame with its image; only the images of one batch are held."""
        waiting: deque[tuple[int, Named]] = deque()

        def hand_over() -> Iterator[ImageSource]:
            for number, image in enumerate(images):
                if self._copies is not None:
                    image = image._replace(source=make_repeatable(*image))
                waiting.append((number, image))
                yield image.source

        outcomes = self._judge(hand_over())
        for number, frame in self._group(outcomes):
            while waiting[0][0] < number:
                waiting.popleft()
            image = waiting[0][1]
            yield Told(number, image, [_name_image(outcome, image) for outcome in frame])

    def _group(
        self, outcomes: Iterator[tuple[int, Outcome]]
    ) -> Iterator[tuple[int, list[Outcome]]]:
        """The outcomes of each frame together, for a copy shows them all; else one by one.

        A frame is known to be complete when the next one comes: its outcomes are told later.
        """
        if self._copies is None:
            yield from ((number, [outcome]) for number, outcome in outcomes)
            return
        for (number, _), frame in itertools.groupby(outcomes, key=_find_frame):
            yield number, [outcome for _, outcome in frame]

    def _shares_terminal(self) -> bool:
        """Whether a bar would stand between the lines of the form."""
        return self._form.is_streamed and sys.stdout.isatty()


def _give_until(stop: Stop | None, images: Iterable[Named]) -> Iterator[Named]:
    """The images, but no more of them once the end is asked for."""
    for image in images:
        if stop is not None and stop.is_requested:
            return
        yield image


def _ignore(done: int, total: int | None) -> None:
    """No bar is shown."""


def _find_frame(numbered: tuple[int, Outcome]) -> tuple[int, int | None]:
    """What the outcomes of one frame have in common; other errors do not say which it is."""
    number, outcome = numbered
    return number, outcome.frame if isinstance(outcome, Verdict | FaceError) else None


def _name_image(outcome: Outcome, image: Named) -> Outcome:
    """What came on standard input is called so in messages, and `-` in results."""
    if isinstance(outcome, Verdict) and outcome.source != image.name:
        return dataclasses.replace(outcome, source=image.name)
    return outcome
