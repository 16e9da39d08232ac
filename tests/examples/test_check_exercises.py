"""The checker accepts a right solution, and refuses typical wrong ones with the hint that helps.

The solutions are here and not in the folder of the exercises; a wrong one is the right one with one piece exchanged.
"""

import shutil

import pytest

SOLUTIONS = {
    "exercise_1_attention": """
import numpy as np

def attention(query, key, value, mask=None):
    scores = query @ np.swapaxes(key, -2, -1) / np.sqrt(key.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -1e30)
    scores = scores - scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ value, weights
""",
    "exercise_2_fine_tune": """
import torch

def fine_tune(model, tokenizer, texts, labels):
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for epoch in range(12):
        for rows in torch.randperm(len(texts)).split(8):
            batch = tokenizer([texts[i] for i in rows], padding=True, truncation=True, return_tensors="pt")
            loss = model(**batch, labels=torch.tensor([labels[i] for i in rows])).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

def predict(model, tokenizer, texts):
    model.eval()
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        return model(**batch).logits.argmax(dim=-1).tolist()
""",
    "exercise_3_compare": """
import time
import torch
from sklearn.metrics import accuracy_score, f1_score

def compare(models, texts, labels):
    rows = []
    for name, (model, tokenizer) in models.items():
        model.eval()
        start = time.perf_counter()
        with torch.no_grad():
            batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
            classes = model(**batch).logits.argmax(dim=-1).tolist()
        rows.append({
            "name": name,
            "accuracy": accuracy_score(labels, classes),
            "macro_f1": f1_score(labels, classes, average="macro"),
            "parameters": sum(p.numel() for p in model.parameters()),
            "seconds": time.perf_counter() - start,
        })
    return rows
""",
    "exercise_4_generate": """
import torch

def generate(model, input_ids, max_new_tokens, eos_token_id=None):
    prompt = input_ids
    for _ in range(max_new_tokens):
        next_id = model(input_ids).logits[:, -1].argmax(dim=-1, keepdim=True)
        input_ids = torch.cat([input_ids, next_id], dim=1)
        if next_id.item() == eos_token_id:
            break
    return input_ids

def next_token_probabilities(logits, temperature=1.0, top_k=None):
    logits = logits / temperature
    if top_k is not None:
        smallest = logits.topk(top_k).values[-1]
        logits = logits.masked_fill(logits < smallest, -torch.inf)
    return logits.softmax(dim=-1)
""",
    "exercise_5_visualise": """
import torch
from matplotlib.figure import Figure

def attention_figure(model, tokenizer, text, layer, head):
    inputs = tokenizer(text, return_tensors="pt")
    model.set_attn_implementation("eager")
    with torch.no_grad():
        weights = model(**inputs, output_attentions=True).attentions[layer][0, head]
    tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    figure = Figure()
    axes = figure.subplots()
    axes.imshow(weights)
    axes.set_xticks(range(len(tokens)), tokens)
    axes.set_yticks(range(len(tokens)), tokens)
    axes.set(xlabel="key", ylabel="query")
    return figure
""",
}
MISTAKES = [  # of which exercise, what is exchanged, and a piece of the hint
    ("exercise_1", " / np.sqrt(key.shape[-1])", "", "the scores are not scaled"),
    ("exercise_1", "np.sqrt(key.shape[-1])", "key.shape[-1]", "not by D"),
    ("exercise_1", "key.shape[-1]", "key.shape[-2]", "of the wrong axis"),
    ("exercise_1", "weights.sum(axis=-1,", "weights.sum(axis=0,", "runs over the queries"),
    ("exercise_1", "weights.sum(axis=-1, keepdims=True)", "weights.sum()", "runs over the whole matrix"),
    ("exercise_1", "np.exp(scores)\n    weights = weights / weights.sum(axis=-1, keepdims=True)", "scores",
     "is there a softmax?"),
    ("exercise_1", "return weights @ value, weights", "return weights @ value", "return two arrays"),
    ("exercise_1", "np.swapaxes(key, -2, -1)", "key.T", "key.T turns all axes round"),
    ("exercise_1", "np.where(mask, scores, -1e30)", "scores", "the mask is not used"),
    ("exercise_1", "np.where(mask, scores, -1e30)", "np.where(mask, scores, 0)", "which still is a weight of exp(0)"),
    ("exercise_1", "np.where(mask, scores, -1e30)", "np.where(mask, -1e30, scores)", "weights with a mask: differs"),
    ("exercise_1", "scores = np.where(mask, scores, -1e30)", "weights = np.exp(scores)\n        weights = weights / "
     "weights.sum(axis=-1, keepdims=True) * mask\n        return weights @ value, weights",
     "set to 0 after the softmax"),
    ("exercise_1", "    scores = scores - scores.max(axis=-1, keepdims=True)\n", "", "subtract the largest score"),
    ("exercise_2", "            optimizer.step()\n", "", "comes optimizer.step()"),
    ("exercise_2", "    model.eval()\n", "", "predict: the model is in training mode"),
    ("exercise_2", "model(**batch).logits", "model(batch['input_ids']).logits", "predict: pads are read like words"),
    ("exercise_2", "model(**batch, labels", "model(batch['input_ids'], labels", "fine_tune: pads are read like words"),
    ("exercise_2", ".argmax(dim=-1).tolist()", ".argmax(dim=-1)", "return a list of 50 ints"),
    ("exercise_2", "range(12)", "range(1)", "of new texts are right"),
    ("exercise_2", "(texts, padding=True, truncation=True,", "(texts, padding=True,", "call the tokenizer with"),
    ("exercise_3", "        model.eval()\n", "", "BERT: the model is in training mode"),
    ("exercise_3", "model(**batch)", "model(batch['input_ids'])", "BERT: pads are read like words"),
    ("exercise_3", 'average="macro"', 'average="micro"', "that is the micro average"),
    ("exercise_3", 'average="macro"', 'average="weighted"', "weighted by how frequent"),
    ("exercise_3", "accuracy_score(labels, classes)", "100 * accuracy_score(labels, classes)", "not per cent"),
    ("exercise_3", "p.numel() for p in model.parameters()", "p.numel() for p in model.parameters() if p.requires_grad",
     "frozen parameters count too"),
    ("exercise_3", "sum(p.numel() for p in model.parameters())", "len(list(model.parameters()))", "number of tensors"),
    ("exercise_3", '"seconds"', '"time"', "the row has no seconds"),
    ("exercise_3", "    for name, (model, tokenizer) in models.items():", "    tokenizer = models['BERT'][1]\n"
     "    for name, (model, _) in models.items():", "RoBERTa, macro_f1: differs"),
    ("exercise_4", "return input_ids\n", "return input_ids[:, prompt.shape[1]:]\n", "return the prompt too"),
    ("exercise_4", "logits[:, -1]", "logits[:, 0]", "this is the first"),
    ("exercise_4", "model(input_ids)", "model(prompt)", "always the same token"),
    ("exercise_4", "next_id.item() == eos_token_id", "False", "continues after the end token"),
    ("exercise_4", "logits / temperature", "logits * temperature", "multiplied by the temperature"),
    ("exercise_4", "return logits.softmax(dim=-1)", "return logits", "the softmax is missing"),
    ("exercise_4", "logits < smallest, -torch.inf", "logits < smallest, 0.0", "which still is exp(0)"),
    ("exercise_4", "if top_k is not None", "if False", "top_k is not used"),
    ("exercise_5", '    model.set_attn_implementation("eager")\n', "", "set_attn_implementation('eager')"),
    ("exercise_5", "axes.imshow(weights)", "axes.imshow(weights.T)", "rows and columns are exchanged"),
    ("exercise_5", "[0, head]", "[0].mean(dim=0)", "the mean over the heads"),
    ("exercise_5", "[layer][0, head]", "[layer - 1][0, head]", "this is the layer before"),
    ("exercise_5", "[layer][0, head]", "[head][0, layer]", "first the layer"),
    ("exercise_5", "range(len(tokens)), tokens)", "range(len(tokens) - 2), tokens[1:-1])", "lack the special tokens"),
    ("exercise_5", 'xlabel="key", ylabel="query"', 'xlabel="query", ylabel="key"', "the x axis should say"),
    ("exercise_5", "axes.imshow(weights)", "axes.plot(weights)", "there is no heat map"),
    ("exercise_5", "return figure", "return None", "return the matplotlib Figure"),
]  # fmt: skip


