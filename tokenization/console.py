"""The entry of every command and script: text for any console, and errors in one line."""

import argparse
import io
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from traceback import walk_tb


def prepare_console() -> None:
    """Print ? for the characters that the console or pipe cannot encode, where Python would stop with an error.

    On Windows, and under `LANG=C` or `PYTHONIOENCODING`, the encoding is often not UTF-8: cp1252 has no →, √ or ▁.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def program_name(alone: str) -> str:
    """Return what the user typed: `minibert COMMAND`, or `alone` for a module that was started by its own name."""
    return sys.argv[0] if sys.argv[0].startswith("minibert ") else alone


def run_command(main: Callable[[], object]) -> None:
    """Run the `main` of a script on the command line of the process.

    Raises:
        SystemExit: 2 after an error, 130 after Ctrl-C. With --traceback on the command line the error itself is raised.
    """
    prepare_console()
    traceback = "--traceback" in sys.argv[1:]
    if traceback:
        sys.argv.remove("--traceback")
    if status := run_and_report(main, traceback):
        sys.exit(status)


def run_and_report(action: Callable[[], object], traceback: bool = False) -> int:
    """Run an action and return the exit status; an error is printed in one line, or raised with `traceback`."""
    try:
        action()
    except KeyboardInterrupt as stop:
        print(str(stop) or "stopped before the end", file=sys.stderr)
        return 130
    except Exception as error:
        if traceback:
            raise
        print(f"error: {describe(error)}", file=sys.stderr)
        return 2
    return 0


def describe(error: Exception) -> str:
    """Return the message of an error in one line, and for unexpected errors their type."""
    while type(error).__module__.startswith("datasets.") and isinstance(error.__cause__, Exception):
        error = error.__cause__  # datasets itself says only that reading failed
    if missing := _missing_checkpoint(error):
        return (
            f"there is no folder {missing}, and no model of that name on the Hub can be reached; give a folder with a "
            "saved model, or check the name and the connection"
        )
    text = " ".join(str(error).split()).partition(" Model type should be one of")[0]  # transformers lists hundreds
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"cannot open {error.filename}: {error.strerror}"
    expected = isinstance(error, ValueError | TypeError | OSError) and text
    return text if expected else f"{type(error).__name__}: {text}; --traceback shows where it happened"


def _missing_checkpoint(error: Exception) -> str | None:
    """Find the name that `from_pretrained` could not load; its messages are long, and some leave the name out."""
    if not isinstance(error, OSError):
        return None
    loads = (frame.f_locals.get("pretrained_model_name_or_path") for frame, _ in walk_tb(error.__traceback__))
    name = next((name for name in loads if name is not None), None)
    return None if name is None or Path(name).exists() else str(name)


def check_local_folder(name: str) -> None:
    """Raise a ValueError for a missing folder that cannot be a model of the Hub, which would be asked for it.

    Without a network the Hub is asked again and again. A name of it is NAME or OWNER/NAME.
    """
    path = Path(name).expanduser()
    begins_as_path = name.startswith((".", "~", "/", "out/")) or "\\" in name or len(path.parts) > 2
    if not path.exists() and (begins_as_path or (len(path.parts) == 2 and path.parent.is_dir())):
        near = [other.name for other in sorted(path.parent.glob("*/")) if (other / "config.json").is_file()][:5]
        there = f"; {path.parent} has {', '.join(near)}" if near else ""
        raise ValueError(f"there is no folder {name}{there}; give a folder with a saved model")


class OneLineParser(argparse.ArgumentParser):
    """A parser that reports mistakes in one line, and names the flag nearest to an unknown one."""

    commands: Mapping[str, argparse.ArgumentParser] = {}

    def parse_args(self, args=None, namespace=None):
        """Parse as usual, but report what is unknown."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            parsers = self.commands.values() or [self]
            known = [flag for parser in parsers for flag in parser._option_string_actions]
            self.error(unknown_argument(unknown, known))
        return options

    def error(self, message: str):
        """Print one line and exit with 2."""
        self.exit(2, f"error: {message}; {self.prog} --help lists the arguments\n")


def unknown_argument(unknown: list[str], known: Iterable[str]) -> str:
    """Name the first unknown flag of a command line, and the nearest of the known ones."""
    name = next((word for word in unknown if word.startswith("-")), unknown[0]).partition("=")[0]
    near = get_close_matches(name, sorted(known), n=1)
    return f"unknown argument {name}" + (f", did you mean {near[0]}" if near else "")
