"""Tagged sentences: load them from files, folders or the Hub, check them, and split a validation set from train.

Read `load_token_classification` first; the functions below it are its steps, in order. Every row becomes

    tokens: ["Budi", "ke", "Bandung"], tags: [1, 0, 3]

Rows that are dropped, moved or repaired are reported on the screen.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from tokenization.table_files import TableFormat

from .files import as_paths, check_files, read_table
from .splits import SPLITS, check_columns, check_train, load_splits
from .tag_schemes import complete_labels, find_faults, find_scheme, from_bilou, repair_tags
from .tagged_files import CONLL, has_spans, read_conll, read_spans

SENTENCES = Features({"tokens": List(Value("string")), "tags": List(Value("string"))})
TAG_COLUMNS = ("tags", "ner_tags", "pos_tags", "seq_label", "labels", "label", "upos")
Rows = list[tuple[str, list[str], list[str]]]  # place, tokens, tags


def load_token_classification(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: Mapping[str, str | list[str]] | None = None,
    tokens_column: str = "tokens",
    tags_column: str | None = None,
    tag_column: int | None = None,
    validation_share: float = 0.1,
    seed: int = 0,
    max_train_samples: int | None = None,
    repair: bool = False,
    delimiter: str | None = None,
    encoding: str | None = None,
    quotes: bool = True,
) -> tuple[DatasetDict, list[str], str]:
    """Load sentences with a tag for each word and check them; split a validation set from train if there is none.

    Train sentences that are also in the test split are dropped.

    Args:
        dataset_name: a name on the Hub or a local folder; or
        data_files: split name → CoNLL file (.conll, .conllu, .txt, .tsv, .bio), parquet, json lines with tokens and
            tags, or json lines with a text and its entities (see `read_spans`).
        tokens_column: column of the words, a list or a text with spaces.
        tags_column: column of the tags, names or ids; None: the only one of `TAG_COLUMNS`, or the first of them.
        tag_column: number of the column of a CoNLL file, see `read_conll`.
        validation_share: share of train for validation, above 0 and below 1.
        seed: for splitting and sampling.
        max_train_samples: use this many train sentences; the validation set is split from them.
        repair: write tags that break their scheme, and those of IOB1, as IOB2 or BIOES with the same entities.
        delimiter, encoding, quotes: how text files are written, see `TableFormat`.

    Returns:
        The splits with the columns `tokens` and `tags` (`ClassLabel`), the names of the tags, and the scheme: "IOB2",
        "IOB1", "BIOES" or "plain".

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: no rows or columns, an empty sentence, unequal numbers of words and tags, a tag without a name, a
            tag that train lacks (each names row and values); overlapping entities; a share out of range.
    """
    if not 0 < validation_share < 1:
        raise ValueError(
            f"the share of train that becomes validation is {validation_share}; it must lie between 0 and 1"
        )
    layout = TableFormat(delimiter, encoding, quotes)
    data_files = data_files if dataset_name is None else _conll_files(dataset_name) or data_files
    dataset_name = None if data_files else dataset_name

    def read(paths, split, layout):
        return read_tagged_file(paths, split, layout, tag_column)

    raw = load_splits(dataset_name, dataset_config_name, data_files, read, layout=layout)
    check_train(raw)
    raw = {split: raw[split] for split in SPLITS if split in raw}
    given = [path for paths in (data_files or {}).values() for path in as_paths(paths)]
    places = [dataset_name] if dataset_name else given
    declared = _names_beside(places)
    rows, names = {}, None
    for split, dataset in raw.items():
        rows[split], found = _tagged_rows(dataset, split, tokens_column, tags_column, declared)
        names = names or found
    rows, scheme = _settle_scheme(rows, repair)
    labels = _label_names(rows, names, scheme)
    splits = _encode(rows, labels)
    return _arrange(splits, validation_share, seed, max_train_samples), labels, scheme


# Files


def _conll_files(dataset_name: str) -> dict[str, list[str]] | None:
    """The CoNLL files of a local folder by split, as "train.conll" or "id_gsd-ud-dev.conllu"; None if it has none."""
    spellings = {"train": ("train",), "validation": ("validation", "valid", "dev", "val"), "test": ("test",)}
    found: dict[str, list[str]] = {}
    for path in sorted(Path(dataset_name).glob("*")) if Path(dataset_name).is_dir() else ():
        parts = path.stem.lower().replace("_", "-").replace(".", "-").split("-")
        split = next((split for split, names in spellings.items() if set(names) & set(parts)), None)
        if path.suffix.lower() in CONLL and split:
            found.setdefault(split, []).append(str(path))
    return found or None


def read_tagged_file(
    paths: str | list[str], split: str, layout: TableFormat | None = None, tag_column: int | None = None
) -> Dataset:
    """Read the files of one split; the extension, and for json the first row, select the reader."""
    paths, layout = as_paths(paths), layout or TableFormat()
    suffixes = {Path(path).suffix.lower() for path in paths}
    if suffixes <= set(CONLL):
        check_files(paths, list(CONLL))
        sentences = [row for path in paths for row in read_conll(path, None, tag_column, layout.encoding)]
    elif suffixes <= {".json", ".jsonl"} and all(Path(path).is_file() and has_spans(path) for path in paths):
        sentences = [row for path in paths for row in read_spans(path, layout.encoding)]
    else:
        return read_table(paths, split, layout=layout)
    columns = {"tokens": [tokens for _, tokens, _ in sentences], "tags": [tags for _, _, tags in sentences]}
    return Dataset.from_dict(columns, features=SENTENCES)


def _names_beside(places: list[str]) -> list[str] | None:
    """The names of the tags in labels.json beside the files, a list or an object with one list; None without it."""
    folders = {path if path.is_dir() else path.parent for path in map(Path, places) if path.exists()}
    for path in sorted(folder / "labels.json" for folder in folders):
        if path.is_file():
            content = json.loads(path.read_text("utf-8"))
            content = next(iter(content.values())) if isinstance(content, dict) and len(content) == 1 else content
            if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
                raise ValueError(f"{path} holds {content!r:.60}; write the names of the tags as a list, in their order")
            return content
    return None


# Rows


def _tagged_rows(
    dataset: Dataset, split: str, tokens_column: str, tags_column: str | None, declared: list[str] | None
) -> tuple[Rows, list[str] | None]:
    """Check the rows of a split; return them with tags as names, and the names that the data set declares."""
    check_columns(dataset, [tokens_column], split)
    tags_column = tags_column or _find_tags_column(dataset, split, tokens_column)
    check_columns(dataset, [tags_column], split)
    feature = getattr(dataset.features[tags_column], "feature", None)
    names = feature.names if isinstance(feature, ClassLabel) else declared
    rows = []
    for number, (tokens, tags) in enumerate(zip(dataset[tokens_column], dataset[tags_column], strict=True)):
        place = f"row {number} of the {split} split"
        tokens, tags = (value.split() if isinstance(value, str) else value for value in (tokens, tags))
        if not tokens:
            raise ValueError(f"{place} is an empty sentence with {len(tags or [])} tags; leave it out")
        if len(tokens) != len(tags or []):
            raise ValueError(
                f"{place} has {len(tokens)} words and {len(tags or [])} tags ({' '.join(map(str, tokens))!r:.60}); "
                f"give every word one tag"
            )
        if not all(isinstance(token, str) for token in tokens):
            raise ValueError(f"{place} has the words {tokens!r:.80}; words must be text")
        rows.append(
            (place, tokens, [_tag_name(tag, names, place, token) for token, tag in zip(tokens, tags, strict=True)])
        )
    return rows, names


def _find_tags_column(dataset: Dataset, split: str, tokens_column: str) -> str:
    """Find the column of the tags by its name, or by being the only other list."""
    known = [name for name in TAG_COLUMNS if name in dataset.column_names and name != tokens_column]
    lists = [name for name, feature in dataset.features.items() if isinstance(feature, List) and name != tokens_column]
    if not known and len(lists) != 1:
        raise ValueError(
            f"the {split} split has the columns {dataset.column_names}; name that of the tags (--tags_column_name)"
        )
    chosen = known[0] if known else lists[0]
    if split == "train" and len(known) > 1:
        print(f"tags: the column {chosen!r} (of {', '.join(known)}; --tags_column_name chooses another)")
    return chosen


def _tag_name(tag, names: list[str] | None, place: str, token: str) -> str:
    """The name of a tag that is a name or an id."""
    if isinstance(tag, str) and tag and (names is None or tag in names):
        return tag
    if isinstance(tag, int) and names is not None and 0 <= tag < len(names):
        return names[tag]
    if isinstance(tag, int) and names is None:
        raise ValueError(
            f"{place} has the tag {tag} for {token!r:.40}, a number without a name; write the names, in the order of "
            f"their numbers, as a list into labels.json beside the file"
        )
    raise ValueError(f"{place} has the tag {tag!r:.40} for {token!r:.40}, which is not in the list of tags {names}")


def _settle_scheme(rows: dict[str, Rows], repair: bool) -> tuple[dict[str, Rows], str]:
    """Recognise the scheme of all splits, count the tags that break it, and repair them if asked."""
    scheme = find_scheme(tags for split in rows.values() for _, _, tags in split)
    if scheme == "BILOU":
        print("tags: BILOU, read as BIOES (L- is E-, U- is S-)")
        scheme = "BIOES"
        rows = {split: [(place, tokens, from_bilou(tags)) for place, tokens, tags in rows[split]] for split in rows}
    if scheme == "plain":
        return rows, scheme
    checked = "IOB2" if scheme == "IOB1" else scheme
    faults = [
        (place, tags[faulty[0]], tokens[faulty[0]], len(faulty))
        for split in rows.values()
        for place, tokens, tags in split
        if (faulty := find_faults(tags, checked))
    ]
    if not faults:
        return rows, scheme
    place, tag, token, _ = faults[0]
    count = sum(number for *_, number in faults)
    kind = "begin an entity with I-, as in IOB1" if scheme == "IOB1" else f"break {scheme}"
    print(
        f"tags: {count:,} in {len(faults):,} sentences {kind}, the first is {tag} for {token!r:.40} in {place}", end=""
    )
    if not repair:
        print("; kept (--repair_tags true writes them right, with the same entities)")
        return rows, scheme
    print("; repaired")
    return {
        split: [(place, tokens, repair_tags(tags, checked)) for place, tokens, tags in rows[split]] for split in rows
    }, checked


def _label_names(rows: dict[str, Rows], names: list[str] | None, scheme: str) -> list[str]:
    """The names of all tags: those declared, or those of train; raise for a tag that they lack."""
    in_train = {tag for _, _, tags in rows["train"] for tag in tags}
    if names is None or not in_train <= set(names):  # BILOU names were rewritten
        names = complete_labels(in_train, scheme)
    known = set(names)
    for split in rows:
        for place, tokens, tags in rows[split]:
            for token, tag in zip(tokens, tags, strict=True):
                if tag not in known:
                    raise ValueError(
                        f"{place} has the tag {tag!r} for {token!r:.40}, which train does not have; it has {names}"
                    )
    if len(names) < 2:
        raise ValueError(f"all words of train have the tag {names[0]!r}; a tagger needs at least 2 tags")
    return list(names)


# Splits


def _encode(rows: dict[str, Rows], labels: list[str]) -> dict[str, Dataset]:
    """Build data sets with the tags as ids."""
    ids = {label: number for number, label in enumerate(labels)}
    features = Features({"tokens": List(Value("string")), "tags": List(ClassLabel(names=labels))})
    splits = {}
    for split, sentences in rows.items():
        tags = [[ids[tag] for tag in row] for _, _, row in sentences]
        splits[split] = Dataset.from_dict({"tokens": [row for _, row, _ in sentences], "tags": tags}, features=features)
    return splits


def _arrange(splits: dict[str, Dataset], share: float, seed: int, size: int | None) -> DatasetDict:
    """Drop train sentences of the test split, sample train, and split a validation set from it."""
    train = splits["train"]
    if "test" in splits:
        tested = {tuple(tokens) for tokens in splits["test"]["tokens"]}
        kept = [row for row, tokens in enumerate(train["tokens"]) if tuple(tokens) not in tested]
        if len(kept) < len(train):
            print(f"left out {len(train) - len(kept)} train sentences that are also in the test split")
            train = train.select(kept)
    if size is not None and size < 1:
        raise ValueError(f"max_train_samples ({size}) must be at least 1")
    if size is not None and size < len(train):
        train = train.shuffle(seed=seed).select(range(size))
    if len(train) < (1 if "validation" in splits else 2):
        raise ValueError(f"{len(train)} train sentences are left; give more of them, that the test split does not have")
    splits["train"] = train
    if "validation" not in splits:
        parts = train.train_test_split(min(math.ceil(len(train) * share), len(train) - 1), seed=seed)
        splits |= {"train": parts["train"], "validation": parts["test"]}
        print(f"validation: {len(parts['test'])} of the train sentences, set apart")
    return DatasetDict({split: splits[split] for split in SPLITS if split in splits})