@pytest.fixture
def check(repository, monkeypatch, load_example, capsys):
    """Run the checker on a path: exit code and what it printed."""
    monkeypatch.syspath_prepend(repository / "examples" / "lessons")
    script = load_example("lessons/check_exercises")

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            script.run(*arguments)
        return stop.value.code, capsys.readouterr().out

    return run


def write(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder / f"{name}.py"


@pytest.mark.slow
@pytest.mark.lecture("S3-38")
def test_right_solutions_are_accepted(check, tmp_path):
    for name, text in SOLUTIONS.items():
        write(tmp_path / "mine", name, text)
    code, printed = check(tmp_path / "mine")
    assert code == 0, printed
    assert printed.count("✓") == 5 + 2 + 1 + 4 + 2 and "✗" not in printed
    assert printed.endswith("5 of 5 exercises solved\n")


@pytest.mark.slow
@pytest.mark.lecture("S3-38", "S3-43")
def test_wrong_solutions_are_refused_with_a_hint(check, tmp_path):
    not_caught = []
    for number, (exercise, right, wrong, hint) in enumerate(MISTAKES):
        name = next(name for name in SOLUTIONS if name.startswith(exercise))
        assert right in SOLUTIONS[name], (number, right)
        solution = SOLUTIONS[name].replace(right, wrong)
        if hint != "of new texts are right":
            solution = solution.replace("range(12)", "range(1)")  # the other mistakes show without learning much
        file = write(tmp_path / str(number), name, solution)
        code, printed = check(file)
        if code != 1 or hint not in printed:
            not_caught.append((exercise, wrong, hint, printed))
    assert not not_caught


def test_templates_are_not_written_yet(check, repository, tmp_path):
    shutil.copytree(repository / "examples" / "lessons" / "exercises", tmp_path / "copy")
    for arguments in ((), (tmp_path / "copy",)):
        code, printed = check(*arguments)
        assert code == 1
        assert printed.count("not written yet: write this function") == 5
        assert printed.endswith("0 of 5 exercises solved\n")


def test_errors_of_the_student_are_shown_with_their_line(check, tmp_path):
    text = SOLUTIONS["exercise_1_attention"].replace("np.exp(scores)", "np.ex(scores)")
    file = write(tmp_path / "mine", "exercise_1_attention", text)
    code, printed = check(file)
    assert code == 1
    assert "AttributeError: module 'numpy' has no attribute 'ex'" in printed
    assert "(line 9 of exercise_1_attention.py)" in printed
    file = write(tmp_path / "mine", "exercise_1_attention", "def attention(:\n")
    assert "the file can be run" in check(file)[1]


def test_a_folder_without_exercises_is_refused(check, tmp_path, monkeypatch, load_example):
    with pytest.raises(
        ValueError, match="no exercise and no folder with exercises; their names begin with exercise_1, "
    ):
        load_example("lessons/check_exercises").run(tmp_path)
