"""Comparison and inspection, as functions and from the command line."""

import contextlib
import logging

import pytest

from tokenization import compare_tokenizers, format_pieces, format_reports, inspect_text, save_tokenizer
from tokenization.__main__ import main


def test_comparison_counts_what_a_reader_would_count(train):
    words = train(["aku suka film"], "wordlevel", min_frequency=1, punctuation="attached")
    (report,) = compare_tokenizers({"words": words}, ["Aku suka  durian", "film film"])
    assert (report.tokens, report.words, report.vocab_size) == (5, 5, 8)
    assert (report.fertility, report.unknown_rate, report.whole_words) == (1.0, 1 / 5, 4 / 5)
    assert report.vocab_used == 4 / 8, "aku, suka, film and [UNK] of eight"
    assert report.characters_per_token == (16 + 9) / 5
    assert report.megabytes_per_second > 0


@pytest.mark.lecture("S3-26", "S4-17")
def test_whole_words_lose_unseen_text_and_subwords_pay_in_length(trained):
    reports = {r.name: r for r in compare_tokenizers(trained, ["Supercalifragilisticexpialidocious nonton film"])}
    assert reports["wordlevel"].unknown_rate == pytest.approx(1 / 3)
    for kind in ("wordpiece", "bpe", "unigram"):
        assert reports[kind].unknown_rate == 0
        assert reports[kind].fertility > reports["wordlevel"].fertility == 1
    # The share is one of words, also where a lost character is one of several pieces.
    (lost,) = compare_tokenizers({"bpe": trained["bpe"]}, ["漢 film"])
    assert lost.unknown_rate == 1 / 2 and lost.tokens > 2


def test_the_table_has_a_row_per_tokenizer(trained, sentences):
    table = format_reports(compare_tokenizers(trained, sentences)).splitlines()
    assert [line.split()[0] for line in table[2:-1]] == list(trained)
    assert len({len(line) for line in table[:-1]}) == 1, "columns are aligned"


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram", "wordlevel"])
def test_inspection_names_what_is_special_and_what_is_lost(trained, kind):
    text = "Aku suka 漢 [MASK]"
    pieces = inspect_text(text, trained[kind], "film")
    assert [p.id for p in pieces] == trained[kind](text, "film").input_ids
    assert [p.piece for p in pieces if p.note == "special"] == ["[CLS]", "[MASK]", "[SEP]", "[SEP]"]
    (lost,) = [p for p in pieces if p.note == "unknown"]
    assert lost.source.strip() == "漢"
    assert "'漢' is lost" in format_pieces(pieces)
    assert pieces[1].source == text[pieces[1].start : pieces[1].end] and pieces[1].word == 0
    assert {p.token_type for p in pieces} == {0, 1}


def test_train_compare_and_inspect_work_from_the_command_line(tmp_path, sentences, capfd):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(sentences * 3), encoding="utf-8")
    for kind in ("wordpiece", "wordlevel"):
        arguments = ["--kind", kind, "--vocab_size", "150", "--output_dir", str(tmp_path / kind)]
        with pytest.warns(UserWarning) if kind == "wordlevel" else contextlib.nullcontext():
            assert main(["train", str(corpus), *arguments]) == 0
        shown = capfd.readouterr().out
        assert "24 texts" in shown and str(tmp_path / kind) in shown and "unknown" in shown
    folders = [str(tmp_path / "wordpiece"), str(tmp_path / "wordlevel")]
    assert main(["compare", *folders, "--file", str(corpus)]) == 0
    assert capfd.readouterr().out.count(str(tmp_path)) == 2
    assert main(["inspect", "aku suka durian", "--tokenizer", folders[1]]) == 0
    assert "'durian' is lost" in capfd.readouterr().out


