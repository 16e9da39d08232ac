"""Read a collection to search: documents, questions, and judgements of which document answers which question.

    collection = load_collection("examples/data/search")
    collection.ids, collection.documents(), collection.queries, collection.qrels["test"]

A folder is laid out as the collections of BEIR: `corpus`, `queries` and `qrels` as parquet, json lines, csv or tsv, the
judgements in one file (`qrels.tsv`), in one per split (`qrels_test.parquet`, `qrels/test.tsv`), or as TREC writes them
(`qrels.txt`: four columns without a header). Without a corpus file every .txt file of the folder is a document. A
single table, and a data set of the Hub, hold documents alone.

Source: Thakur et al. 2021, BEIR (arXiv 2104.08663), section 3; the format of TREC, Voorhees and Harman 2005.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tokenization.table_files import DELIMITED, JSON, TableFormat, read_rows
from tokenization.text_files import read_lines

from ..data.bundled import bundled_path
from ..data.files import check_files, read_table
from ..data.splits import load_splits

TABLES = (".parquet", *JSON, *DELIMITED)
TREC = (".txt", ".trec", ".qrels")
ID_COLUMNS = ("_id", "id", "doc_id", "docid", "document_id")
TEXT_COLUMNS = ("text", "contents", "content", "body")
TITLE_COLUMNS = ("title",)
QRELS_COLUMNS = (
    ("query-id", "query_id", "qid"),
    ("corpus-id", "corpus_id", "doc_id", "docid", "document_id"),
    ("score", "relevance", "grade", "label"),
)
ONLY_SPLIT = "all"  # the name of the judgements that stand in one file

Qrels = dict[str, dict[str, int]]  # question id → document id → grade
Row = tuple[str, dict]  # where it stands, for error messages, and column → value


@dataclass(frozen=True)
class _Columns:
    """The columns of a table of documents; None: found by their usual names."""

    id: str | None
    title: str | None
    text: str | None

    @staticmethod
    def of(given: str | None, usual: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names to look for."""
        return (given,) if given else usual


@dataclass
class Collection:
    """Documents, questions and judgements.

    Attributes:
        ids, titles, texts: one entry per document; a title may be empty.
        queries: question id → text.
        qrels: split → question id → document id → grade. Grades above 0 are relevant, the higher the more; 0 and below
            mean that a judge found the document not relevant. Documents without a grade count as not relevant.
        name: where it was read.

    Raises:
        ValueError: no document, columns of unequal length, an id given twice.
    """

    ids: list[str]
    titles: list[str]
    texts: list[str]
    queries: dict[str, str] = field(default_factory=dict)
    qrels: dict[str, Qrels] = field(default_factory=dict)
    name: str = "the collection"

    def __post_init__(self):
        if not len(self.ids) == len(self.titles) == len(self.texts):
            lengths = len(self.ids), len(self.titles), len(self.texts)
            raise ValueError(f"{self.name} has {lengths} ids, titles and texts; give each document one of each")
        if not self.ids:
            raise ValueError(f"{self.name} has no documents; give at least one")
        _unique((f"row {row}", document) for row, document in enumerate(self.ids))

    @property
    def empty(self) -> list[str]:
        """The ids of documents with neither title nor text; no ranker finds them."""
        rows = zip(self.ids, self.titles, self.texts, strict=True)
        return [document for document, title, text in rows if not (title.strip() or text.strip())]

    def documents(self) -> list[str]:
        """Join title and text of each document; a title that the text begins with is not repeated."""
        return [
            text if text.startswith(title) else f"{title}. {text}" if text else title
            for title, text in zip(self.titles, self.texts, strict=True)
        ]

    def split(self, name: str | None = None) -> tuple[dict[str, str], Qrels]:
        """Return the questions of a split that have a relevant document, and their judgements.

        Args:
            name: None: the only split, or test.

        Raises:
            ValueError: no such split, or none of its questions has a relevant document.
        """
        name = name or (next(iter(self.qrels)) if len(self.qrels) == 1 else "test")
        if name not in self.qrels:
            raise ValueError(f"{self.name} has no judgements of the split {name!r}; it has {sorted(self.qrels)}")
        judged = {query: grades for query, grades in self.qrels[name].items() if max(grades.values()) > 0}
        if not judged:
            raise ValueError(f"no question of the split {name!r} of {self.name} has a document with a grade above 0")
        return {query: self.queries[query] for query in judged}, judged

    def describe(self) -> str:
        """Describe the sizes in one line."""
        empty = f" ({len(self.empty)} of them empty)" if self.empty else ""
        judged = ", ".join(f"{len(qrels):,} {name}" for name, qrels in self.qrels.items())
        return f"{len(self.ids):,} documents{empty}, {len(self.queries):,} questions" + (
            f" ({judged})" if judged else ""
        )


