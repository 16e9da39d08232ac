"""Every script and command takes --delimiter, --encoding and --quotes, and reads what they say."""

import json

import pytest

from tokenization.__main__ import main as tokenization

ROWS = [("kopi é; enak", "positif"), ("teh, dingin", "negatif"), ("roti", "positif"), ("nasi", "negatif")]
LOADERS = {
    "classifier": lambda script, args: script.load_splits(args, 0)[0],
    "translator": lambda script, args: script.load_pairs(args, 0),
    "mlm": lambda script, args: script.load_text(args, 0),
    "lm": lambda script, args: script.load_text(args, 0),
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def table(tmp_path):
    """A csv of a spreadsheet that writes semicolons, and cells that begin with a quotation mark as they are."""
    path = tmp_path / "a.csv"
    rows = [("text", "label"), *[(text.replace(";", ","), label) for text, label in ROWS]]
    path.write_text("\n".join(";".join(row) for row in rows).replace("roti", '"roti'), encoding="cp1252")
    return path


TEXTS = {"kopi é, enak", "teh, dingin", '"roti', "nasi"}
FLAGS = ["--delimiter", ";", "--encoding", "cp1252", "--quotes", "false"]


@pytest.mark.parametrize("name", LOADERS)
def test_the_commands_read_a_file_as_their_flags_say(name, load_command, table, capsys):
    script = load_command(f"training.{name}")
    classes = (script.DataArguments,)
    more = ["--source_column", "text", "--target_column", "label"] if name == "translator" else []
    (args,) = script.base.parse_with_recipe(classes, ["--train_file", str(table), *FLAGS, *more])
    if isinstance(args.train_file, str):
        args.validation_file = str(table)
    splits = LOADERS[name](script, args)
    column = "source" if name == "translator" else "text"
    assert {row[column] for split in splits.values() for row in split} == TEXTS
    (args,) = script.base.parse_with_recipe(classes, ["--train_file", str(table), *more])
    with pytest.raises(ValueError, match=r"byte 16 \(0xe9\) is not UTF-8.*--encoding"):
        LOADERS[name](script, args)


def test_questions_take_an_encoding(load_command, tmp_path, capsys):
    script = load_command("training.qa")
    context = "Ani tinggal di Café."
    rows = [{"context": f"{context} {n}", "question": "Siapa?", "title": f"t{n}",
             "answers": {"text": ["Ani"], "answer_start": [0]}} for n in range(4)]  # fmt: skip
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="cp1252")
    flags = ["--train_file", str(path), "--encoding", "cp1252"]
    (args,) = script.base.parse_with_recipe((script.DataArguments,), flags)
    splits = script.load_splits(args, 0)
    assert {row["context"] for split in splits.values() for row in split} == {row["context"] for row in rows}


def test_the_comparing_scripts_read_their_labels_as_the_flags_say(load_example, repository, monkeypatch, table):
    monkeypatch.syspath_prepend(str(repository / "examples"))
    load_example("classifier_runs")
    script = load_example("learning_curve")
    other = table.with_name("other.csv")
    other.write_text("text;label\nair;positif\n", encoding="cp1252")
    layout = {"delimiter": ";", "encoding": "cp1252", "quotes": False}
    args = script.LabelledFiles(train_file=str(table), test_file=str(other), **layout)
    args.labels = [2]
    assert set(script.read_labels(args)["text"]) == TEXTS
    assert script.layout_flags(args) == ["--delimiter", ";", "--encoding", "cp1252", "--quotes", "False"]
    assert script.layout_flags(script.LabelledFiles()) == []
    sweep = load_example("sweep")
    with pytest.raises(ValueError, match="--task regression: these runs are compared by macro-F1"):
        sweep.parse_arguments(["--task", "regression"])


@pytest.mark.filterwarnings("ignore:the vocabulary has")
def test_the_tokenization_command_reads_a_file_as_its_flags_say(table, tmp_path, capsys):
    flags = ["train", str(table), "--output_dir", str(tmp_path / "tokenizer"), "--kind", "wordlevel"]
    flags += ["--min_frequency", "1", "--vocab_size", "30"]
    assert tokenization([*flags, *FLAGS]) == 0
    printed = capsys.readouterr().out
    assert "from 4 texts" in printed and "kopi" in printed and "positif" not in printed
    compare = ["compare", str(tmp_path / "tokenizer"), "--file", str(table)]
    assert tokenization([*compare, *FLAGS]) == 0
    for command in (flags, compare):
        assert tokenization(command) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "is not UTF-8; give its encoding" in error
        assert tokenization([*command, "--encoding", "cp1252"]) == 2
        assert "--delimiter ';'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tokenization([*flags, "--quotes", "maybe"])
    assert "'maybe' is not true or false" in capsys.readouterr().err
