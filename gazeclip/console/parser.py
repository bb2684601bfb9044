"""The parser of all command lines: argparse's, whose errors steer no terminal."""

from __future__ import annotations

import argparse
from typing import NoReturn

from gazeclip.console.text import printable


class CommandParser(argparse.ArgumentParser):
    """Names what was wrong on one line; the parsers of its sub-commands are of this class too."""

    def error(self, message: str) -> NoReturn:
        """Print usage and `message`, which repeats arguments as they came, and exit with 2."""
        super().error(printable(message))
