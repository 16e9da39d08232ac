"""Find the data sets that are bundled with the package, in Indonesian and English, written for this project.

A wheel carries them as `modeling_minibert/demo_data`; in a clone they stand in `examples/data`.
"""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
SPLITS = ("train", "validation", "test")


def bundled_path(*parts: str) -> Path:
    """Return the path of a bundled data set or of a file in it: `bundled_path("poem", "train.txt")`.

    Raises:
        FileNotFoundError: the installation has no such file.
    """
    places = (PACKAGE / "demo_data", PACKAGE.parent / "examples" / "data")
    for path in (place.joinpath(*parts) for place in places):
        if path.exists():
            return path
    raise FileNotFoundError(
        f"this installation of minibert has no bundled data {'/'.join(parts)}; install it again, or name your own files"
    )


def bundled_recipe(name: str) -> list[str]:
    """Return the flags that suit a bundled data set, of its recipe.args."""
    return bundled_path(name, "recipe.args").read_text(encoding="utf-8").split()


def bundled_files(name: str, ending: str = "csv", splits: tuple[str, ...] = SPLITS) -> dict[str, str]:
    """Return split → path of a bundled data set that has a file per split."""
    return {split: str(bundled_path(name, f"{split}.{ending}")) for split in splits}