def load_collection(
    source: str | Path,
    text_column: str | None = None,
    id_column: str | None = None,
    title_column: str | None = None,
    config: str | None = None,
    layout: TableFormat | None = None,
) -> Collection:
    """Load a collection from a folder, a table of documents, or a data set of the Hub.

    Args:
        source: the folder, file or name.
        text_column, id_column, title_column: columns of the documents; None: found by their usual names. Documents of
            a table or data set without ids are numbered from 0.
        config: which configuration of a data set of the Hub.
        layout: how csv, tsv and json files are written.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a missing column, a document or question id given twice (names both rows), a judgement of an unknown
            document or question, or with a grade that is not a whole number (names row and ids).
    """
    path = Path(source)
    columns = _Columns(id_column, title_column, text_column)
    if not path.is_dir():
        return Collection(*_documents(_rows_of_source(path, config, layout), columns, number=True), name=str(source))
    corpus = find_table(path, "corpus")
    if corpus is None:
        return _text_folder(path, layout, columns)
    ids, titles, texts = _documents(read_table_rows(corpus, layout), columns)
    name = find_table(path, "queries")
    queries = read_queries(name, layout) if name else {}
    collection = Collection(ids, titles, texts, queries, name=str(source))
    known = set(ids)
    for split, file in find_qrels(path):
        collection.qrels[split] = read_qrels(file, known, queries, layout)
    return collection


def bundled_collection() -> Path:
    """Return the folder of the collection written for this project."""
    return bundled_path("search")


def find_table(folder: Path, stem: str) -> Path | None:
    """Find the table of a name in a folder, for example corpus.jsonl; raise a ValueError if there are two."""
    found = [folder / f"{stem}{kind}" for kind in TABLES if (folder / f"{stem}{kind}").is_file()]
    if len(found) > 1:
        raise ValueError(f"{folder} has {found[0].name} and {found[1].name}; keep one of them")
    return found[0] if found else None


