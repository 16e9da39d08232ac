"""Labelled text comes in checked or not at all, and windows cover every token of a text."""

import csv
import json
import re
import warnings
from collections import Counter

import pandas
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, load_dataset

from modeling_minibert.data import load_text_classification, tokenize_windows
from tokenization import train_tokenizer

TOPICS = "film buku kopi hotel kelas gim lagu kereta sepatu jaket".split()
GOOD = [f"{topic} ini bagus sekali" for topic in TOPICS]
BAD = [f"{topic} ini jelek sekali" for topic in TOPICS]
SIXTY = [
    (f"{text} nomor {number}", label)
    for number in range(3)
    for pair in zip(GOOD, BAD, strict=True)
    for text, label in zip(pair, ("positif", "negatif"), strict=True)
]
LONG = "satu dua tiga empat lima enam tujuh delapan sembilan sepuluh sebelas belas puluh ratus ribu".split()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


def write(path, rows, columns=("text", "label")):
    """Write rows in the format of the extension, with pandas or the standard library."""
    if path.suffix in (".csv", ".tsv"):
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerows([columns, *rows])
    elif path.suffix == ".parquet":
        pandas.DataFrame(rows, columns=list(columns)).to_parquet(path)
    else:
        lines = [json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def rows_of(split):
    names = split.features["label"].names
    return list(zip(split["text"], [names[label] for label in split["label"]], strict=True))


@pytest.mark.parametrize("extension", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_every_format_gives_back_the_rows_that_were_written(extension, tmp_path):
    rows = [*SIXTY, ('dia bilang, "bagus"; ya, 100 % é 好', "positif")]
    train = write(tmp_path / f"train.{extension}", rows)
    validation = write(tmp_path / f"validation.{extension}", rows[:7])
    splits, names = load_text_classification(data_files={"train": train, "validation": validation})
    assert names == ["negatif", "positif"]
    assert rows_of(splits["train"]) == rows and rows_of(splits["validation"]) == rows[:7]
    assert splits["train"].column_names == ["text", "label"]


def test_a_csv_of_a_spreadsheet_with_its_byte_order_mark_is_read(tmp_path):
    write(tmp_path / "train.csv", SIXTY)
    (tmp_path / "excel.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "train.csv").read_bytes())
    splits, _ = load_text_classification(data_files={"train": str(tmp_path / "excel.csv")})
    assert splits["train"].column_names == ["text", "label"]


def test_the_words_that_pandas_takes_for_missing_stay_words(tmp_path):
    rows = [("None", "NA"), ("null", "None"), ("nan", "NA"), ("n/a", "None")]
    path = write(tmp_path / "train.csv", rows)
    assert pandas.read_csv(path)["text"].isna().all()  # the premise
    splits, names = load_text_classification(data_files={"train": path, "validation": path})
    assert names == ["NA", "None"] and rows_of(splits["train"]) == rows


def test_whole_numbers_as_labels_are_sorted_as_numbers_and_named(tmp_path):
    rows = [(f"teks {i}", [10, 2, 1][i % 3]) for i in range(30)]
    path = write(tmp_path / "train.csv", rows)
    splits, names = load_text_classification(data_files={"train": path, "validation": path})
    assert names == ["1", "2", "10"]
    assert splits["train"]["label"][:3] == [2, 1, 0]


@pytest.mark.parametrize("values", [[0.0, 1.0], [False, True]])
def test_labels_written_as_floats_or_truth_values_work_too(values, tmp_path):
    path = write(tmp_path / "train.jsonl", [(text, values[index % 2]) for index, text in enumerate(GOOD)])
    splits, names = load_text_classification(data_files={"train": path, "validation": path})
    assert names == (["0", "1"] if values[1] is not True else ["False", "True"])
    assert splits["train"]["label"][:4] == [0, 1, 0, 1]


def folder_with_class_label(folder, **splits):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["positif", "netral", "negatif"])})
    for name, labels in splits.items():
        texts = [f"{name} teks {index}" for index in range(len(labels))]
        split = Dataset.from_dict({"text": texts, "label": labels}, features=features)
        folder.mkdir(exist_ok=True)
        split.to_parquet(folder / f"{name}-00000-of-00001.parquet")
    return str(folder)


