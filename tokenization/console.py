"""Prepare standard output and errors for any text: the first call of every command and script."""

import io
import sys


def prepare_console() -> None:
    """Print ? for the characters that the console or pipe cannot encode, where Python would stop with an error.

    On Windows, and under `LANG=C` or `PYTHONIOENCODING`, the encoding is often not UTF-8: cp1252 has no →, √ or ▁.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
