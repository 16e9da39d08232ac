"""Reading questions: every layout gives the same rows, splits are by article, and what is wrong is named."""

import json

import pytest
from datasets import Dataset, load_dataset

from modeling_minibert.data import load_question_answering
from modeling_minibert.data.question_reader import FEATURES, split_by_article

ANNA = "  Anna lives in Bandung. Ben lives in Paris, in a house. "


def make_row(number, title="people", context=None, question="Where does Ben live?", text="Paris"):
    context = f"{ANNA}{number}" if context is None else context
    answers = {"text": [text] if text else [], "answer_start": [context.find(text)] if text else []}
    return {"id": f"q{number}", "title": title, "context": context, "question": question, "answers": answers}


def official(rows, version="v2.0"):
    """Rows as SQuAD publishes them: questions in paragraphs in articles."""
    articles = {}
    for row in rows:
        answers = row["answers"]
        pairs = zip(answers["text"], answers["answer_start"], strict=True)
        question = {"id": row["id"], "question": row["question"],
                    "answers": [{"text": text, "answer_start": start} for text, start in pairs]}  # fmt: skip
        if version == "v2.0":
            question |= {"is_impossible": not answers["text"], "plausible_answers": [{"text": "x", "answer_start": 0}]}
        articles.setdefault(row["title"], {}).setdefault(row["context"], []).append(question)
    data = [{"title": title, "paragraphs": [{"context": context, "qas": questions}
             for context, questions in paragraphs.items()]} for title, paragraphs in articles.items()]  # fmt: skip
    return {"version": version, "data": data}