def test_a_local_folder_of_tables_can_be_trained_on(tmp_path, sentences, capfd, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "tables"
    folder.mkdir()
    datasets.Dataset.from_dict({"kalimat": sentences * 3}).to_parquet(str(folder / "train.parquet"))
    command = ["train", "--dataset_name", str(folder), "--text_column", "kalimat", "--vocab_size", "150"]
    assert main([*command, "--streaming", "--output_dir", str(tmp_path / "out")]) == 0
    assert "24 texts" in capfd.readouterr().out and (tmp_path / "out/tokenizer.json").is_file()


def test_mistakes_on_the_command_line_print_one_line(tmp_path, capfd, trained):
    assert main(["train", "--output_dir", str(tmp_path)]) == 2
    assert "either files or --dataset_name; got 0 files" in capfd.readouterr().err
    assert main(["train", str(tmp_path / "no.txt"), "--output_dir", str(tmp_path)]) == 2
    assert capfd.readouterr().err.count("\n") == 1
    (tmp_path / "empty").mkdir()
    assert main(["inspect", "aku", "--tokenizer", str(tmp_path / "empty")]) == 2
    assert "holds no tokenizer" in capfd.readouterr().err
    assert main(["inspect", "aku", "--tokenizer", str(tmp_path / "nothere")]) == 2
    assert "nothere is not a folder" in capfd.readouterr().err
    assert save_tokenizer(trained["bpe"], tmp_path / "ok").is_dir()


UNREADABLE = {
    "surrogate.jsonl": b'{"text": "halo \\ud800 dunia"}\n',
    "ragged.csv": b"text\nsatu\ndua, tiga\n",
    "latin1.csv": "text\ncafé\n".encode("latin-1"),
    "latin1.txt": "satu\ncafé\n".encode("latin-1"),
    "broken.json": b'{"text": "satu"\n',
    "header.csv": b"text\n",
    "empty.csv": b"",
    "empty.txt": b"",
    "text.parquet": b"not parquet",
    "column.csv": b"judul\nsatu\n",
    "numbers.jsonl": b'{"text": 3}\n',
}


@pytest.mark.parametrize("command", ["train", "compare", "data set"])
@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_file_is_one_line(tmp_path, capfd, name, command, trained, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(logging, "raiseExceptions", False)  # datasets logs to the stderr of an earlier test
    path = tmp_path / "data" / name
    path.parent.mkdir()
    path.write_bytes(UNREADABLE[name])
    tokenizer = save_tokenizer(trained["bpe"], tmp_path / "tokenizer")
    arguments = {
        "train": ["train", path, "--output_dir", tmp_path / "out"],
        "compare": ["compare", tokenizer, "--file", path],
        "data set": ["train", "--dataset_name", path.parent, "--output_dir", tmp_path / "out"],
    }[command]
    assert main(list(map(str, arguments))) == 2
    error = capfd.readouterr().err.splitlines()
    assert sum(line.startswith("error: ") for line in error) == 1 and "Traceback" not in "".join(error)
    assert len(error[-1]) > 30 and "An error occurred while generating" not in error[-1]
    assert not (tmp_path / "out").exists()


def test_a_broken_tokenizer_and_a_file_as_folder_are_one_line(tmp_path, capfd, sentences):
    for name in ("tokenizer.json", "vocab.txt"):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_bytes(b"{ not json \xff")
        assert main(["inspect", "aku", "--tokenizer", str(folder)]) == 2
        error = capfd.readouterr().err
        assert f"cannot load the tokenizer in {folder}" in error and "Traceback" not in error
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(sentences), encoding="utf-8")
    assert main(["train", str(corpus), "--output_dir", str(corpus)]) == 2
    assert capfd.readouterr().err == f"error: --output_dir {corpus} is a file; name a folder\n"
    assert main(["train", str(corpus), "--limit_alphabet", "-1", "--output_dir", str(tmp_path / "out")]) == 2
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "the following arguments are required: train|compare|inspect"),
        (["trian"], "invalid choice: 'trian'"),
        (["train", "corpus.txt"], "the following arguments are required: --output_dir"),
        (
            ["train", "a.txt", "--output_dir", "b", "--vocab_szie", "9"],
            "unknown argument --vocab_szie, did you mean --vocab",
        ),
        (["inspect", "aku", "--tokenizer", "a", "--zzz"], "unknown argument --zzz;"),
        (["train", "a.txt", "--output_dir", "b", "--vocab_size", "many"], "invalid int value: 'many'"),
    ],
)
def test_mistyped_arguments_are_one_line(arguments, expected, capfd):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    error = capfd.readouterr().err
    assert expected in error and error.count("\n") == 1 and "--help" in error


def test_traceback_shows_where_and_control_c_stops(tmp_path, monkeypatch, capfd):
    with pytest.raises(FileNotFoundError, match=r"no\.txt"):
        main(["train", str(tmp_path / "no.txt"), "--output_dir", str(tmp_path / "out"), "--traceback"])

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tokenization.__main__.load_tokenizer", interrupted)
    assert main(["inspect", "aku", "--tokenizer", str(tmp_path)]) == 130
    assert capfd.readouterr().err.count("\n") == 1


def test_inspect_says_what_the_normalizer_removes(tmp_path, capfd, trained):
    folder = str(save_tokenizer(trained["wordpiece"], tmp_path))
    assert main(["inspect", "Kafé", "--tokenizer", folder]) == 0
    assert "accents and marks removed: 1 x COMBINING ACUTE ACCENT\n" in capfd.readouterr().out
    assert main(["inspect", "kafe", "--tokenizer", folder]) == 0
    assert "accents and marks removed: none\n" in capfd.readouterr().out
