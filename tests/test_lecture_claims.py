"""Claims of the lectures that belong to no single module: their toy sets, their bugs, what the scripts may use."""

import ast
import dataclasses
import re
import shutil
import subprocess
import sys

import datasets
import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers
from helpers.operations import seconds_of_training
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from torch.testing import assert_close
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments, pipeline

from modeling_minibert import (
    MiniBertConfig,
    MiniBertForPreTraining,
    MiniBertForSequenceClassification,
    scaled_dot_product_attention,
)
from modeling_minibert.modeling_minibert import MiniBertLayer
from modeling_minibert.training import plot_training_curve
from tokenization import train_tokenizer

SIX = [
    ("aku suka banget sama film ini", 1),
    ("ceritanya seru dan lucu", 1),
    ("pemainnya keren semua", 1),
    ("aku bosan nonton film ini", 0),
    ("ceritanya datar dan lambat", 0),
    ("musiknya bikin pusing", 0),
]
FOUR = [("aku suka film ini", 1), ("aku tidak suka film ini", 0), ("bagus sekali", 1), ("sangat buruk", 0)]
# The same words in another order, the other meaning.
ORDER = [
    ("film ini bagus tidak membosankan", 1),
    ("film ini membosankan tidak bagus", 0),
    ("kopinya enak bukan pahit", 1),
    ("kopinya pahit bukan enak", 0),
]


def toy_tokenizer(rows):
    texts = [text for text, _ in rows]
    return train_tokenizer(texts, kind="wordlevel", vocab_size=60, min_frequency=1, show_progress=False)


def toy_config(tokenizer, **fields):
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 64}
    return MiniBertConfig(vocab_size=len(tokenizer), max_position_embeddings=16, num_labels=2, **{**sizes, **fields})


