"""The notebooks are their sources, run from top to bottom without a network, and show pictures."""

from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
NAMES = ("transformer", "bert", "gpt")


def sources(notebook):
    return [(cell.cell_type, cell.source.strip()) for cell in notebook.cells]


@pytest.mark.lecture("S5-63")
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_its_source_and_holds_no_outputs(name):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    source = jupytext.read(FOLDER / f"{name}.py", fmt="py:percent")
    assert sources(notebook) == sources(source) and len(notebook.cells) > 8
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook.cells)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert text.startswith("# ") and text.count("**Try this:**") >= 3


@pytest.mark.slow
@pytest.mark.lecture("S5-63")
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_and_shows_a_picture(name, monkeypatch, repository):
    monkeypatch.setenv("PYTHONPATH", str(repository))
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)


def test_queries_keys_and_values_are_made_before_they_are_used():
    text = (FOLDER / "transformer.py").read_text(encoding="utf-8")
    for made, used in (("x = word_table", "x @ w_query"), ("w_query, w_key, w_value", "query, key, value ="),
                       ("query, key, value =", "split(query)"), ("scores =", "scores.softmax")):  # fmt: skip
        assert 0 < text.index(made) < text.index(used)
