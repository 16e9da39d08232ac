"""Tagged sentences: every layout gives the same rows, schemes are recognised and repaired, bad rows are refused."""

import json

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB1, IOBES, Entities

from modeling_minibert.data.tag_schemes import (
    complete_labels,
    find_entities,
    find_faults,
    find_scheme,
    from_bilou,
    repair_tags,
    write_tags,
)
from modeling_minibert.data.tagged_files import read_conll, read_spans, write_conll
from modeling_minibert.data.tagging_reader import load_token_classification

TOKENS = [["Budi", "Santoso", "ke", "Bandung"], ["Hujan", "."], ["Ayu", "tinggal", "di", "Banda", "Aceh"]]
TAGS = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "O"], ["B-PER", "O", "O", "B-LOC", "I-LOC"]]
LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


def load(path, **options):
    """The sentences of one train file, in their order: (tokens, tags), labels, scheme."""
    files = {"train": str(path), "validation": str(path)}
    splits, labels, scheme = load_token_classification(data_files=files, **options)
    rows = splits["train"]
    return [(row["tokens"], [labels[tag] for tag in row["tags"]]) for row in rows], labels, scheme


def conll(separator="\t", before="", columns=lambda word, tag: (word, tag)):
    blocks = ("\n".join(separator.join(columns(*pair)) for pair in zip(*row, strict=True))
              for row in zip(TOKENS, TAGS, strict=True))  # fmt: skip
    return before + "\n\n".join(blocks) + "\n"


def text_of(row):
    return " ".join(TOKENS[row])