def test_a_folder_keeps_the_names_and_the_order_of_its_classes(tmp_path):
    folder = folder_with_class_label(tmp_path / "set", train=[0, 1, 2] * 10, validation=[2, 0], test=[1, 2])
    splits, names = load_text_classification(folder)
    assert names == ["positif", "netral", "negatif"] != sorted(names)
    raw = load_dataset(folder)
    for name in ("train", "validation", "test"):
        assert splits[name]["label"] == raw[name]["label"]


def test_labels_of_two_files_are_matched_by_name_not_by_number(tmp_path):
    for split, names in (("train", ["baik", "buruk"]), ("test", ["buruk", "baik"])):
        features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
        texts = {"text": [f"{split} {i}" for i in range(20)], "label": [0, 1] * 10}
        Dataset.from_dict(texts, features=features).to_parquet(tmp_path / f"{split}.parquet")
    files = {split: str(tmp_path / f"{split}.parquet") for split in ("train", "test")}
    splits, names = load_text_classification(data_files=files)
    assert names == ["baik", "buruk"]
    assert splits["test"]["label"] == [1, 0] * 10
    # And a csv with the names, beside a parquet file with numbers.
    files["test"] = write(tmp_path / "test.csv", [("a", "buruk"), ("b", "baik")])
    assert load_text_classification(data_files=files)[0]["test"]["label"] == [1, 0]


@pytest.mark.parametrize("split", ["train", "test"])
def test_rows_without_a_label_marked_minus_one_are_refused(split, tmp_path):
    labels = {"train": [0, 1, 2] * 10, "test": [0, 1]}
    labels[split] = [0, -1, 2, -1] if split == "test" else [-1] * 5
    folder = folder_with_class_label(tmp_path / "set", **labels)
    count, first = (2, 1) if split == "test" else (5, 0)
    with pytest.raises(ValueError, match=f"the {split} split has {count} rows with the label -1.*first is row {first}"):
        load_text_classification(folder)


def test_a_test_split_whose_labels_are_kept_secret_is_left_out(tmp_path, capsys):
    splits, _ = load_text_classification(folder_with_class_label(tmp_path / "set", train=[0, 1, 2] * 10, test=[-1] * 4))
    assert set(splits) == {"train", "validation"}
    assert "the test split is not labelled" in capsys.readouterr().out


def test_pairs_and_columns_of_any_name(tmp_path):
    rows = [(text, other, label, 7) for (text, label), (other, _) in zip(SIXTY, reversed(SIXTY), strict=True)]
    path = write(tmp_path / "train.csv", rows, ("premis", "hipotesis", "hasil", "nomor"))
    files = {"train": path, "validation": path}
    splits, _ = load_text_classification(None, None, files, "premis", "hipotesis", "hasil")
    train = splits["train"]
    assert set(train.column_names) == {"text", "text_pair", "label"}
    assert list(zip(train["text"], train["text_pair"], strict=True)) == [row[:2] for row in rows]


def test_one_column_can_take_the_name_of_another(tmp_path):
    path = write(tmp_path / "train.csv", [(label, text) for text, label in SIXTY], ("text", "label"))
    splits, names = load_text_classification(None, None, {"train": path, "validation": path}, "label", None, "text")
    assert names == ["negatif", "positif"] and rows_of(splits["train"]) == SIXTY


