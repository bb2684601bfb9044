"""The one place that prints: whatever a line holds, it steers no terminal and stays one line.

```python
print_line(f"written: {folder}")
print_message("2 faults:\n  - first\n  - second")  # on standard error
```
"""

from __future__ import annotations

import sys
from typing import Any, TextIO

from gazeclip.console.text import format_json, printable, printable_message


def print_line(text: str = "", out: TextIO | None = None) -> None:
    """One line on standard output, or on `out`."""
    print(printable(text), file=out or sys.stdout)


def print_message(text: str) -> None:
    """A message on standard error; it may end in a list, one line an item."""
    print(printable_message(text), file=sys.stderr, flush=True)


def print_json(value: Any, sort_keys: bool = False) -> None:
    """Indented JSON on standard output, for a terminal of any encoding.

    Raises:
        ValueError: NaN or infinity.
    """
    print(format_json(value, sort_keys=sort_keys, only_ascii=True))