FILES = {
    "tabs.conll": conll(),
    "spaces.txt": conll(" "),
    "four.bio": conll(" ", "-DOCSTART- -X- -X- O\n\n", lambda word, tag: (word, "NN", "B-NP", tag)),
    "comment.conll": conll("\t", "# id 1 domain=id\n"),
    "windows.tsv": conll().replace("\n", "\r\n"),
    "rows.jsonl": "\n".join(
        json.dumps({"tokens": tokens, "ner_tags": tags}) for tokens, tags in zip(TOKENS, TAGS, strict=True)
    ),
    "cells.csv": "tokens,tags\n" + "\n".join(f"{' '.join(t)},{' '.join(g)}" for t, g in zip(TOKENS, TAGS, strict=True)),
    "spans.jsonl": "\n".join(
        json.dumps(row)
        for row in (
            {"text": text_of(0), "entities": [[16, 23, "LOC"], [0, 12, "PER"]]},
            {"text": text_of(1), "entities": []},
            {"text": text_of(2), "entities": [{"start": 0, "end": 4, "label": "PER"},  # doccano lets a space slip in
                                              {"start_offset": 15, "end_offset": 25, "label": "LOC"}]},
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_layout_gives_the_same_sentences(tmp_path, name):
    (tmp_path / name).write_text(FILES[name], encoding="utf-8", newline="")
    rows, labels, scheme = load(tmp_path / name)
    assert rows == list(zip(TOKENS, TAGS, strict=True))
    assert labels == LABELS and scheme == "IOB2"


def test_conll_u_reads_words_and_parts_of_speech(tmp_path):
    path = tmp_path / "id-ud-train.conllu"
    path.write_text(
        "# text = Dia tidur\n1\tDia\tdia\tPRON\tPR\t_\n2-3\tdi rumah\t_\t_\t_\t_\n2\tdi\tdi\tADP\tIN\t_\n"
        "2.1\t_\t_\t_\t_\t_\n3\t#\t#\tSYM\tZ\t_\n\n1\tYa\tya\tINTJ\tUH\t_\n",
        encoding="utf-8",
    )
    rows, labels, scheme = load(path)
    assert rows == [(["Dia", "di", "#"], ["PRON", "ADP", "SYM"]), (["Ya"], ["INTJ"])] and scheme == "plain"
    assert [tags for _, _, tags in read_conll(path, tag_column=4)] == [["PR", "IN", "Z"], ["UH"]]
    # A folder names its splits, as Universal Dependencies does.
    (tmp_path / "id-ud-dev.conllu").write_text("1\tDia\tdia\tPRON\tPR\t_\n", encoding="utf-8")
    splits, _, _ = load_token_classification(str(tmp_path))
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 2, "validation": 1}


def test_a_hash_that_is_a_word_stays(tmp_path):
    (tmp_path / "a.conll").write_text("# O\nBudi B-PER\nke O\n\n# teks lain\n#1 O\n", encoding="utf-8")
    assert [tokens for _, tokens, _ in read_conll(tmp_path / "a.conll")] == [["#", "Budi", "ke"], ["#1"]]


def test_written_columns_are_read_back(tmp_path):
    write_conll(tmp_path / "out.conll", list(zip(TOKENS, TAGS, TAGS, strict=True)))
    read = [(tokens, tags) for _, tokens, tags in read_conll(tmp_path / "out.conll")]
    assert read == list(zip(TOKENS, TAGS, strict=True))


@pytest.mark.parametrize("names", ["schema", "list", "object"])
def test_ids_take_their_names_from_the_schema_or_the_file_beside(tmp_path, names):
    feature = ClassLabel(names=LABELS) if names == "schema" else Value("int64")
    ids = [[LABELS.index(tag) for tag in tags] for tags in TAGS]
    features = Features({"tokens": List(Value("string")), "ner_tags": List(feature)})
    rows = Dataset.from_dict({"tokens": TOKENS, "ner_tags": ids}, features=features)
    for split in ("train", "validation"):
        rows.to_parquet(tmp_path / f"{split}.parquet")
    if names != "schema":
        with pytest.raises(ValueError, match=r"row 0 of the train split has the tag 3 for 'Budi', a number without"):
            load(tmp_path / "train.parquet")
        content = LABELS if names == "list" else {"ner_tags": LABELS}
        (tmp_path / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    assert load(tmp_path / "train.parquet")[:2] == (list(zip(TOKENS, TAGS, strict=True)), LABELS)
    splits, labels, _ = load_token_classification(str(tmp_path))
    assert labels == LABELS and splits["train"]["tags"] == ids


def test_a_saved_dataset_of_several_tag_columns_is_asked_for_the_entities(tmp_path, capsys):
    rows = {"tokens": TOKENS, "pos_tags": [["X"] * len(row) for row in TOKENS], "ner_tags": TAGS}
    Dataset.from_dict(rows).to_parquet(tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet")[0] == list(zip(TOKENS, TAGS, strict=True))
    assert "tags: the column 'ner_tags' (of ner_tags, pos_tags" in capsys.readouterr().out


def test_the_splits_are_arranged(tmp_path, capsys):
    many = [[f"kata{number}", "di", "Bandung"] for number in range(20)]
    sentences = [(tokens, ["O", "O", "B-LOC"]) for tokens in many]
    write_conll(tmp_path / "train.conll", sentences)
    write_conll(tmp_path / "test.conll", sentences[5:8])
    files = {split: str(tmp_path / f"{split}.conll") for split in ("train", "test")}
    splits, labels, _ = load_token_classification(data_files=files, validation_share=0.2)
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 13, "validation": 4, "test": 3}
    assert labels == ["O", "B-LOC", "I-LOC"]  # I-LOC may come in another split
    firsts = [tokens[0] for split in splits.values() for tokens in split["tokens"]]
    assert sorted(firsts) == sorted(tokens[0] for tokens in many)
    assert "left out 3 train sentences that are also in the test split" in capsys.readouterr().out
    fewer, _, _ = load_token_classification(data_files=files, max_train_samples=10)
    assert len(fewer["train"]) + len(fewer["validation"]) == 10


BAD = {
    "tag": ([["a", "b"]], [["O", "B-PER"]], [["c"]], [["B-GPE"]],
            r"row 0 of the validation split has the tag 'B-GPE' for 'c', which train does not have; it has \['O'"),
    "lengths": ([["a", "b"]], [["O"]], None, None, r"row 0 of the train split has 2 words and 1 tags \('a b'\)"),
    "empty": ([["a"], []], [["B-X"], []], None, None, r"row 1 of the train split is an empty sentence with 0 tags"),
    "one tag": ([["a"]], [["O"]], None, None, r"all words of train have the tag 'O'; a tagger needs at least 2 tags"),
    "no tag": ([["a", "b"]], [["O", ""]], None, None, r"row 0 of the train split has the tag '' for 'b'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_rows_are_refused_with_row_and_values(tmp_path, name):
    tokens, tags, other, other_tags, message = BAD[name]
    for split, rows in (("train", (tokens, tags)), ("validation", (other or [["a"]], other_tags or [["O"]]))):
        lines = (json.dumps({"tokens": words, "tags": row}) for words, row in zip(*rows, strict=True))
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    files = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "validation")}
    with pytest.raises(ValueError, match=message):
        load_token_classification(data_files=files)


SPANS = {
    "overlap": ([[0, 12, "PER"], [5, 12, "LOC"]],
                r"has entities that overlap: 'Budi Santoso' \(0 to 12, PER\) and 'Santoso' \(5 to 12, LOC\)"),
    "twice": ([[0, 4, "PER"], [0, 4, "PER"]], "has entities that overlap"),
    "outside": ([[16, 40, "LOC"]], r"has the entity \[16, 40, 'LOC'\], but its text has 23 characters"),
    "empty": ([[4, 5, "LOC"]], r"and these are ' '"),
    "reversed": ([[4, 0, "LOC"]], "begins and ends within the text"),
    "shape": ([[0, 4]], r"has the entity \[0, 4\]; write \[start, end, label\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPANS)
def test_bad_entities_are_refused_with_row_and_values(tmp_path, name):
    entities, message = SPANS[name]
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": text_of(0), "entities": entities}), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"line 1 \(row 0\) {message}|line 1 \(row 0\) .*{message}"):
        list(read_spans(tmp_path / "a.jsonl"))


def test_a_word_is_cut_where_an_entity_ends(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "IBMs baru", "label": [[0, 3, "ORG"]]}), encoding="utf-8")
    assert [row[1:] for row in read_spans(tmp_path / "a.jsonl")] == [(["IBM", "s", "baru"], ["B-ORG", "O", "O"])]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Budi B-PER\nke\nBandung B-LOC\n",
            r"line 2 has 1 columns \('ke'\), other lines have 2; give every word its tag",
        ),
        ("Budi\nke\n", "has 1 column in most of its lines"),
        ("\n# nothing\n", "has no sentences"),
    ],
)
def test_bad_lines_are_refused(tmp_path, text, message):
    (tmp_path / "a.conll").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        list(read_conll(tmp_path / "a.conll"))