@pytest.mark.lecture("S4-24", "S4-07")
def test_validation_is_carved_from_train_by_class_and_test_is_not_touched(tmp_path):
    rows = SIXTY[:20] * 1 + [(f"biasa saja {i}", "netral") for i in range(80)]
    train = write(tmp_path / "train.csv", rows)
    test_rows = [("kopi pahit", "negatif"), ("jalan sepi", "netral"), ("kopi pahit", "negatif")]
    test = write(tmp_path / "test.csv", test_rows)
    splits, _ = load_text_classification(data_files={"train": train, "test": test})
    assert rows_of(splits["test"]) == test_rows
    together = rows_of(splits["train"]) + rows_of(splits["validation"])
    assert Counter(together) == Counter(rows)  # every row once, none of them a test row
    assert Counter(label for _, label in rows_of(splits["validation"])) == {"netral": 8, "positif": 1, "negatif": 1}
    again, _ = load_text_classification(data_files={"train": train, "test": test})
    other, _ = load_text_classification(data_files={"train": train, "test": test}, seed=1)
    assert rows_of(again["validation"]) == rows_of(splits["validation"]) != rows_of(other["validation"])


@pytest.mark.lecture("S2-26")
def test_a_train_file_sorted_by_class_gives_a_validation_split_of_both_classes(tmp_path):
    rows = sorted(SIXTY, key=lambda row: row[1])
    assert len({label for _, label in rows[-6:]}) == 1  # the premise: a tenth from the end would be one class
    splits, _ = load_text_classification(data_files={"train": write(tmp_path / "train.csv", rows)})
    assert Counter(label for _, label in rows_of(splits["validation"])) == {"negatif": 3, "positif": 3}


