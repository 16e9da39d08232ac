"""Every command and script works on a console that has no √, → or ▁, and loses nothing on disk."""

import ast
import contextlib
import io
import json
import os
import runpy
import subprocess
import sys

import pytest
import torch
from transformers import AutoModel

import modeling_minibert.conversion.__main__ as conversion
import modeling_minibert.explain.__main__ as explain
from modeling_minibert import MiniBertConfig, MiniBertModel
from modeling_minibert.evaluation import seeds
from modeling_minibert.training import training_curves
from tokenization import save_tokenizer, train_tokenizer
from tokenization.__main__ import main as tokenization
from tokenization.console import prepare_console, run_command

TEXT = "café → √2 ▁ 漢字 ✓ 👍"


@contextlib.contextmanager
def cp1252():
    """Replace stdout and stderr by pipes in cp1252; the list gets the text that was printed."""
    printed, streams = [], [io.TextIOWrapper(io.BytesIO(), encoding="cp1252") for _ in range(2)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        yield printed
    for stream in streams:
        stream.flush()
    printed.append("".join(stream.buffer.getvalue().decode("cp1252") for stream in streams))


@pytest.fixture
def folder(tmp_path):
    """A tiny encoder and its tokenizer, bpe with its ▁, trained on text that cp1252 has no characters for."""
    tokenizer = train_tokenizer([TEXT] * 3, "bpe", min_frequency=1, vocab_size=200, show_progress=False)
    config = MiniBertConfig.from_preset("tiny", vocab_size=len(tokenizer), num_hidden_layers=1, pad_token_id=0)
    MiniBertModel(config).save_pretrained(tmp_path / "model")
    return save_tokenizer(tokenizer, tmp_path / "model")


@pytest.fixture
def run(monkeypatch):
    """Run a command on such a console; the exit status and the text."""

    def run(main, *arguments):
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        with cp1252() as printed:
            status = main()
        return status or 0, printed[0]

    return run


@pytest.mark.filterwarnings("ignore:the vocabulary has")
def test_tokenization_trains_compares_and_inspects(folder, tmp_path, run):
    corpus, out = tmp_path / "→ corpus.txt", tmp_path / "▁ words"
    corpus.write_text(f"{TEXT}\n" * 9, encoding="utf-8")
    for arguments in (
        ["train", corpus, "--kind", "wordlevel", "--output_dir", out],
        ["compare", folder, out, "--file", corpus],
        ["inspect", TEXT, "--tokenizer", folder, out],
    ):
        status, printed = run(tokenization, *arguments)
        assert status == 0 and "words" in printed
    vocabulary = json.loads((out / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert {"→", "漢", "✓", "👍", "▁"} <= set(vocabulary)
    status, printed = run(tokenization, "inspect", TEXT, "--tokenizer", tmp_path / "→ nothing")
    assert status == 2 and printed.startswith("error: ") and printed.count("\n") == 1


def test_a_converted_folder_is_whole(folder, tmp_path, run):
    status, printed = run(lambda: run_command(conversion.main), folder, tmp_path / "stock →")
    assert status == 0 and "MiniBertModel in" in printed and "open it" in printed
    ids = torch.tensor([[2, 7, 9, 3]])
    ours, stock = (AutoModel.from_pretrained(path).eval()(ids)[0] for path in (folder, tmp_path / "stock →"))
    torch.testing.assert_close(ours, stock)
    assert len({(path / "tokenizer.json").read_bytes() for path in (folder, tmp_path / "stock →")}) == 1


def test_a_trace_is_printed_and_its_page_is_utf8(folder, tmp_path, run):
    page = tmp_path / "page.html"
    status, printed = run(lambda: run_command(explain.main), folder, TEXT, "--out", page, "--print")
    assert status == 0 and "caf" in printed and "漢" in page.read_text(encoding="utf-8")


def test_scores_and_curves(tmp_path, run):
    files = [tmp_path / f"{seed}.json" for seed in range(2)]
    for seed, file in enumerate(files):
        file.write_text(json.dumps({"eval_accuracy": 0.5 + seed / 8}), encoding="utf-8")
    assert "0.5625 ± 0.0884" in run(lambda: run_command(seeds.main), *files)[1]
    history = [{"step": step, "loss": 1 / step} for step in (1, 2)] + [{"step": 2, "eval_loss": 0.5}]
    state, figure = tmp_path / "trainer_state.json", tmp_path / "→.png"
    state.write_text(json.dumps({"log_history": history}), encoding="utf-8")
    assert "?.png" in run(lambda: run_command(training_curves.main), state, "--out", figure)[1]
    assert figure.stat().st_size > 1000


def scripts():
    root = os.path.join(os.path.dirname(__file__), "..", "examples")
    for folder in ("", "lessons", "benchmarks"):
        for name in sorted(os.listdir(os.path.join(root, folder))):
            path = os.path.join(root, folder, name)
            if name.endswith(".py") and '__name__ == "__main__"' in open(path, encoding="utf-8").read():
                yield pytest.param(path, id=os.path.join(folder, name))


@pytest.mark.parametrize("path", list(scripts()))
def test_every_script_prepares_the_console_before_its_main(path):
    """The last block of the script is run as it stands, with a main that prints."""
    with open(path, encoding="utf-8") as file:
        *_, guard = tree = ast.parse(file.read()).body
    imports = [step for step in tree if isinstance(step, ast.Import | ast.ImportFrom)]
    wanted = {node.id for node in ast.walk(guard) if isinstance(node, ast.Name)}
    kept = [step for step in imports if wanted & {name.asname or name.name.split(".")[0] for name in step.names}]
    space = dict.fromkeys(wanted) | {"__name__": "__main__"}
    exec(compile(ast.Module(kept, []), path, "exec"), space)
    space["main"] = lambda **_: print(TEXT)
    with cp1252() as printed:
        exec(compile(ast.Module([guard], []), path, "exec"), space)
    assert printed == ["café ? ?2 ? ?? ? ?\n"]


def test_a_lesson_prints_all_its_lines(repository, run):
    path = str(repository / "examples" / "lessons" / "03_scaling.py")
    _, printed = run(lambda: runpy.run_path(path, run_name="__main__") and 0)
    promised = runpy.run_path(path)["__doc__"].partition("rints:\n\n")[2].partition("\nTry this:")[0]
    assert len(printed.splitlines()) == len(promised.splitlines()) > 3


def test_a_stream_without_encoding_is_left_alone():
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(None):  # None: as under pythonw
        prepare_console()
        print(TEXT)
    assert stream.getvalue() == f"{TEXT}\n"


def test_the_command_exits_with_0_in_a_process_of_its_own(folder):
    command = [sys.executable, "-m", "tokenization", "inspect", TEXT, "--tokenizer", str(folder)]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    result = subprocess.run(command, capture_output=True, env=environment)
    assert result.returncode == 0, result.stderr.decode("cp1252")
    assert "caf" in result.stdout.decode("cp1252") and b"Traceback" not in result.stderr