# Schemes

CHUNKS = st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]), max_size=9)
WIDE_CHUNKS = st.lists(st.sampled_from(["O", *(f"{letter}-{kind}" for letter in "BIES" for kind in "AB")]), max_size=9)


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ([["B-A", "I-A", "O"], ["B-B", "B-B"]], "IOB2"),
        ([["B-A", "I-A", "O"], ["I-B"]], "IOB2"),  # a fault
        ([["I-A", "I-A", "B-A"], ["O", "I-B"]], "IOB1"),
        ([["I-A", "O"]], "IOB1"),
        ([["B-A", "E-A", "S-B"]], "BIOES"),
        ([["B-A", "L-A", "U-B"]], "BILOU"),
        ([["NOUN", "B-A"]], "plain"),
        ([["O", "O"]], "plain"),
        ([["B", "I", "O"]], "IOB2"),
        ([["B-NNO", "B-ADJ"]], "IOB2"),
    ],
)
def test_schemes_are_recognised(tags, scheme):
    assert find_scheme(tags) == scheme


@given(CHUNKS)
def test_repaired_iob2_has_the_entities_that_conll_reads_and_no_faults(tags):
    repaired = repair_tags(tags, "IOB2")
    assert get_entities(repaired) == get_entities(tags)
    assert find_faults(repaired, "IOB2") == [] and repair_tags(repaired, "IOB2") == repaired
    assert (repaired == tags) == (not find_faults(tags, "IOB2"))