@pytest.mark.lecture("S2-26", "S3-46")
@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_of_one_class_only_is_warned_about(split, tmp_path):
    files = {"train": write(tmp_path / "train.csv", SIXTY)}
    files[split] = write(tmp_path / "other.csv", [(f"teks {i}", "positif") for i in range(4)])
    with pytest.warns(UserWarning, match=f"all 4 rows of the {split} split have the label 'positif'"):
        load_text_classification(data_files=files)
    write(tmp_path / "other.csv", [("teks a", "positif"), ("teks b", "negatif")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_text_classification(data_files=files)


def test_a_handful_of_rows_still_gives_a_validation_split(tmp_path):
    rows = [(f"teks {i}", "abcd"[i % 4]) for i in range(8)]
    splits, _ = load_text_classification(data_files={"train": write(tmp_path / "train.csv", rows)})
    # A tenth of 8 rows would be 1, too few for 4 classes.
    assert sorted(splits["validation"]["label"]) == [0, 1, 2, 3] == sorted(splits["train"]["label"])
    path = write(tmp_path / "one.csv", [*rows, ("teks lain", "e")])
    with pytest.raises(ValueError, match="only one train row has the label 'e'"):
        load_text_classification(data_files={"train": path})


@pytest.mark.lecture("S4-24")
def test_train_rows_that_are_also_test_rows_are_left_out(tmp_path, capsys):
    train = write(tmp_path / "train.csv", SIXTY)
    test = write(tmp_path / "test.csv", [*SIXTY[3:8], ("tak pernah terbaca", "positif")])
    splits, _ = load_text_classification(data_files={"train": train, "validation": test, "test": test})
    assert rows_of(splits["train"]) == SIXTY[:3] + SIXTY[8:]
    assert len(splits["test"]) == 6
    assert "left out 5 train rows" in capsys.readouterr().out


def test_a_pair_is_left_out_only_where_both_texts_are_in_test(tmp_path):
    columns = ("text", "other", "label")
    rows = [("a", "b", "ya"), ("a", "c", "tidak"), ("d", "b", "ya"), ("e", "f", "tidak")]
    train = write(tmp_path / "train.csv", rows, columns)
    test = write(tmp_path / "test.csv", [("a", "b", "ya"), ("f", "e", "tidak")], columns)
    files = {"train": train, "validation": test, "test": test}
    splits, _ = load_text_classification(None, None, files, text_pair_column="other")
    assert list(zip(splits["train"]["text"], splits["train"]["text_pair"], strict=True)) == [
        row[:2] for row in rows[1:]
    ]


def test_train_and_test_in_one_file_are_refused(tmp_path):
    path = write(tmp_path / "all.csv", SIXTY)
    with pytest.raises(ValueError, match="0 are not also in the test split"):
        load_text_classification(data_files={"train": path, "test": path})


def latin_1(path):
    """A long first line, so that the byte is counted over lines."""
    text = "text,label\n" + "kopi enak,1\n" * 50 + "kafé ramai,0\n"
    path.write_bytes(text.encode("latin-1"))
    return len(text.encode("latin-1")) - len("é ramai,0\n")


BAD_FILES = {
    "empty": ("train.csv", b"", r"train\.csv: the file is empty"),
    "header only": ("train.csv", b"text,label\n", r"the train split has no rows: .*train\.csv"),
    "a comma too many": ("train.csv", b"text,label\na,0\nb,c,1\n", r"cannot be read: line 3 \(row 1\) has 3 cells"),
    "broken json": ("train.jsonl", b'{"text": "a", "label": 0}\n{"text"\n', r"train\.jsonl cannot be read: .*row 1"),
    "missing text column": ("train.csv", b"kalimat,label\na,0\nb,1\n", r"no column 'text'.*\['kalimat', 'label'\]"),
    "missing label column": ("train.csv", b"text,kelas\na,0\nb,1\n", r"no column 'label'.*\['text', 'kelas'\]"),
    "unknown extension": ("train.xlsx", b"PK", r"unknown extension '\.xlsx'.*'\.csv'.*'\.tsv'"),
    "one class": ("train.csv", b"text,label\na,bagus\nb,bagus\nc,bagus\n", "all 3 train rows have the label 'bagus'"),
    "a text lacks": ("train.csv", b"text,label\na,0\n,1\nc,1\n,0\n", "has 2 rows without 'text', the first is row 1"),
    "a label lacks": ("train.csv", b"text,label\na,0\nb,1\nc,\n", "has 1 rows without 'label', the first is row 2"),
    "a json label lacks": (
        "train.jsonl",
        b'{"text": "a", "label": 1}\n{"text": "b"}\n',
        "has 1 rows without 'label', the first is row 1",
    ),
    "fractions": ("train.csv", b"text,label\na,0.5\nb,1.0\n", r"labels are fractions \(such as 0\.5\)"),
    "typed numbers as text": (
        "train.jsonl",
        b'{"text": 1, "label": "a"}\n{"text": 1, "label": "b"}\n',
        "the columns look swapped: 'label' has 2 different values in 2 rows .*'text' has 1",
    ),
    "typed numbers as text, no swap": (
        "train.jsonl",
        b'{"text": 1, "label": 5}\n{"text": 2, "label": 6}\n',
        "the column 'text' of the train split holds .*int64.*not text",
    ),
}


@pytest.mark.parametrize("name, content, message", BAD_FILES.values(), ids=list(BAD_FILES))
def test_a_bad_file_is_refused_with_what_is_wrong_and_where(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_text_classification(data_files={"train": str(tmp_path / name)})


def test_a_wrong_encoding_is_refused_with_file_byte_and_value(tmp_path):
    offset = latin_1(tmp_path / "train.csv")
    assert (tmp_path / "train.csv").read_bytes()[offset] == 0xE9
    with pytest.raises(ValueError, match=rf"train\.csv: byte {offset} \(0xe9\) is not UTF-8"):
        load_text_classification(data_files={"train": str(tmp_path / "train.csv")})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="lupa.csv"):
        load_text_classification(data_files={"train": str(tmp_path / "lupa.csv")})


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_label_that_train_lacks_is_named(split, tmp_path):
    train = write(tmp_path / "train.csv", SIXTY)
    other = write(tmp_path / "other.csv", [("kopi biasa", "netral"), ("kopi enak", "positif")])
    match = re.escape(f"the {split} split has the label 'netral', which train does not have; it has ['negatif',")
    with pytest.raises(ValueError, match=match):
        load_text_classification(data_files={"train": train, split: other})


def test_the_source_is_one_and_has_a_train_split(tmp_path):
    path = write(tmp_path / "test.csv", SIXTY)
    with pytest.raises(ValueError, match="either dataset_name or data_files"):
        load_text_classification()
    with pytest.raises(ValueError, match="either dataset_name or data_files"):
        load_text_classification("imdb", None, {"train": path})
    with pytest.raises(ValueError, match=r"no train split; the splits are \['test'\]"):
        load_text_classification(data_files={"test": path})


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.lecture("S2-26", "S3-46")
def test_imdb_is_sorted_by_class_so_that_its_first_rows_are_one_class_and_our_splits_are_not(data_dir, tmp_path):
    files = {split: str(data_dir / "imdb" / f"{split}.parquet") for split in ("train", "test")}
    raw = DatasetDict({split: Dataset.from_parquet(path) for split, path in files.items()})
    # What the lectures took: train[:2000] and test.select(range(200)).
    first = raw["train"].select(range(2000))
    assert set(first["label"]) == set(raw["test"].select(range(200))["label"]) == {0}
    first.to_parquet(tmp_path / "first.parquet")
    with pytest.raises(ValueError, match="all 2000 train rows have the label 'neg'"):
        load_text_classification(data_files={"train": str(tmp_path / "first.parquet")})
    raw["test"].select(range(200)).to_parquet(tmp_path / "test.parquet")
    with pytest.warns(UserWarning, match="all 200 rows of the test split have the label 'neg'"):
        load_text_classification(data_files={**files, "test": str(tmp_path / "test.parquet")})
    splits, names = load_text_classification(data_files=files)
    assert names == ["neg", "pos"]
    counts = Counter(splits["validation"]["label"])
    assert abs(counts[0] - counts[1]) <= 0.02 * sum(counts.values())
    assert not set(splits["train"]["text"]) & set(splits["test"]["text"])
    assert set(raw["train"]["text"]) & set(raw["test"]["text"])  # the premise: IMDB has reviews in both


def windows_of(texts, max_length=8, stride=2, **options):
    options = {"kind": "wordlevel", "vocab_size": 200, "min_frequency": 1, "show_progress": False, **options}
    tokenizer = train_tokenizer([" ".join(LONG)], **options)
    encoding, window_to_text = tokenize_windows(tokenizer, texts, max_length, stride)
    words = [tokenizer.convert_ids_to_tokens(ids) for ids in encoding["input_ids"]]
    assert all(window[0] == "[CLS]" and window[-1] == "[SEP]" for window in words)
    return [window[1:-1] for window in words], window_to_text, encoding


@pytest.mark.parametrize("max_length, stride", [(8, 2), (8, 0), (8, 5), (5, 1), (3, 0), (17, 3), (100, 9)])
@pytest.mark.parametrize("side", ["right", "left"])
def test_windows_cover_every_token_and_share_exactly_the_stride(max_length, stride, side):
    texts = [" ".join(LONG[:count]) for count in (15, 1, 6, 0, 7, 13)]
    windows, window_to_text, encoding = windows_of(texts, max_length, stride, truncation_side=side)
    assert set(encoding) >= {"input_ids", "attention_mask"} and len(encoding["attention_mask"]) == len(windows)
    assert window_to_text == sorted(window_to_text) and set(window_to_text) == set(range(len(texts)))
    for index, text in enumerate(texts):
        own = [window for window, owner in zip(windows, window_to_text, strict=True) if owner == index]
        assert all(len(window) <= max_length - 2 for window in own)
        if side == "left":  # the last window of the text comes first
            own = own[::-1]
        joined = own[0]
        for before, after in zip(own, own[1:], strict=False):
            assert before[len(before) - stride :] == after[:stride]
            joined = joined + after[stride:]
        assert joined == text.split()


def test_a_short_text_is_one_window_and_equals_the_plain_encoding():
    texts = ["satu dua", "", " ".join(LONG)]
    windows, window_to_text, _ = windows_of(texts, max_length=30)
    assert windows == [text.split() for text in texts] and window_to_text == [0, 1, 2]


@pytest.mark.parametrize("stride", [6, 7, -1])
def test_a_stride_that_leaves_no_room_is_refused(stride):
    with pytest.raises(ValueError, match=rf"stride \({stride}\) must be at least 0 and below 6"):
        windows_of(["satu dua tiga"], max_length=8, stride=stride)
    windows_of(["satu dua tiga"], max_length=8, stride=5)
