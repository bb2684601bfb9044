"""Whether inferences succeed: after one that failed, the self-test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gazeclip.errors import BundleError

_KEPT_SECONDS = 1.0


class Health:
    """Runs the self-test when somebody asks after a failure; on the event loop only.

    One at a time, and its answer holds for a second: who asks often must not cost the engine more
    than who asks seldom.
    """

    def __init__(self, run_self_test: Callable[[], Awaitable[None]]) -> None:
        self.engine_failed = False
        self._run_self_test = run_self_test
        self._lock = asyncio.Lock()
        self._fault: BundleError | None = None
        self._kept_until = 0.0  # on the event loop's clock

    async def check(self) -> None:
        """Pass where no inference has failed since the last self-test that passed.

        Raises:
            BundleError: the self-test fails.
        """
        async with self._lock:
            if not self.engine_failed:
                return
            clock = asyncio.get_running_loop().time
            if clock() >= self._kept_until:
                await self._test()
                self._kept_until = clock() + _KEPT_SECONDS
            if self._fault is not None:
                raise BundleError(self._fault.message, self._fault.remedy)

    async def _test(self) -> None:
        self.engine_failed = False  # beforehand, as an inference may fail meanwhile
        try:
            await self._run_self_test()
        except BaseException as error:
            self.engine_failed = True
            if not isinstance(error, Exception):  # given up: it has said nothing
                raise
            kind = BundleError(f"the self-test failed: {type(error).__name__}")
            self._fault = error if isinstance(error, BundleError) else kind
        else:
            self._fault = None