@given(WIDE_CHUNKS)
def test_repaired_bioes_has_the_entities_that_conll_reads_and_no_faults(tags):
    repaired = repair_tags(tags, "BIOES")
    assert get_entities(repaired) == get_entities(tags) == [tuple(entity) for entity in find_entities(tags)]
    assert find_faults(repaired, "BIOES") == [] and repair_tags(repaired, "BIOES") == repaired
    strict = Entities([repaired], scheme=IOBES).entities[0]
    assert [(e.tag, e.start, e.end - 1) for e in strict] == get_entities(repaired)


@given(CHUNKS)
def test_repaired_iob1_has_the_same_entities(tags):
    """Any IOB1 sequence that seqeval's own reader of IOB1 understands keeps its entities as IOB2."""
    if find_scheme([tags]) == "IOB1":
        expected = [(e.tag, e.start, e.end - 1) for e in Entities([tags], scheme=IOB1).entities[0]]
        assert get_entities(repair_tags(tags, "IOB2")) == expected


def test_repair_is_off_by_default_and_counted(tmp_path, capsys):
    write_conll(tmp_path / "a.conll", [(["Budi", "di", "Solo"], ["I-PER", "O", "I-LOC"]), (["Ayu"], ["B-PER"])])
    kept, _, scheme = load(tmp_path / "a.conll")
    assert kept[0][1] == ["I-PER", "O", "I-LOC"] and scheme == "IOB2"
    assert "tags: 4 in 2 sentences break IOB2, the first is I-PER for 'Budi' in row 0 of the train split; kept" in (
        capsys.readouterr().out
    )
    mended, _, _ = load(tmp_path / "a.conll", repair=True)
    assert mended[0][1] == ["B-PER", "O", "B-LOC"] and "; repaired" in capsys.readouterr().out


def test_bilou_becomes_bioes(tmp_path, capsys):
    assert from_bilou(["B-A", "I-A", "L-A", "O", "U-B"]) == ["B-A", "I-A", "E-A", "O", "S-B"]
    write_conll(tmp_path / "a.conll", [(["a", "b", "c"], ["B-X", "L-X", "U-X"])])
    rows, labels, scheme = load(tmp_path / "a.conll")
    assert rows[0][1] == ["B-X", "E-X", "S-X"] and scheme == "BIOES" and "BILOU" in capsys.readouterr().out
    assert labels == ["B-X", "I-X", "E-X", "S-X"]


def test_small_parts():
    assert write_tags([("", 0, 1), ("A", 2, 2)], 4) == ["B", "I", "B-A", "O"]
    assert complete_labels({"NOUN", "ADJ"}, "plain") == ["ADJ", "NOUN"]
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        load_token_classification(data_files={"train": "x.conll"}, validation_share=1.0)
    with pytest.raises(ValueError, match=r"no train split; the splits are \['validation'\]"):
        load_token_classification(data_files={"validation": "examples/data/entities/validation.conll"})
    with pytest.raises(ValueError, match="give either dataset_name or data_files"):
        load_token_classification()


def test_a_hub_data_set_is_taken_as_it_is(monkeypatch):
    features = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=LABELS))})
    rows = Dataset.from_dict({"tokens": TOKENS, "ner_tags": TAGS}, features=features)
    found = DatasetDict({"train": rows, "validation": rows, "extra": rows})
    monkeypatch.setattr("modeling_minibert.data.splits.load_dataset", lambda *args, **kwargs: found)
    splits, labels, scheme = load_token_classification("somebody/names")
    assert list(splits) == ["train", "validation"] and labels == LABELS and scheme == "IOB2"
