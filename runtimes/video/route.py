"""Images and films of one list, each judged in its own way, in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gazeclip.errors import ImageError
from gazeclip.images.source import ImageSource
from runtimes.sources import Reader, read_sources
from runtimes.verdict import Verdict
from runtimes.video.kinds import is_film
from runtimes.video.sample import Sampling

if TYPE_CHECKING:
    from runtimes.video.film import JudgeAll


def judge_sources(
    sources: Iterable[ImageSource],
    reader: Reader,
    judge: JudgeAll,
    frames: int | None,
    sampling: Sampling,
    threads: int,
) -> Iterator[tuple[int, Verdict | ImageError]]:
    """The outcomes of all sources in order, each with its source's number from 0.

    A batch never holds images of both sides of a film. One source is looked at ahead.
    """
    numbered = enumerate(sources)
    for filmed, group in itertools.groupby(numbered, key=lambda item: is_film(item[1])):
        if not filmed:
            yield from judge(read_sources(reader, group, frames))
            continue
        from runtimes.video.film import judge_film  # photographs need not wait for it

        for number, source in group:
            # what is a film is a path
            yield from judge_film(source, number, reader, judge, sampling, threads)  # type: ignore[arg-type]
