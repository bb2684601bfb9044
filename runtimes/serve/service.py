"""From uploaded files to verdicts: decoded by several threads, judged by one, nothing kept.

The part of the server that knows no HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

from gazeclip.errors import FaceError, ImageError
from runtimes.answers import Judged, describe_outcomes
from runtimes.judge import Rule
from runtimes.serve.batcher import Batcher
from runtimes.serve.health import Health
from runtimes.serve.limits import Limits
from runtimes.serve.refusal import Refusal, UploadError, refuse_crowd, refuse_image, refuse_late
from runtimes.serve.uploads import Upload, check_upload, is_form, split_form
from runtimes.sources import Decoded, Reader
from runtimes.verifier import Outcome, Verifier

T = TypeVar("T")


class Observer(Protocol):
    """Is told what happens, for the counters."""

    def count_batch(self, size: int) -> None:
        """One inference of so many images."""

    def count_verdict(self, verdict: str) -> None:
        """One image or face that was judged."""


@dataclass(frozen=True)
class Wish:
    """How the files of one request are to be judged.

    Attributes:
        deadline: on the event loop's clock; nothing is begun after it.
    """

    rule: Rule
    crop: str
    embedding: bool
    deadline: float


class Service:
    """A verifier behind a queue. All methods are called on one event loop."""

    def __init__(self, verifier: Verifier, limits: Limits, observer: Observer) -> None:
        self.verifier = verifier
        self.limits = limits
        self.batcher = Batcher(verifier.infer, limits.batch, observer.count_batch)
        self._count_verdict = observer.count_verdict
        self._decoders = ThreadPoolExecutor(verifier.threads, "decoder")
        self.health = Health(self._run_self_test)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve the queue meanwhile."""
        task = asyncio.create_task(self.batcher.run())
        try:
            yield
        finally:
            task.cancel()
            self._decoders.shutdown(cancel_futures=True)  # who asked for these is gone
            self.batcher.close()

    async def answer(self, content_type: str | None, body: bytes, wish: Wish) -> dict[str, Any]:
        """What `verify --json` prints about the files of a request's body.

        Raises:
            Refusal: the form is damaged, the only file cannot be judged, there are too many faces,
                or it is too late.
            MissingDependencyError: faces are looked for, and nothing is installed that can.
            BundleError: the engine failed.
        """
        if is_form(content_type):
            uploads = await self._decode(wish, split_form, content_type, body, self.limits.files)
        else:
            uploads = [Upload("image 0", body)]
        crowd = _Crowd(self.limits.faces)
        found = await _finish_all([self._judge_upload(each, wish, crowd) for each in uploads])
        judged: Judged = [outcome for outcomes in found for outcome in outcomes]
        if len(judged) == 1:
            only = judged[0][1]
            if isinstance(only, ImageError) and not isinstance(only, FaceError):
                raise refuse_image(only)
        point = wish.rule.point
        described = describe_outcomes(self.verifier, point, judged, wish.crop, wish.embedding)
        # where it lies on this machine is nobody's business
        described["bundle"]["folder"] = self.verifier.bundle.folder.name
        return described

    async def check_engine(self) -> None:
        """After a failed inference: the self-test once more.

        Raises:
            BundleError: it fails as well, or nobody serves the queue.
        """
        self.batcher.require_running()
        await self.health.check()

    async def _run_self_test(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._decoders, self.verifier.self_test)

    async def _judge_upload(self, upload: Upload, wish: Wish, crowd: _Crowd) -> Judged:
        items = await self._decode(wish, self._read_upload, upload, wish.crop)
        crowd.add(items)
        return list(await _finish_all([self._judge_item(item, wish) for item in items]))

    def _read_upload(self, upload: Upload, crop: str) -> list[Decoded]:
        """What is to be judged of a file, or the error that says why nothing is."""
        try:
            check_upload(upload.data, self.limits.pixels)
        except UploadError as error:
            return [Decoded(0, upload.name, error, {})]
        reader: Reader = self.verifier.choose_reader(crop)
        # faces are cut when they are asked for: one too many is enough to know
        found = islice(reader.read(upload.data, 0, 1), self.limits.faces + 1)
        return [item._replace(name=upload.name) for item in found]

    async def _judge_item(self, item: Decoded, wish: Wish) -> tuple[str, Outcome]:
        if isinstance(item.image, ImageError):
            return item.name, item.image
        try:
            answer = await self.batcher.judge(item.image, wish.deadline)
        except Refusal:
            raise
        except Exception:
            self.health.engine_failed = True
            raise
        timings_ms = {
            **item.timings_ms,
            "queue": answer.waited_ms,
            "inference": answer.inference_ms,
        }
        verdict = self.verifier.judge.decide(item, answer.outputs, wish.rule, timings_ms)
        self._count_verdict(verdict.verdict)
        return item.name, verdict

    async def _decode(self, wish: Wish, work: Callable[..., T], *arguments: Any) -> T:
        """Call `work` in a decoder's thread, unless the deadline passes before it begins."""
        loop = asyncio.get_running_loop()

        def begin() -> T:
            if loop.time() > wish.deadline:
                raise refuse_late()
            return work(*arguments)

        return await loop.run_in_executor(self._decoders, begin)


class _Crowd:
    """Counts the faces of one request; on the event loop only."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0

    def add(self, items: Sequence[Decoded]) -> None:
        """The faces of one more file.

        Raises:
            Refusal: 413, there are too many by now.
        """
        self._count += sum(item.face is not None for item in items)
        if self._count > self._most:
            raise refuse_crowd(self._most)


async def _finish_all(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; if one fails, its error once the others have finished as well."""
    if len(works) == 1:
        return [await works[0]]  # a task of its own costs more
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
