"""The queue before the engine: what came meanwhile goes together, and nobody waits for company."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from gazeclip.errors import BundleError
from runtimes.serve.batcher import Answer, Batcher
from runtimes.serve.refusal import Refusal

FOREVER = float("inf")


class Engine:
    """Doubles numbers; holds an inference until `go` is set; fails on 13."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.batches: list[list[int]] = []

    def infer(self, images: np.ndarray) -> dict[str, np.ndarray]:
        self.batches.append(images[:, 0].tolist())
        self.begun.set()
        assert self.go.wait(10)
        if 13 in images:
            raise ValueError("13")
        return {"double": images * 2}


def run(engine: Engine, size: int, use: Callable[[Batcher], Awaitable[None]]) -> list[int]:
    """Use a batcher on an event loop; the sizes that it reported."""
    sizes: list[int] = []

    async def work() -> None:
        batcher = Batcher(engine.infer, size, sizes.append)
        task = asyncio.create_task(batcher.run())
        try:
            await asyncio.wait_for(use(batcher), 10)
        finally:
            task.cancel()
            batcher.close()

    asyncio.run(work())
    return sizes


def ask(batcher: Batcher, *numbers: int) -> list[asyncio.Task[Answer]]:
    return [asyncio.create_task(batcher.judge(np.array([number]), FOREVER)) for number in numbers]


async def wait_until_begun(engine: Engine) -> None:
    await asyncio.get_running_loop().run_in_executor(None, engine.begun.wait, 10)


def test_what_came_while_the_engine_was_busy_goes_together() -> None:
    engine = Engine()

    async def use(batcher: Batcher) -> None:
        first = ask(batcher, 1)
        await wait_until_begun(engine)
        others = ask(batcher, 2, 3, 4, 5, 6)
        await asyncio.sleep(0)
        assert batcher.waiting == 5
        engine.go.set()
        answers = await asyncio.gather(*first, *others)
        assert [answer.outputs["double"].tolist() for answer in answers] == [
            [2], [4], [6], [8], [10], [12]
        ]  # fmt: skip
        assert all(answer.waited_ms >= 0 and answer.inference_ms > 0 for answer in answers)

    assert run(engine, 3, use) == [1, 3, 2]
    assert engine.batches == [[1], [2, 3, 4], [5, 6]]


def test_one_that_fails_does_not_spoil_the_others() -> None:
    engine = Engine()

    async def use(batcher: Batcher) -> None:
        first = ask(batcher, 1)
        await wait_until_begun(engine)
        others = ask(batcher, 2, 13, 3)
        await asyncio.sleep(0)
        engine.go.set()
        answers = await asyncio.gather(*first, *others, return_exceptions=True)
        assert isinstance(answers[2], ValueError)
        good = [answer for answer in answers if isinstance(answer, Answer)]
        assert [answer.outputs["double"].item() for answer in good] == [2, 4, 6]
        assert (await ask(batcher, 7)[0]).outputs["double"].item() == 14

    assert run(engine, 8, use) == [1, 1, 1, 1]


def test_what_is_late_or_given_up_is_never_begun() -> None:
    engine = Engine()

    async def use(batcher: Batcher) -> None:
        first = ask(batcher, 1)
        await wait_until_begun(engine)
        late = asyncio.create_task(batcher.judge(np.array([2]), 0.0))
        (given_up,) = ask(batcher, 3)
        others = ask(batcher, 4)
        await asyncio.sleep(0)
        given_up.cancel()
        engine.go.set()
        with pytest.raises(Refusal) as caught:
            await late
        assert caught.value.status == 503 and "Retry-After" in caught.value.headers
        await asyncio.gather(*first, *others)

    assert run(engine, 8, use) == [1, 1]
    assert engine.batches == [[1], [4]]


def test_a_fault_beside_the_engine_leaves_nobody_waiting() -> None:
    engine = Engine()
    engine.go.set()

    def fail_once(size: int) -> None:
        if len(engine.batches) == 1:
            raise RuntimeError("observer")

    async def work() -> None:
        batcher = Batcher(engine.infer, 8, fail_once)
        task = asyncio.create_task(batcher.run())
        with pytest.raises(RuntimeError, match="observer"):
            await asyncio.wait_for(batcher.judge(np.array([1]), FOREVER), 5)
        answer = await asyncio.wait_for(batcher.judge(np.array([2]), FOREVER), 5)
        assert answer.outputs["double"].item() == 4
        task.cancel()
        batcher.close()

    asyncio.run(work())


def test_once_the_queue_has_ended_nobody_waits() -> None:
    engine = Engine()

    async def work() -> None:
        batcher = Batcher(engine.infer, 1, lambda size: None)
        task = asyncio.create_task(batcher.run())
        waiting = ask(batcher, 1, 2, 3)
        await wait_until_begun(engine)
        batcher.require_running()
        task.cancel()
        answers = asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in await asyncio.wait_for(answers, 5)] == [BundleError] * 3
        with pytest.raises(BundleError, match="has ended"):
            await asyncio.wait_for(batcher.judge(np.array([4]), FOREVER), 5)
        with pytest.raises(BundleError, match="has ended"):
            batcher.require_running()
        engine.go.set()
        batcher.close()

    asyncio.run(work())
