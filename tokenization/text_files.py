"""Read the lines of a text file in its encoding, or name the byte that cannot be read."""

import codecs
from collections.abc import Iterator
from pathlib import Path

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is its beginning
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SAMPLE = 4096  # bytes that are looked at for UTF-16 without a mark


def find_encoding(path: str | Path, encoding: str | None = None) -> str:
    """Return the encoding to read a file with: the given one, that of its byte-order mark, or UTF-8.

    Raises:
        ValueError: an unknown encoding, or a file that looks like UTF-16 and has no mark (names `encoding`).
    """
    if encoding is not None:
        try:
            "".encode(encoding)
        except LookupError as error:
            raise ValueError(f"unknown encoding {encoding!r}; use a name that Python knows, such as cp1252") from error
        return encoding
    with open(path, "rb") as file:
        sample = file.read(_SAMPLE)
    for mark, name in _MARKS.items():
        if sample.startswith(mark):
            return name
    unmarked = _unmarked(sample)
    if unmarked:
        raise ValueError(
            f"{path} cannot be read: {sample.count(0)} of its first {len(sample)} bytes are 0, as in UTF-16 without a "
            f"byte-order mark; give the encoding (--encoding {unmarked}), or save the file as UTF-8"
        )
    return "utf-8"


def _unmarked(sample: bytes) -> str | None:
    """Name the kind of UTF-16 that the beginning of a file without a mark looks like; None if it does not.

    In UTF-16 one byte of each ASCII character is 0, always the first or always the second; UTF-8 has a byte 0 for the
    character NUL alone.
    """
    zeros = [sample[parity::2].count(0) for parity in (0, 1)]
    high = int(zeros[1] >= zeros[0])
    if zeros[high] > len(sample) // 8 or (zeros[high] >= 2 and zeros[1 - high] == 0):
        return ("utf-16-be", "utf-16-le")[high]
    return None


def read_lines(path: str | Path, encoding: str | None = None, newline: str = "") -> Iterator[str]:
    r"""Yield the lines of a text file with their line ends, without the byte-order mark.

    Args:
        path: the file.
        encoding: None: by the byte-order mark, or UTF-8.
        newline: of `open`: "" ends lines at \n, \r and \r\n, "\n" at \n alone.

    Raises:
        ValueError: bytes that are not in this encoding (names the file and the byte), or as `find_encoding`.
    """
    encoding = find_encoding(path, encoding)
    try:
        with open(path, encoding=encoding, newline=newline) as file:
            for number, line in enumerate(file):
                yield line.removeprefix("\ufeff") if number == 0 else line
    except UnicodeError as error:
        raise ValueError(_describe_byte(path, encoding, error)) from error


def _describe_byte(path: str | Path, encoding: str, error: UnicodeError) -> str:
    """Describe the byte of a file that is not in this encoding."""
    content, advice = Path(path).read_bytes(), "give its encoding (--encoding cp1252, for example)"
    try:
        content.decode(encoding)
    except UnicodeDecodeError as place:
        name = encoding.upper()
        return f"{path}: byte {place.start} (0x{content[place.start]:02x}) is not {name}; {advice}, or save it as UTF-8"
    except UnicodeError:
        pass
    return f"{path} is not {encoding}: {error}; {advice}"