def write(path, rows):
    """The same rows in the layout that the name asks for."""
    if path.suffix == ".parquet":
        Dataset.from_list(rows).to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    else:
        path.write_text(json.dumps({"data": rows} if path.stem == "flat" else official(rows)), encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", ["official.json", "flat.json", "lines.jsonl", "table.parquet"])
def test_every_layout_gives_the_same_rows_and_leaves_the_context_alone(name, tmp_path):
    rows = [
        make_row(0),
        make_row(1, "other", text=None, question="  Where is Eko?"),
        make_row(2, "other", text="a house"),
    ]
    files = {"train": write(tmp_path / name, rows)}
    files["test"] = write(tmp_path / "test.json", [make_row(9, "third")])
    splits = load_question_answering(data_files=files, validation_fraction=0)
    assert list(splits) == ["train", "test"] and splits["train"].features == FEATURES
    assert splits["train"].to_list() == rows
    assert splits["train"][0]["context"].startswith("  Anna")


def test_a_dataset_as_the_hub_gives_it_loads_by_its_name(tmp_path):
    train, test = [make_row(0), make_row(1, "b")], [make_row(2, "c", text=None)]
    (tmp_path / "hub").mkdir()
    Dataset.from_list(train).to_parquet(tmp_path / "hub" / "train.parquet")
    Dataset.from_list(test).to_parquet(tmp_path / "hub" / "validation.parquet")
    splits = load_question_answering(str(tmp_path / "hub"))
    assert list(splits) == ["train", "validation"]
    assert splits["train"].to_list() == train and splits["validation"].to_list() == test


def test_a_missing_id_and_title_are_filled_in(tmp_path):
    row = {key: value for key, value in make_row(0).items() if key not in ("id", "title")}
    Dataset.from_list([row]).to_parquet(tmp_path / "train.parquet")
    files = {"train": str(tmp_path / "train.parquet"), "test": write(tmp_path / "test.json", [make_row(9)])}
    (read,) = load_question_answering(data_files=files, validation_fraction=0)["train"]
    assert read["id"] == "train-0" and read["title"] == ""


@pytest.mark.lecture("S2-31")
def test_splits_are_set_apart_by_article(tmp_path, capsys):
    rows = [make_row(number, f"title {number % 10}") for number in range(57)]
    files = {"validation": write(tmp_path / "all.json", rows)}  # the only split, whatever it is called
    splits = load_question_answering(data_files=files, test_fraction=0.3, validation_fraction=0.2)
    titles = {name: set(split["title"]) for name, split in splits.items()}
    assert {name: len(found) for name, found in titles.items()} == {"train": 6, "validation": 1, "test": 3}
    assert len(set.union(*titles.values())) == 10 and sum(map(len, splits.values())) == 57
    printed = capsys.readouterr().out
    assert f"test, of the validation split: {len(splits['test'])} rows of 3 titles out of 10" in printed
    again = load_question_answering(data_files=files, test_fraction=0.3, validation_fraction=0.2)
    other = load_question_answering(data_files=files, test_fraction=0.3, validation_fraction=0.2, seed=1)
    assert set(again["test"]["title"]) == titles["test"] != set(other["test"]["title"])


def test_without_titles_the_split_is_by_context():
    rows = [make_row(number, "", context=f"Ben lives in Paris. {number % 5}") for number in range(20)]
    rest, share = split_by_article(Dataset.from_list(rows), 0.4, seed=0)
    assert len(set(share["context"])) == 2 and not set(share["context"]) & set(rest["context"])
    with pytest.raises(ValueError, match="all 4 rows have the context 'Ben lives in Paris. 0'"):
        split_by_article(Dataset.from_list(rows[::5]), 0.4, seed=0)
    for fraction in (0, 1, -0.5):
        with pytest.raises(ValueError, match=f"the fraction of articles to set apart is {fraction}"):
            split_by_article(Dataset.from_list(rows), fraction, seed=0)


BAD = {
    "it has no question": {"question": "  "},
    "it has no context": {"context": "", "text": None},
    "the answer 'London' is not in its context at character 4, which reads 'lives '": {
        "context": "Ben lives in Paris.", "answers": {"text": ["London"], "answer_start": [4]}},
    "the answer 'Paris' is not in its context at character 12, which reads ' Pari'": {
        "context": "Ben lives in Paris.", "answers": {"text": ["Paris"], "answer_start": [12]}},
    "at character -5": {"context": "Paris", "answers": {"text": ["Pari"], "answer_start": [-5]}},
    "its answers have 2 texts at 1 places": {"answers": {"text": ["Paris", "Ben"], "answer_start": [36]}},
    "its answers have 1 texts at 0 places": {"answers": {"text": ["Paris"], "answer_start": [None]}},
    "it has an empty answer; a question without an answer has empty lists": {
        "answers": {"text": ["Paris", ""], "answer_start": [ANNA.index("Paris"), 0]}},
}  # fmt: skip


@pytest.mark.parametrize(("fault", "row"), BAD.items(), ids=list(BAD))
def test_a_bad_row_is_named_and_counted_and_skipped_only_on_request(fault, row, tmp_path, capsys):
    answers = row.get("answers")
    bad = make_row(3, **{key: value for key, value in row.items() if key != "answers"})
    bad = bad if answers is None else bad | {"answers": answers}
    rows = [make_row(0), make_row(1), bad]
    files = {"train": write(tmp_path / "train.parquet", rows)}
    files["test"] = write(tmp_path / "test.json", [make_row(9)])
    with pytest.raises(ValueError) as error:
        load_question_answering(data_files=files, validation_fraction=0)
    assert "1 of the 3 rows of the train split cannot be used: row 2 (id q3): " in str(error.value)
    assert fault in str(error.value) and "skip_bad_rows" in str(error.value)
    splits = load_question_answering(data_files=files, validation_fraction=0, skip_bad_rows=True)
    assert [row["id"] for row in splits["train"]] == ["q0", "q1"]
    assert "skipped 1 of the 3 rows of the train split" in capsys.readouterr().out


@pytest.mark.parametrize(
    "answers", ["Paris", {"text": "Paris", "answer_start": 36}, {"text": ["Paris"]}, [{"text": "Paris"}], 36]
)
def test_answers_of_another_layout_are_named_with_their_row(answers, tmp_path):
    rows = [make_row(number) | {"answers": answers} for number in range(3)]
    with pytest.raises(ValueError, match=r"row 0 of the train split has the answers .*; they must be .*answer_start"):
        load_question_answering(data_files={"train": write(tmp_path / "train.jsonl", rows)})


@pytest.mark.parametrize("missing", ["question", "context"])
def test_an_official_file_without_a_question_or_a_context_names_the_row(missing, tmp_path):
    content = official([make_row(0), make_row(1, context="Ben is here. Paris is there.")])
    second = content["data"][0]["paragraphs"][1]
    del (second["qas"][0] if missing == "question" else second)[missing]
    (tmp_path / "train.json").write_text(json.dumps(content), encoding="utf-8-sig")  # as Windows writes it
    with pytest.raises(ValueError, match=rf"1 of the 2 rows .*: row 1 \(id q1\): it has no {missing}"):
        load_question_answering(data_files={"train": str(tmp_path / "train.json")})


@pytest.mark.parametrize("layout", ["a.json", "flat.json", "a.jsonl", "a.parquet"])
def test_missing_answers_are_not_taken_for_unanswerable_questions(layout, tmp_path, capsys):
    """A test set whose answers are hidden, or an unfinished export: no key, or null."""
    rows = [make_row(number, f"t{number}") for number in range(4)]
    whole = official(rows) if layout == "a.json" else rows
    if layout == "a.json":
        for article, missing in zip(whole["data"], (False, True, "null", False), strict=True):
            question = article["paragraphs"][0]["qas"][0]
            del question["is_impossible"]
            if missing:
                del question["answers"]
            if missing == "null":
                question["answers"] = None
        (tmp_path / layout).write_text(json.dumps(whole))
    else:
        del rows[1]["answers"]
        rows[2]["answers"] = None
        write(tmp_path / layout, [{"answers": None} | row for row in rows])
    files = {"train": str(tmp_path / layout), "test": write(tmp_path / "test.json", [make_row(9, "z")])}
    with pytest.raises(
        ValueError, match=r"2 of the 4 rows .* row 1 \(id q1\): it has no answers; a question without an"
    ):
        load_question_answering(data_files=files, validation_fraction=0)
    splits = load_question_answering(data_files=files, validation_fraction=0, skip_bad_rows=True)
    assert splits["train"]["id"][:] == ["q0", "q3"]
    assert "skipped 2 of the 4 rows" in capsys.readouterr().out


@pytest.mark.parametrize("layout", ["a.json", "a.jsonl", "a.parquet"])
def test_is_impossible_and_the_answers_have_to_agree(layout, tmp_path):
    def load(changes):
        rows = [make_row(0, "a"), make_row(1, "b", text=None), make_row(2, "c")]
        content = official(rows)
        for row, article, value in zip(rows, content["data"], changes, strict=True):
            row["is_impossible"] = article["paragraphs"][0]["qas"][0]["is_impossible"] = value
        path = tmp_path / layout
        path.write_text(json.dumps(content)) if layout == "a.json" else write(path, rows)
        files = {"train": str(path), "test": write(tmp_path / "test.json", [make_row(9, "z")])}
        return load_question_answering(data_files=files, validation_fraction=0)["train"]["id"][:]

    with pytest.raises(
        ValueError, match=r"row 0 \(id q0\): the answer 'Ben' is in its question, not in its context; are"
    ):
        rows = [make_row(0, context="Who is Ben?", question="Who is here?", text=None)]
        rows[0] |= {"question": "Ben is here.", "answers": {"text": ["Ben"], "answer_start": [0]}}
        rows[0]["context"] = "Who is here?"
        load_question_answering(data_files={"train": write(tmp_path / "swapped.parquet", rows)})
    assert load([False, True, False]) == load([None, None, None]) == load([0, 1, None]) == ["q0", "q1", "q2"]
    with pytest.raises(ValueError, match=r"row 0 \(id q0\): its is_impossible is True, but it has 1 answers"):
        load([True, True, False])
    with pytest.raises(ValueError, match=r"row 1 \(id q1\): its is_impossible is False, but it has no answers"):
        load([False, False, False])
    with pytest.raises(ValueError, match=r"its is_impossible is 'no', not true or false"):
        load(["no", "no", "no"])


@pytest.mark.parametrize("layout", ["a.json", "a.jsonl", "a.parquet"])
def test_titles_and_ids_that_are_numbers_are_titles_and_ids(layout, tmp_path, capsys):
    """The title 0 was taken for no title, and so the split was by context."""
    rows = [make_row(number) | {"id": number, "title": number // 3} for number in range(12)]
    splits = load_question_answering(data_files={"train": write(tmp_path / layout, rows)}, test_fraction=0.3)
    read = [row for split in splits.values() for row in split]
    assert {row["id"]: row["title"] for row in read} == {str(number): str(number // 3) for number in range(12)}
    assert "set apart by title" in capsys.readouterr().out
    assert len({title for split in splits.values() for title in set(split["title"])}) == 4
    assert sum(len(set(split["title"])) for split in splits.values()) == 4  # no article in two splits


INCOMPLETE = {
    "no paragraphs": ({"title": "a"}, "article 1 has no list 'paragraphs'"),
    "paragraphs that are null": ({"title": "a", "paragraphs": None}, "article 1 has no list 'paragraphs'"),
    "no questions": ({"title": "a", "paragraphs": [{"context": "b"}]}, "article 1, paragraph 0 has no list 'qas'"),
    "an article that is text": ("a", "article 1 has no list 'paragraphs'"),
    "a question that is text": ({"paragraphs": [{"context": "b", "qas": ["c"]}]}, "question 0 is 'c', not an object"),
    "an answer that is text": (
        {"paragraphs": [{"context": "Ben", "qas": [{"question": "c", "answers": ["Ben"]}]}]},
        "article 1, paragraph 0, question 0: the column 'answers' holds text",
    ),
    "an answer without its place": (
        {"paragraphs": [{"context": "Ben", "qas": [{"question": "c", "answers": [{"text": "Ben"}]}]}]},
        "row 1 .* its answers have 1 texts at 0 places",
    ),
    "a context of another type": (
        {"paragraphs": [{"context": 5, "qas": [{"question": "c"}]}]},
        "'context' holds a number",
    ),
}


@pytest.mark.parametrize(("article", "message"), INCOMPLETE.values(), ids=list(INCOMPLETE))
def test_an_incomplete_squad_file_names_the_part_that_lacks(article, message, tmp_path):
    content = official([make_row(0)], version="v1.1")
    content["data"].append(article)
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        load_question_answering(data_files={"train": str(tmp_path / "a.json")})


def test_a_squad_file_that_breaks_off_names_the_place(tmp_path):
    text = json.dumps(official([make_row(0), make_row(1)]), indent=1)
    (tmp_path / "a.json").write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match=r"a.json cannot be read: .*line \d+ column \d+"):
        load_question_answering(data_files={"train": str(tmp_path / "a.json")})
    (tmp_path / "b.json").write_text(json.dumps(official([make_row(0), make_row(1)])), encoding="utf-16")
    files = {"train": str(tmp_path / "b.json"), "test": write(tmp_path / "test.json", [make_row(9, "z")])}
    assert len(load_question_answering(data_files=files, validation_fraction=0)["train"]) == 2


@pytest.mark.lecture("S2-31")
def test_overlapping_splits_are_refused(tmp_path, capsys):
    shared = [make_row(5), make_row(6, context=make_row(5)["context"])]
    files = {"train": write(tmp_path / "train.json", [make_row(0), *shared])}
    files["test"] = write(tmp_path / "test.json", [make_row(9, context=shared[0]["context"])])
    with pytest.raises(ValueError, match="2 of 3 train rows, whose 1 contexts also stand in the test split; the first "
                       "context is '  Anna lives"):  # fmt: skip
        load_question_answering(data_files=files, validation_fraction=0)
    splits = load_question_answering(data_files=files, validation_fraction=0, skip_bad_rows=True)
    assert splits["train"]["id"] == ["q0"] and len(splits["test"]) == 1
    assert "skipped 2 of 3 train rows" in capsys.readouterr().out
    # What decides when to stop must not be what is scored in the end.
    files["train"] = write(tmp_path / "other.json", [make_row(0)])
    files["validation"] = write(tmp_path / "validation.json", [make_row(1), *shared])
    with pytest.raises(ValueError, match="2 of 3 validation rows, whose 1 contexts also stand in the test split"):
        load_question_answering(data_files=files)
    assert load_question_answering(data_files=files, skip_bad_rows=True)["validation"]["id"] == ["q1"]


def test_other_bad_data_is_refused(tmp_path):
    def load(**files):
        paths = {name: write(tmp_path / file, rows) for name, (file, rows) in files.items()}
        return load_question_answering(data_files=paths)

    with pytest.raises(ValueError, match="either dataset_name or data_files"):
        load_question_answering()
    for fraction in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=f"validation_fraction is {fraction}; it must be at least 0 and below 1"):
            load_question_answering("not read before", validation_fraction=fraction)
    with pytest.raises(ValueError, match="rows 0 and 2 of the train split have the same id 'q1'"):
        load(train=("a.jsonl", [make_row(1), make_row(2), make_row(1)]))
    with pytest.raises(ValueError, match=r"no train split; the splits are \['test', 'validation'\]"):
        load(test=("a.json", [make_row(1)]), validation=("b.json", [make_row(2)]))
    with pytest.raises(ValueError, match=r"no column 'answers'; its columns are \['context', 'question'\]"):
        load(train=("a.jsonl", [{"context": "c", "question": "q"}]))
    with pytest.raises(ValueError, match="has no questions"):
        load(train=("a.json", []))
    with pytest.raises(ValueError, match="two are needed to split by title"):
        load(train=("a.json", [make_row(1), make_row(2)]))


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.lecture("S2-31")
def test_squad_and_tydi_read_whole_and_split_by_article(data_dir):
    splits = load_question_answering(str(data_dir / "squad"), validation_fraction=0, test_fraction=0.25)
    titles = [set(split["title"]) for split in splits.values()]
    assert [len(found) for found in titles] == [36, 12] and sum(map(len, splits.values())) == 10_570
    contexts = [set(split["context"]) for split in splits.values()]
    assert not contexts[0] & contexts[1] and len(contexts[0] | contexts[1]) == 2_067
    tydi = load_question_answering(str(data_dir / "tydiqa_goldp_en"), validation_fraction=0)
    assert {name: len(split) for name, split in tydi.items()} == {"train": 3_696, "validation": 440}
    facqa = str(data_dir / "facqa_squad_derived")
    with pytest.raises(ValueError, match="contexts also stand in the test split"):
        load_question_answering(facqa)
    raw = load_dataset(facqa)
    kept = set(raw["train"]["context"]) - set(raw["test"]["context"]) - set(raw["validation"]["context"])
    assert set(load_question_answering(facqa, skip_bad_rows=True)["train"]["context"]) == kept
