"""The self-test after a failure: one at a time, and its answer holds a while."""

from __future__ import annotations

import asyncio

import pytest

from gazeclip.errors import BundleError
from runtimes.serve import health
from runtimes.serve.health import Health


class SelfTest:
    """Counts how often it is run and how many run at once; fails while `fault` is set."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.runs = 0
        self.now = 0
        self.most = 0

    async def __call__(self) -> None:
        self.runs += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        if self.fault is not None:
            raise self.fault


def test_nobody_tests_what_has_not_failed() -> None:
    test = SelfTest()
    asyncio.run(Health(test).check())
    assert test.runs == 0


@pytest.mark.parametrize("fault", [None, BundleError("is off"), ValueError("secret")])
def test_many_who_ask_cost_one_test(fault: Exception | None) -> None:
    test = SelfTest()
    test.fault = fault

    async def work() -> list[BaseException | None]:
        watched = Health(test)
        watched.engine_failed = True
        askers = (watched.check() for _ in range(20))
        found = await asyncio.gather(*askers, return_exceptions=True)
        watched.engine_failed = True  # once more, within the same second
        return [*found, *await asyncio.gather(watched.check(), return_exceptions=True)]

    found = asyncio.run(work())
    assert (test.runs, test.most) == (1, 1)
    assert {type(error) for error in found} == {type(None) if fault is None else BundleError}
    assert "secret" not in str(found[0])


def test_a_later_test_may_say_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_KEPT_SECONDS", 0.0)
    test = SelfTest()
    test.fault = BundleError("is off")

    async def work() -> None:
        watched = Health(test)
        watched.engine_failed = True
        with pytest.raises(BundleError, match="is off"):
            await watched.check()
        assert watched.engine_failed
        test.fault = None
        await watched.check()
        assert not watched.engine_failed

    asyncio.run(work())
    assert test.runs == 2


def test_a_test_that_was_given_up_says_nothing() -> None:
    test = SelfTest()

    async def work() -> None:
        watched = Health(test)
        watched.engine_failed = True
        asker = asyncio.create_task(watched.check())
        await asyncio.sleep(0)
        asker.cancel()
        await asyncio.gather(asker, return_exceptions=True)
        assert watched.engine_failed

    asyncio.run(work())
    assert test.runs == 1