def learn(rows, steps=60, **fields):
    """Train on all rows at once; accuracy, loss, the loss of every step, and the seconds of that work."""
    tokenizer = toy_tokenizer(rows)
    model = MiniBertForSequenceClassification(toy_config(tokenizer, **fields)).train()
    batch = tokenizer([text for text, _ in rows], padding=True, return_tensors="pt")
    labels = torch.tensor([label for _, label in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        loss = model(**batch, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        final = model.eval()(**batch, labels=labels)
    accuracy = (final.logits.argmax(-1) == labels).float().mean().item()
    seconds = seconds_of_training(model, batch["input_ids"].numel(), steps)
    return accuracy, final.loss.item(), losses, seconds


def words_only(rows):
    """Logistic regression on word counts divided by the length: the mean of one-hot word vectors."""
    counts = CountVectorizer(token_pattern=r"\S+").fit_transform([text for text, _ in rows]).toarray()
    means = counts / counts.sum(1, keepdims=True)
    labels = [label for _, label in rows]
    return LogisticRegression(C=1e4).fit(means, labels).score(means, labels), means


@pytest.mark.lecture("S1-02", "S1-03")
@pytest.mark.parametrize("rows", [SIX, FOUR], ids=["six", "four"])
def test_the_toy_sentences_are_learned_in_seconds(rows):
    accuracy, loss, losses, seconds = learn(rows)
    assert accuracy == 1.0 and loss < 0.05 and seconds < 10
    assert losses[0] > 0.5  # it did not know them before


def pretrain(model, tokenizer, texts, steps=200):
    """Fill in one masked word of each text, and tell whether the next text follows; the losses of every step."""
    batch = tokenizer(texts, texts[1:] + texts[:1], padding=True, return_tensors="pt")
    words = batch["input_ids"] > tokenizer.mask_token_id
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        chosen = (torch.rand(words.shape) * words).argmax(dim=1, keepdim=True)
        masked = batch["input_ids"].scatter(1, chosen, tokenizer.mask_token_id)
        labels = torch.full_like(masked, -100).scatter(1, chosen, batch["input_ids"].gather(1, chosen))
        outputs = model(
            **{**batch, "input_ids": masked}, labels=labels, next_sentence_label=torch.zeros(len(texts)).long()
        )
        optimizer.zero_grad()
        outputs.loss.backward()
        optimizer.step()
        losses.append((outputs.masked_lm_loss.item(), outputs.next_sentence_loss.item()))
    return losses


@pytest.mark.slow
@pytest.mark.lecture("S1-01", "S1-19")
def test_the_notebooks_road_from_the_stack_over_pretraining_to_a_prediction(tmp_path):
    # 1. Data and the stack.
    texts, classes = zip(*SIX, strict=True)
    tokenizer = toy_tokenizer(SIX)
    names = {"id2label": {0: "negatif", 1: "positif"}, "label2id": {"negatif": 0, "positif": 1}}
    config = toy_config(tokenizer, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    # 2. Pretraining: both losses fall.
    model = MiniBertForPreTraining(config).train()
    losses = pretrain(model, tokenizer, list(texts))
    assert losses[-1][0] < losses[0][0] / 2 and losses[-1][1] < losses[0][1]
    model.save_pretrained(tmp_path / "pretrained")
    # 3. Fine-tuning, in batches, from the pretrained encoder; the curve of it as a picture.
    classifier = MiniBertForSequenceClassification.from_pretrained(tmp_path / "pretrained", **names)
    assert torch.equal(classifier.minibert.pooler.dense.weight, model.minibert.pooler.dense.weight)
    rows = datasets.Dataset.from_dict({**tokenizer(list(texts)), "label": classes})
    arguments = TrainingArguments(
        tmp_path / "tuned", num_train_epochs=15, per_device_train_batch_size=2, learning_rate=3e-3, logging_steps=5,
        save_strategy="no", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(classifier, arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer))
    trainer.train()
    picture = plot_training_curve(trainer.state.log_history, tmp_path / "curve.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    # 4. Prediction from raw text.
    classify = pipeline("sentiment-analysis", model=classifier.eval(), tokenizer=tokenizer)
    answers = [answer["label"] for answer in classify(list(texts))]
    assert answers == [names["id2label"][label] for label in classes]


@pytest.mark.lecture("S1-03")
def test_word_order_is_learned_where_a_mean_of_words_cannot():
    share, means = words_only(ORDER)
    # To a mean of words, each pair is one and the same point; any model of it is right on half.
    np.testing.assert_allclose(means[0::2], means[1::2])
    assert share == 0.5
    accuracy, loss, _, _ = learn(ORDER, steps=100)
    assert accuracy == 1.0 and loss < 0.05
    # Not so for the negation of the lecture: "tidak" is in one text only, and single words suffice.
    assert words_only(FOUR)[0] == 1.0


@pytest.mark.lecture("S4-05")
@pytest.mark.parametrize("positions, learns", [("learned", True), ("sinusoidal", True), ("none", False)])
def test_learned_and_sinusoidal_positions_both_learn_word_order_and_none_does_not(positions, learns):
    accuracy, loss, _, _ = learn(ORDER, steps=150, position_embedding_type=positions, classifier_pooling="mean")
    assert (accuracy == 1.0 and loss < 0.05) if learns else (accuracy == 0.5 and loss > 0.6)


@pytest.mark.usefixtures("torchs_masks")
@pytest.mark.lecture("S4-04")
@pytest.mark.parametrize("training", [False, True])
def test_a_layer_is_attention_dropout_add_norm_feed_forward_dropout_add_norm(training):
    heads, size, dropout = 4, 20, 0.3
    config = MiniBertConfig(
        hidden_size=size, num_attention_heads=heads, intermediate_size=37, hidden_act="relu", layer_norm_eps=1e-6,
        hidden_dropout_prob=dropout, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    layer = MiniBertLayer(config).double().train(training)
    state = dict(layer.named_parameters())
    with torch.no_grad():
        for parameter in state.values():
            parameter.normal_(std=0.5)
    # Small activations, so that eps counts.
    hidden = torch.randn(3, 7, size, dtype=torch.double) * 1e-3
    with torch.no_grad():
        for name in ("attention.output.weight", "attention.output.bias", "feed_forward.down.weight"):
            state[name].mul_(1e-3)

    def linear(x, name):
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(x, name, eps):
        return F.layer_norm(x, (size,), state[f"{name}.weight"], state[f"{name}.bias"], eps)

    def lecture_block(x, eps):
        query, key, value = (
            linear(x, f"attention.{name}").view(3, 7, heads, size // heads).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(3, 7, size)
        attended = F.dropout(linear(attended, "attention.output"), dropout, training)
        out1 = norm(x + attended, "attention_norm", eps)
        widened = F.relu(linear(out1, "feed_forward.up"))
        narrowed = F.dropout(linear(widened, "feed_forward.down"), dropout, training)
        return norm(out1 + narrowed, "feed_forward_norm", eps)

    # The same seed gives the same dropout only where both drop the same tensors in the same order.
    torch.manual_seed(1)
    ours, _ = layer(hidden, None)
    torch.manual_seed(1)
    assert_close(ours, lecture_block(hidden, 1e-6), rtol=0, atol=1e-10)
    torch.manual_seed(1)
    assert (ours - lecture_block(hidden, 1e-12)).abs().max() > 1e-4  # eps is not lost


@pytest.mark.lecture("S2-33")
def test_matrix_products_of_three_dimensions_are_taken_with_at():
    x, weight = (
        np.random.default_rng(0).normal(size=(2, 1, 3, 10)),
        np.random.default_rng(1).normal(size=(1, 1, 10, 10)),
    )
    # The lecture's bug: np.dot pairs every matrix of the one with every matrix of the other.
    assert np.dot(x[0], weight).shape == (1, 3, 1, 1, 10)
    assert (x[0] @ weight[0]).shape == (1, 3, 10)
    # Ours, batched, is what two-dimensional products give matrix by matrix.
    query, key, value = torch.randn(3, 2, 3, 5, 4, dtype=torch.double)
    mixed, weights = scaled_dot_product_attention(query, key, value)
    assert mixed.shape == (2, 3, 5, 4) and weights.shape == (2, 3, 5, 5)
    for row in range(2):
        for head in range(3):
            scores = query[row, head].numpy() @ key[row, head].numpy().T / 2
            expected = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True) @ value[row, head].numpy()
            np.testing.assert_allclose(mixed[row, head], expected, rtol=0, atol=1e-12)


def python_files(repository):
    files = [
        path
        for folder in ("examples", "modeling_minibert", "tokenization")
        for path in (repository / folder).rglob("*.py")
    ]
    assert len(files) > 20
    return files


@pytest.mark.lecture("S2-33")
def test_no_file_uses_np_dot(repository):
    for path in python_files(repository):
        assert not re.search(r"\b(np|numpy)\.dot\(", path.read_text(encoding="utf-8")), path


@pytest.mark.lecture("S1-30")
@pytest.mark.skipif(not shutil.which("ruff"), reason="needs ruff, of the extra `dev`")
def test_no_builtin_is_shadowed_no_name_stale_and_no_f_string_empty(repository, tmp_path):
    rules = ["--isolated", "--no-cache", "--select", "A001,A002,F541,F811,F821,F841"]

    def ruff(*paths):
        return subprocess.run(["ruff", "check", *rules, *map(str, paths)], capture_output=True, text=True)

    done = ruff(*(repository / folder for folder in ("examples", "modeling_minibert", "tokenization", "tests")))
    assert done.returncode == 0, done.stdout
    # The lecture's bugs would be found.
    bugs = "input = [1]\n\n\ndef f(id):\n    return lables, f'loss'\n"
    (tmp_path / "lecture.py").write_text(bugs)
    found = ruff(tmp_path / "lecture.py").stdout
    assert all(rule in found for rule in ("A001", "A002", "F821", "F541"))
    # And the project's own settings keep the rule on.
    assert re.search(r'select = \[.*"A".*\]', (repository / "pyproject.toml").read_text())


# Arguments and names of the lectures that transformers 5 no longer has, or datasets.
REMOVED_ARGUMENTS = set(
    # overwrite_output_dir, removed too, is a flag of our own (`RunArguments`).
    "evaluation_strategy logging_dir no_cuda grouped_entities per_gpu_train_batch_size "
    "per_gpu_eval_batch_size use_auth_token save_safetensors warmup_ratio group_by_length return_all_scores "
    "fp16_backend push_to_hub_model_id half_precision_backend jit_mode_eval use_mps_device".split()
)
REMOVED_NAMES = set("load_metric AdamW TextDataset LineByLineTextDataset AutoModelWithLMHead".split())


def removed_uses(source):
    """The removed names that a source uses, with their lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for keyword in node.keywords:
                gone = keyword.arg in REMOVED_ARGUMENTS or (keyword.arg == "tokenizer" and called.endswith("Trainer"))
                found += [(keyword.value.lineno, keyword.arg)] if gone else []
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("transformers", "datasets"):
            found += [(node.lineno, name.name) for name in node.names if name.name in REMOVED_NAMES]
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in ("transformers", "datasets"):
            found += [(node.lineno, node.attr)] if node.attr in REMOVED_NAMES else []
        # Fields of a TrainingArguments subclass, and flags of a command line.
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") in REMOVED_ARGUMENTS:
            found.append((node.lineno, node.target.id))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            flags = re.findall(r"--(\w+)", node.value)
            found += [(node.lineno, flag) for flag in flags if flag in REMOVED_ARGUMENTS]
    return found


LECTURE = """
from datasets import load_metric
from transformers import AdamW, Trainer, TrainingArguments, pipeline
args = TrainingArguments("out", evaluation_strategy="epoch", logging_dir="logs")
trainer = Trainer(model, args, tokenizer=tokenizer)
pipeline("ner", grouped_entities=True)
"""


@pytest.mark.lecture("S2-29", "S3-44")
def test_nothing_that_transformers_5_has_removed_is_used(repository):
    found = {path.name: uses for path in python_files(repository) if (uses := removed_uses(path.read_text("utf-8")))}
    pages = [repository / "README.md", *sorted((repository / "docs").rglob("*.md"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)):
        found |= {f"block {number}": uses} if (uses := removed_uses(block)) else {}
    flags = [path.read_text("utf-8") for path in (repository / "examples").rglob("*.args")]
    flags += re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    for text in flags:
        assert not set(re.findall(r"--(\w+)", text)) & REMOVED_ARGUMENTS
    assert not found
    # The scan would find the lecture's code, and the lecture's arguments really are gone.
    names = {name for _, name in removed_uses(LECTURE)}
    assert names == {"load_metric", "AdamW", "evaluation_strategy", "logging_dir", "tokenizer", "grouped_entities"}
    assert not {field.name for field in dataclasses.fields(TrainingArguments)} & REMOVED_ARGUMENTS
    assert not [name for name in REMOVED_NAMES if hasattr(transformers, name) or hasattr(datasets, name)]


@pytest.mark.lecture("S2-40")
def test_sample_texts_are_clean_and_say_where_they_come_from_and_their_licence(repository):
    unsuitable = set("anjing bodoh goblok tolol bangsat babi stupid idiot damn shit fuck kill murder bomb sex".split())
    for folder in (path for path in (repository / "examples" / "data").iterdir() if path.is_dir()):
        readme = (folder / "README.md").read_text(encoding="utf-8")
        assert "## Licence" in readme and "Apache-2.0" in readme
        assert re.search(r"written\s+for\s+this\s+project", readme)
        files = [path for path in folder.rglob("*") if path.suffix in (".csv", ".json", ".jsonl", ".tsv", ".txt")]
        texts = [path.read_text(encoding="utf-8").lower() for path in files]
        words = set(re.findall(r"\w+", " ".join(texts)))
        # Where a dog is a dog, and venom kills; in an opinion they would be insults.
        fitting = {"stories": {"anjing"}, "pairs": {"anjing"}, "search": {"babi", "kill"}}.get(folder.name, set())
        assert len(words) > 50 and not words & (unsuitable - fitting), folder.name


class ThreatDataset(torch.utils.data.Dataset):
    """Log lines as the lecture wraps them: a plain torch data set, no `datasets` in it."""

    LINES = [
        ("failed password for root from 203.0.113.7", 1),
        ("accepted publickey for deploy from 192.0.2.10", 0),
        ("union select user, pass from users", 1),
        ("nightly backup finished without errors", 0),
    ]

    def __init__(self, tokenizer, copies=1):
        self.tokenizer, self.rows = tokenizer, self.LINES * copies

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        text, label = self.rows[index]
        return {**self.tokenizer(text, truncation=True), "labels": label}


@pytest.mark.lecture("S3-34")
def test_a_plain_torch_data_set_trains_with_trainer(tmp_path):
    tokenizer = toy_tokenizer(ThreatDataset.LINES)
    names = {"id2label": {0: "normal", 1: "threat"}, "label2id": {"normal": 0, "threat": 1}}
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 64}
    config = MiniBertConfig(vocab_size=len(tokenizer), max_position_embeddings=24, **sizes, **names)
    args = TrainingArguments(
        output_dir=str(tmp_path), max_steps=40, per_device_train_batch_size=4, learning_rate=3e-3, report_to="none",
        disable_tqdm=True, use_cpu=True, save_strategy="no", dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = Trainer(
        model=MiniBertForSequenceClassification(config),
        args=args,
        train_dataset=ThreatDataset(tokenizer, copies=4),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    trainer.train()
    trainer.save_model()
    tokenizer.model_max_length = 24
    tokenizer.save_pretrained(tmp_path)
    answers = pipeline("text-classification", str(tmp_path))([text for text, _ in ThreatDataset.LINES])
    assert [answer["label"] for answer in answers] == [config.id2label[label] for _, label in ThreatDataset.LINES]


@pytest.mark.slow
@pytest.mark.lecture("S1-30")
@pytest.mark.parametrize("module", ["modeling_minibert", "tokenization"])
def test_a_package_imports_in_a_fresh_process_without_a_word(module, tmp_path):
    command = [sys.executable, "-W", "error::UserWarning", "-c", f"import {module}"]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "", done.stderr
