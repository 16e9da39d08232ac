"""Find the one type of each column of a json file from all of its rows; raise where two rows disagree.

Numbers are int64, or float64 if one of them has a fraction. An object has the keys of all its rows; a missing key is
null, and null fits into any type.
"""

from collections.abc import Iterable

from datasets import Features, List, Value

_LARGEST_EXACT = 2**53  # whole numbers up to here are the same as float64
_NAMES = {str: "text", bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}


def find_features(rows: Iterable[tuple[str, dict]]) -> Features:
    """Return the types of the columns of all rows; the columns stand in the order in which they come up.

    Args:
        rows: where a row stands, for error messages, and its values.

    Raises:
        ValueError: two rows with values of different types in one column (names both and the column), a number beyond
            64 bits, text that is not Unicode.
    """
    columns: dict[str, _Type] = {}
    for place, row in rows:
        for name, value in row.items():
            columns.setdefault(name, _Type()).add(value, place, name)
    return Features({name: column.feature() for name, column in columns.items()})


class _Type:
    """The type of the values that were seen in one place."""

    def __init__(self):
        self.kind: str | None = None
        self.first = ""  # where the kind was seen first
        self.has_fraction = False
        self.largest, self.largest_place = 0, ""
        self.item: _Type | None = None
        self.keys: dict[str, _Type] = {}

    def add(self, value, place: str, name: str) -> None:
        """Count one value; raise if it does not fit to those before."""
        if value is None:
            return
        kind = _NAMES[type(value)]
        if self.kind is None:
            self.kind, self.first = kind, place
        if kind != self.kind:
            raise ValueError(
                f"{place}: the column {name!r} holds {kind} ({value!r:.60}), but {self.kind} in {self.first}; give all "
                f"rows values of one type, for example all as text"
            )
        if isinstance(value, str):
            _check_unicode(value, place, name)
        elif kind == "a number":
            self._add_number(value, place, name)
        elif isinstance(value, list):
            self.item = self.item or _Type()
            for item in value:
                self.item.add(item, place, name)
        elif isinstance(value, dict):
            for key, item in value.items():
                self.keys.setdefault(key, _Type()).add(item, place, f"{name}.{key}")

    def _add_number(self, value: int | float, place: str, name: str) -> None:
        self.has_fraction |= isinstance(value, float)
        if isinstance(value, int) and abs(value) > self.largest:
            self.largest, self.largest_place = abs(value), place
        limit = _LARGEST_EXACT if self.has_fraction else 2**63 - 1
        if self.largest > limit:
            raise ValueError(
                f"{self.largest_place}: the column {name!r} holds a whole number beyond ±{limit}, which is not exact "
                f"in {'float64' if self.has_fraction else 'int64'}; write the column as text"
            )

    def feature(self):
        """The type as `datasets` has it."""
        if self.kind == "a list":
            return List(self.item.feature() if self.item else Value("null"))
        if self.kind == "an object":
            return {key: item.feature() for key, item in self.keys.items()}
        number = "float64" if self.has_fraction else "int64"
        return Value({None: "null", "text": "string", "a truth value": "bool"}.get(self.kind, number))


def _check_unicode(value: str, place: str, name: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{place}: the column {name!r} has {value[error.start : error.end]!a}, half of a character; correct the "
            f"escapes of the file"
        ) from error
