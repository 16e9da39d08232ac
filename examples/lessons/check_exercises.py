"""Check your solutions of the five coding exercises.

    python examples/lessons/check_exercises.py                                         # all five, in the bundled folder
    python examples/lessons/check_exercises.py my_solutions                            # those in another folder
    python examples/lessons/check_exercises.py my_solutions/exercise_1_attention.py    # one

Each file in `examples/lessons/exercises` describes a function to write; edit the files or copies of them. The checks
compare with torch, transformers and scikit-learn, and a hint names typical mistakes. The script prints a line per check
and exits with 0 if every checked exercise is solved, otherwise with 1.
"""

import argparse
import importlib.util
import sys
import traceback
from pathlib import Path

from exercises.checks import CHECKS, WrongAnswerError

from tokenization.console import prepare_console

FOLDER = Path(__file__).parent / "exercises"


def find_exercises(path: Path) -> list[Path]:
    """Find the files to check: the given file, or those of a folder whose names begin with exercise_1 to exercise_5.

    Raises:
        ValueError: there is no such file.
    """
    files = sorted(path.glob("exercise_*.py")) if path.is_dir() else [path]
    known = [file for file in files if file.is_file() and file.name[:10] in CHECKS]
    if not known:
        raise ValueError(
            f"{path} is no exercise and no folder with exercises; their names begin with {', '.join(CHECKS)}; copy the "
            f"templates from {FOLDER}"
        )
    return known


def load(path: Path):
    """Run a student's file as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def explain_error(error: Exception, path: Path) -> str:
    """Format an error of the student's code with its line in the file."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    where = f" (line {lines[-1]} of {path.name})" if lines else ""
    return f"{type(error).__name__}: {error}{where}"


def check(path: Path) -> bool:
    """Run the checks of one exercise up to the first that fails; print each, return whether all passed."""
    print(path.stem.replace("_", " "), flush=True)
    title = "the file can be run"
    try:
        student = load(path)
        for one_check in CHECKS[path.name[:10]]:
            title = one_check.__doc__
            one_check(student)
            print(f"  ✓ {title}", flush=True)
    except NotImplementedError as error:
        print(f"  · not written yet: {error}")
    except WrongAnswerError as hint:
        print(f"  ✗ {title}\n      {hint}")
    except Exception as error:  # the student's code may raise any error
        print(f"  ✗ {title}\n      {explain_error(error, path)}")
    else:
        return True
    return False


def main():
    """Check the files, print the count, exit."""
    parser = argparse.ArgumentParser(description="Check your solutions of the coding exercises.")
    parser.add_argument(
        "path", nargs="?", default=FOLDER, type=Path, help="a file or a folder; none: the bundled folder"
    )
    files = find_exercises(parser.parse_args().path.resolve())
    solved = [check(file) for file in files]
    print(f"{sum(solved)} of {len(solved)} exercises solved")
    sys.exit(0 if all(solved) else 1)


if __name__ == "__main__":
    prepare_console()
    main()
