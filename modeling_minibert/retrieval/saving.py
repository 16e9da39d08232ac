"""Save a folder whole or not at all, and read its settings."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def saved_whole(folder: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`, which replaces it when the block ends without an error.

    Raises:
        ValueError: `folder` is a file.
    """
    target = Path(folder)
    if target.is_file():
        raise ValueError(f"{target} is a file; name a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        yield place
        place.chmod(0o777 & ~_umask())
        old = place.with_name(place.name + "-old")
        if target.exists():
            os.replace(target, old)  # a folder that is not empty cannot be replaced
        os.replace(place, target)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def read_settings(folder: str | Path, name: str, what: str) -> dict:
    """Read a json object of a saved folder.

    Args:
        folder, name: the folder, and its file.
        what: what the folder should hold, for the error message.

    Raises:
        ValueError: no such file, or not a json object.
    """
    path = Path(folder) / name
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{folder} is not {what}: it has no {name}; name another folder, or build it again") from error
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}; build the index again") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{path} holds {type(settings).__name__}, not an object; build the index again")
    return settings


def _umask() -> int:
    """Return the permissions that new files lack; `mkdtemp` ignores them."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
