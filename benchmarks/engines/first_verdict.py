"""One start of a process up to its first verdict, timed in that process.

    python -m benchmarks.engines.first_verdict STARTED BUNDLE IMAGE CROP THREADS

STARTED is the time at which whoever starts this process did so (`time.time()`). Nothing of the
project but its front door is imported outside the clock.
"""

from __future__ import annotations

import time

_BEGAN = time.time()

import itertools  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402


def main(arguments: list[str]) -> None:
    """Write one line of JSON: milliseconds by stage."""
    started, bundle, image, crop, threads = arguments
    marks = [float(started), _BEGAN, time.time()]
    from runtimes import load

    marks.append(time.time())
    verifier = load(bundle, threads=int(threads))
    marks.append(time.time())
    verifier.self_test()
    marks.append(time.time())
    # how sure it is does not matter, and neither does a photograph without a face
    next(iter(verifier.outcomes(image, crop=crop)))
    marks.append(time.time())
    del marks[2]  # JSON and the rest are the measurement's own
    spans = [(after - before) * 1e3 for before, after in itertools.pairwise(marks)]
    stages = ("python", "import", "load", "self-test", "first verdict")
    sys.stdout.write(json.dumps(dict(zip(stages, spans, strict=True))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
