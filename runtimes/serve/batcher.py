"""One inference at a time, on all images that came while the one before was running.

Nobody waits for a batch to fill: an image that comes alone is judged alone. Waiting for more (the
`max_batch_delay` of inference servers) would cost every answer that time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from gazeclip.errors import BundleError
from runtimes.batches import Infer, Outputs
from runtimes.serve.refusal import refuse_late


class Answer(NamedTuple):
    """One image's outputs without batch axis.

    `waited_ms` is how long it stood in the queue, `inference_ms` its share of the inference.
    """

    outputs: Outputs
    waited_ms: float
    inference_ms: float


class _Waiting(NamedTuple):
    pixels: np.ndarray  # uint8 (S, S, 3)
    answer: asyncio.Future[Answer]
    since: float
    deadline: float


class Batcher:
    """The queue before an engine. All but `infer` itself happens on the event loop."""

    def __init__(self, infer: Infer, size: int, observe: Callable[[int], None]) -> None:
        """Make the queue; `run` serves it.

        Args:
            infer: uint8 `(B, S, S, 3)` -> outputs `(B, ...)`; called in a thread of its own.
            size: images in one inference, at most.
            observe: told of every inference how many images it had.
        """
        self._infer = infer
        self._size = size
        self._observe = observe
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "engine")
        self._has_ended = False

    @property
    def waiting(self) -> int:
        """Images in the queue."""
        return self._queue.qsize()

    async def judge(self, pixels: np.ndarray, deadline: float) -> Answer:
        """The outputs of uint8 `(S, S, 3)`.

        Args:
            deadline: on the event loop's clock; what has not begun by then never will.

        Raises:
            Refusal: 503, too late.
            BundleError: the engine failed on this image, or nobody serves the queue any more.
        """
        self.require_running()
        loop = asyncio.get_running_loop()
        item = _Waiting(pixels, loop.create_future(), loop.time(), deadline)
        self._queue.put_nowait(item)
        return await item.answer

    async def run(self) -> None:
        """Serve the queue until cancelled. However it ends, nobody is left waiting."""
        batch: list[_Waiting] = []
        try:
            while True:
                batch = [await self._queue.get()]
                while len(batch) < self._size and not self._queue.empty():
                    batch.append(self._queue.get_nowait())
                try:
                    await self._judge_batch(self._leave_out_late(batch))
                except Exception as error:  # beside the engine: this batch is lost, not the server
                    _fail(batch, error)
        finally:
            self._has_ended = True
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            _fail(batch, _describe_end())

    def require_running(self) -> None:
        """Go on only while the queue is served, or about to be.

        Raises:
            BundleError: `run` has ended.
        """
        if self._has_ended:
            raise _describe_end()

    def close(self) -> None:
        """End the engine's thread."""
        self._thread.shutdown(cancel_futures=True)

    def _leave_out_late(self, batch: Sequence[_Waiting]) -> list[_Waiting]:
        now = asyncio.get_running_loop().time()
        kept = []
        for item in batch:
            if item.answer.done():  # whoever asked was cancelled
                continue
            if item.deadline < now:
                item.answer.set_exception(refuse_late())
            else:
                kept.append(item)
        return kept

    async def _judge_batch(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            pixels = np.stack([item.pixels for item in batch])  # (B, S, S, 3)
            outputs = await loop.run_in_executor(self._thread, self._infer, pixels)
        except Exception as error:
            await self._judge_after(batch, error)
            return
        self._observe(len(batch))
        share = (loop.time() - started) * 1e3 / len(batch)
        for row, item in enumerate(batch):
            if not item.answer.done():
                answer = {name: array[row] for name, array in outputs.items()}
                waited = (started - item.since) * 1e3
                item.answer.set_result(Answer(answer, waited, share))

    async def _judge_after(self, batch: list[_Waiting], error: Exception) -> None:
        """After a failure: each image by itself, so that one does not spoil the others' answers."""
        if len(batch) > 1:
            for item in batch:
                await self._judge_batch([item])
        elif not batch[0].answer.done():
            batch[0].answer.set_exception(error)


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for item in batch:
        if not item.answer.done():
            item.answer.set_exception(error)


def _describe_end() -> BundleError:
    return BundleError("the queue before the engine has ended", "Start the server again")
