"""Keep the converters' progress talk off the console without hiding what they raise."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

_LOGGERS = (
    "absl",
    "ai_edge_quantizer",
    "coremltools",
    "jax",
    "litert_torch",
    "nncf",
    "root",
    "torch.onnx",
    "torch.utils._pytree",
    "torchao",
)


@contextlib.contextmanager
def quiet(native: bool = False) -> Iterator[None]:
    """Silence warnings, loggers below ERROR and printed progress; exceptions pass.

    The converters warn about versions they were not tested with and about Python values becoming
    constants in a trace, which is the aim here. What they print is shown on standard error when
    they raise.

    Args:
        native: also hold back what C++ code writes to standard error.
    """
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    printed = io.StringIO()
    with contextlib.ExitStack() as stack:
        if native:
            stack.enter_context(_native_stderr())
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.enter_context(contextlib.redirect_stderr(printed))
        warnings.simplefilter("ignore")
        try:
            for name in _LOGGERS:
                logging.getLogger(name).setLevel(logging.ERROR)
            yield
        except BaseException:
            # Its bytes need be no text, and what the converter raises is what counts.
            os.write(2, printed.getvalue().encode(errors="backslashreplace"))
            raise
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def _native_stderr() -> Iterator[None]:
    """Send file descriptor 2 to a file; copy the file to the real one if the block raises."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