def find_qrels(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield split and file of the judgements in a folder: qrels.*, qrels_test.* and qrels/test.*."""
    files = [*folder.glob("qrels*.*"), *folder.glob("qrels/*.*")]
    for path in sorted(path for path in files if path.is_file() and path.suffix.lower() in (*TABLES, *TREC)):
        split = path.stem if path.parent != folder else path.stem.removeprefix("qrels").lstrip("_-.")
        yield split or ONLY_SPLIT, path


def read_table_rows(path: Path, layout: TableFormat | None = None) -> Iterator[Row]:
    """Yield place and cells of each row of a table."""
    check_files([str(path)], list(TABLES))
    if path.suffix.lower() != ".parquet":
        return read_rows(path, layout)
    return ((f"{path}, row {row}", cells) for row, cells in enumerate(read_table(str(path), path.stem)))


def read_queries(path: Path, layout: TableFormat | None = None) -> dict[str, str]:
    """Read question id → text.

    Raises:
        ValueError: a missing column, an id given twice, an empty question (names the row).
    """
    places, queries = [], {}
    for place, row in read_table_rows(path, layout):
        name = _cell(row, ("query-id", "query_id", "qid", *ID_COLUMNS), place)
        queries[name] = _cell(row, (*TEXT_COLUMNS, "query", "question"), place)
        places.append((place, name))
        if not queries[name].strip():
            raise ValueError(f"{place}: the question {name!r} is empty; give it a text, or remove the row")
    _unique(places)
    return queries


def read_qrels(
    path: Path, documents: Iterable[str], queries: Iterable[str], layout: TableFormat | None = None
) -> Qrels:
    """Read judgements: question id → document id → grade.

    Args:
        path: a table with the columns of BEIR, or a TREC file: `question 0 document grade` per line.
        documents, queries: the known ids.

    Raises:
        ValueError: an unknown id, a pair with two grades, a grade that is not a whole number (names row and ids).
    """
    documents, queries, qrels = set(documents), set(queries), {}
    for place, query, document, grade in _judgements(path, layout):
        if query not in queries or document not in documents:
            which = f"question {query!r}" if query not in queries else f"document {document!r}"
            where = f"{len(queries):,} questions" if query not in queries else f"{len(documents):,} documents"
            raise ValueError(
                f"{place}: the {which} of the judgement {query!r} → {document!r} is not among the {where}; correct the "
                "id, or remove the row"
            )
        try:
            number = int(grade)
        except ValueError as error:
            raise ValueError(
                f"{place}: the grade of {query!r} → {document!r} is {grade!r}; give a whole number"
            ) from error
        if qrels.setdefault(query, {}).setdefault(document, number) != number:
            raise ValueError(
                f"{place}: {query!r} → {document!r} has the grade {number}, and {qrels[query][document]} in a row "
                "before; keep one of them"
            )
    return qrels


def _judgements(path: Path, layout: TableFormat | None) -> Iterator[tuple[str, str, str, str]]:
    """Yield place, question, document and grade of each row."""
    if path.suffix.lower() not in TREC:
        for place, row in read_table_rows(path, layout):
            query, document, grade = (_cell(row, names, place) for names in QRELS_COLUMNS)
            yield place, query, document, grade
        return
    for number, line in enumerate(read_lines(path, layout.encoding if layout else None), start=1):
        cells = line.split()
        if cells and len(cells) != 4:
            raise ValueError(
                f"{path}, line {number}: {line.strip()!r:.60} has {len(cells)} columns; a TREC file has "
                "4: question, 0, document, grade"
            )
        if cells:
            yield f"{path}, line {number}", cells[0], cells[2], cells[3]


def _rows_of_source(path: Path, config: str | None, layout: TableFormat | None) -> Iterator[Row]:
    """Yield the rows of a table, or of the only or the train split of a data set."""
    if path.suffix.lower() in TABLES:
        return read_table_rows(path, layout)
    splits = load_splits(str(path), config, None, layout=layout)
    name = next(iter(splits)) if len(splits) == 1 else "train"
    if name not in splits:
        raise ValueError(
            f"{path} has the splits {sorted(splits)}; give a data set with one split, or with a train split"
        )
    return ((f"{path}, row {row}", dict(cells)) for row, cells in enumerate(splits[name]))


def _text_folder(folder: Path, layout: TableFormat | None, columns: _Columns) -> Collection:
    """Read every .txt file below a folder as a document; its id is its path in the folder."""
    paths = sorted(path for path in folder.rglob("*.txt") if path.is_file())
    tables = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in TABLES]
    if not paths and len(tables) == 1:
        return Collection(*_documents(read_table_rows(tables[0], layout), columns, number=True), name=str(folder))
    if not paths:
        raise ValueError(
            f"{folder} has neither a corpus file ({', '.join('corpus' + kind for kind in TABLES)}), nor "
            "one table, nor .txt files; name another folder"
        )
    encoding = layout.encoding if layout else None
    texts = ["".join(read_lines(path, encoding)).strip() for path in paths]
    return Collection(
        [path.relative_to(folder).as_posix() for path in paths], [""] * len(paths), texts, name=str(folder)
    )


def _documents(rows: Iterable[Row], columns: _Columns, number: bool = False) -> tuple[list[str], list[str], list[str]]:
    """Read ids, titles and texts; number the documents where `number` allows it and there is no column of ids."""
    ids, titles, texts, places = [], [], [], []
    for row_number, (place, row) in enumerate(rows):
        has_id = columns.id or not number or any(name in row for name in ID_COLUMNS)
        has_title = columns.title or any(name in row for name in TITLE_COLUMNS)
        ids.append(_cell(row, columns.of(columns.id, ID_COLUMNS), place) if has_id else str(row_number))
        titles.append(_cell(row, columns.of(columns.title, TITLE_COLUMNS), place) if has_title else "")
        texts.append(_cell(row, columns.of(columns.text, TEXT_COLUMNS), place))
        places.append((place, ids[-1]))
    _unique(places)
    return ids, titles, texts


def _cell(row: dict, names: tuple[str, ...], place: str) -> str:
    """Return the cell of the first of these columns that the row has; a missing value is the empty text."""
    name = next((name for name in names if name in row), None)
    if name is None:
        raise ValueError(f"{place}: there is no column {' or '.join(map(repr, names))}; the columns are {list(row)}")
    return "" if row[name] is None else str(row[name])


def _unique(rows: Iterable[tuple[str, str]]) -> None:
    """Raise a ValueError that names both rows if an id occurs twice, or is empty."""
    seen: dict[str, str] = {}
    for place, name in rows:
        if not name:
            raise ValueError(f"{place}: the id is empty; give every row an id")
        if name in seen:
            raise ValueError(f"{place}: the id {name!r} is also that of {seen[name]}; give every row another id")
        seen[name] = place
