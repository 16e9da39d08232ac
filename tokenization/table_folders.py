"""Find the csv, tsv and json files of a local folder, so that the one reader reads them, not that of `datasets`."""

from dataclasses import replace
from pathlib import Path

from .table_files import DELIMITED, JSON, TableFormat


def find_table_files(
    folder: str, config: str | None = None, layout: TableFormat | None = None
) -> tuple[dict[str, list[str]] | None, TableFormat]:
    """Find the text tables of a folder as `datasets` does, with the separator that the folder names.

    Args:
        folder: a local folder.
        config: which configuration of the data set.
        layout: its delimiter wins over that of the folder.

    Returns:
        Split name → files, or None if the folder has other files or states the types of its columns; and the layout.
    """
    from datasets import load_dataset_builder

    layout = layout or TableFormat()
    builder = load_dataset_builder(folder, config)
    files = {str(split): [str(path) for path in paths] for split, paths in (builder.config.data_files or {}).items()}
    kinds = {Path(path).suffix.lower() for paths in files.values() for path in paths}
    separator = getattr(builder.config, "sep", ",")
    if layout.delimiter is None and separator not in (",", "\t"):
        layout = replace(layout, delimiter=separator)
    is_text = bool(kinds) and kinds <= {*DELIMITED, *JSON} and builder.info.features is None
    return files if is_text else None, layout
