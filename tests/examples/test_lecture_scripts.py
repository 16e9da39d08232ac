"""What the lectures ask of the scripts: their numbers, short batches, cached encodings, both pretraining tasks."""

import pytest
import torch
from datasets import Dataset
from transformers import AutoTokenizer, pipeline

from modeling_minibert import (
    MiniBertConfig,
    MiniBertForPreTraining,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
)
from modeling_minibert.data import DataCollatorForPretraining, build_examples
from tokenization import save_tokenizer, train_tokenizer


@pytest.fixture
def script(quiet_classifier):
    """`finetune_classifier.py` as a module, without what it does for show."""
    return quiet_classifier


def values_of(parsed):
    """The fields of several argument dataclasses in one dictionary."""
    return {name: value for arguments in parsed for name, value in vars(arguments).items()}


@pytest.mark.lecture("S4-07")
def test_the_recipe_of_the_keras_classifier_has_its_numbers_and_its_net(script, repository):
    """Adam 1e-4, 10 epochs, batches of 64, patience 3, the best weights restored; V 10,000, L 200."""
    recipe = repository / "examples" / "recipes" / "imdb_keras_scratch.args"
    parsed = values_of(script.parse_arguments(["--recipe", str(recipe)]))
    expected = {
        "preset": "imdb-tiny", "model_name_or_path": None, "learning_rate": 1e-4, "num_train_epochs": 10,
        "per_device_train_batch_size": 64, "early_stopping_patience": 3, "load_best_model_at_end": True,
        "metric_for_best_model": "loss", "greater_is_better": False, "validation_fraction": 0.2, "weight_decay": 0,
        "warmup_steps": 0, "lr_scheduler_type": "constant",
    }  # fmt: skip
    assert {name: parsed[name] for name in expected} == expected
    assert script.parse_options(parsed["tokenizer_options"])["vocab_size"] == 10_000
    config = MiniBertConfig.from_preset("imdb-tiny")
    sizes = (config.max_position_embeddings, config.hidden_size, config.num_attention_heads, config.intermediate_size)
    assert sizes == (200, 128, 4, 256) and config.num_hidden_layers == 2
    assert (config.classifier_pooling, config.classifier_hidden_size, config.classifier_dropout) == ("mean", 64, 0.3)


@pytest.mark.lecture("S2-05")
def test_the_recipe_of_the_lectures_question_answering_has_its_numbers(load_command, repository):
    script = load_command("training.qa")
    recipe = repository / "examples" / "recipes" / "squad_lecture.args"
    parsed = values_of(script.parse_arguments(["--recipe", str(recipe)]))
    expected = {
        "model_name_or_path": "bert-base-uncased", "dataset_name": "rajpurkar/squad", "max_train_samples": 1000,
        "max_seq_length": 384, "learning_rate": 3e-5, "num_train_epochs": 3, "per_device_train_batch_size": 8,
        "weight_decay": 0.01,
    }  # fmt: skip
    assert {name: parsed[name] for name in expected} == expected and parsed["doc_stride"] > 0


def opinions(count=24):
    words = {0: ["buruk", "jelek"], 1: ["bagus", "enak"]}
    texts = [f"{'sekali lagi ' * (number % 6)}film ini {words[number % 2][number % 4 // 2]}" for number in range(count)]
    return Dataset.from_dict({"text": texts, "label": [number % 2 for number in range(count)]})


@pytest.fixture
def tokenizer():
    texts = opinions()["text"]
    return train_tokenizer(texts, kind="wordlevel", vocab_size=60, min_frequency=1, show_progress=False)


def tiny_classifier(tokenizer, **fields):
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
    return MiniBertForSequenceClassification(MiniBertConfig(vocab_size=len(tokenizer), **{**sizes, **fields}))


@pytest.mark.lecture("S2-27")
def test_the_script_pads_a_batch_to_its_longest_text_only(script, tokenizer, tmp_path):
    encoded = script.encode(script.DatasetDict(train=opinions(), validation=opinions(4)), tokenizer, 512)
    lengths = [len(ids) for ids in encoded["train"]["input_ids"]]
    assert len(set(lengths)) == 6 and max(lengths) < 20
    args = script.ClassifierTrainingArguments(
        output_dir=str(tmp_path), report_to="none", per_device_train_batch_size=3, load_best_model_at_end=False
    )
    trainer = script.build_trainer(tiny_classifier(tokenizer), tokenizer, encoded, None, args)
    widths = set()
    for batch in trainer.get_train_dataloader():
        assert batch["input_ids"].shape[1] == batch["attention_mask"].sum(1).max()
        widths.add(batch["input_ids"].shape[1])
    assert len(widths) > 1, "premise: batches differ"


@pytest.mark.lecture("S3-36")
def test_encoded_texts_are_taken_from_the_cache_and_batches_answer_as_single_texts(
    script, tokenizer, tmp_path, monkeypatch
):
    path = tmp_path / "rows.csv"
    opinions().to_csv(path)

    def splits():  # read from a file: what is made in memory has no cache
        return script.DatasetDict(train=Dataset.from_csv(str(path), cache_dir=str(tmp_path / "csv")))

    save_tokenizer(tokenizer, tmp_path / "tokenizer")
    reads = []
    encodings = []
    for _ in range(2):
        loaded = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")  # as in the next run of a script
        call = type(loaded).__call__
        monkeypatch.setattr(
            type(loaded), "__call__", lambda self, *a, _c=call, **k: reads.append(1) or _c(self, *a, **k)
        )
        encodings.append(script.encode(splits(), loaded, 32)["train"]["input_ids"][:])
        monkeypatch.undo()
    assert encodings[0] == encodings[1] and len(reads) == 1, "the second encoding read the texts again"
    model = tiny_classifier(tokenizer, initializer_range=0.3).eval()
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer)
    texts = opinions(7)["text"][:]
    together = classify(texts, batch_size=7)
    for text, answer in zip(texts, together, strict=True):
        (alone,) = classify(text)
        assert alone["label"] == answer["label"] and alone["score"] == pytest.approx(answer["score"], abs=1e-6)


@pytest.mark.lecture("S3-35")
def test_training_stops_early_on_the_validation_loss_and_a_checkpoint_gets_the_books_rate(
    script, tokenizer, tmp_path, monkeypatch
):
    parsed = values_of(script.parse_arguments(["--model_name_or_path", "bert-base-uncased"]))
    assert 2e-5 <= parsed["learning_rate"] <= 5e-5
    encoded = script.encode(script.DatasetDict(train=opinions(), validation=opinions(4)), tokenizer, 32)
    args = script.ClassifierTrainingArguments(
        output_dir=str(tmp_path), report_to="none", num_train_epochs=9, metric_for_best_model="loss",
        early_stopping_patience=2, learning_rate=1e-3,
    )  # fmt: skip
    trainer = script.build_trainer(tiny_classifier(tokenizer), tokenizer, encoded, None, args)
    losses, evaluate = iter([0.5, 0.3, 0.4, 0.6, 0.2, 0.1]), trainer.evaluation_loop

    def with_loss(*arguments, **options):
        output = evaluate(*arguments, **options)
        output.metrics["eval_loss"] = next(losses)
        output.metrics["eval_macro_f1"] = 1 - output.metrics["eval_loss"] ** 2  # not what decides
        return output

    monkeypatch.setattr(trainer, "evaluation_loop", with_loss)
    trainer.train()
    assert trainer.state.epoch == 4  # two epochs after the best
    assert trainer.state.best_metric == 0.3 and trainer.state.best_global_step == 2


@pytest.mark.lecture("S3-25")
def test_the_ner_pipeline_groups_the_tokens_of_our_model_to_entities(tmp_path):
    words = "ibu Ayu tinggal di kota Solo".split()
    tokenizer = train_tokenizer(words, kind="wordlevel", vocab_size=30, min_frequency=1, lowercase=False,
                                show_progress=False)  # fmt: skip
    names = dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
    model = MiniBertForTokenClassification(
        MiniBertConfig(vocab_size=len(tokenizer), id2label=names, hidden_dropout_prob=0.0, **sizes)
    )
    tags = {"ibu": 1, "Ayu": 2, "tinggal": 0, "di": 0, "kota": 3, "Solo": 4}
    batch = tokenizer(" ".join(words), return_tensors="pt")
    labels = torch.tensor([[-100, *(tags[word] for word in words), -100]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(40):
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(tmp_path)
    save_tokenizer(tokenizer, tmp_path)
    tag = pipeline("ner", str(tmp_path), aggregation_strategy="simple")
    text = " ".join(words)
    found = [(entity["entity_group"], text[entity["start"] : entity["end"]]) for entity in tag(text)]
    assert found == [("PER", "ibu Ayu"), ("LOC", "kota Solo")]
    # Each token's tag is read from the vector of that very token.
    head = model.eval().classifier.output
    probabilities = torch.nn.functional.linear(model.minibert(**batch).last_hidden_state[0], head.weight, head.bias)
    for token in pipeline("ner", str(tmp_path), ignore_labels=[])(text):
        expected = probabilities.softmax(-1)[token["index"], list(names.values()).index(token["entity"])]
        assert token["score"] == pytest.approx(expected.item(), abs=1e-5)


TOPICS = [
    "ular berbisa melata di semak".split(), "kopi pahit diseduh di cangkir".split(),
    "hujan deras turun di atap".split(), "kereta cepat berhenti di stasiun".split(),
]  # fmt: skip


def topic_documents(count, seed):
    """Texts of four sentences about one thing, the words of a sentence always in the same order."""
    draw = torch.Generator().manual_seed(seed)
    texts = []
    for number in range(count):
        words = TOPICS[number % len(TOPICS)]
        keep = [sorted(torch.randperm(5, generator=draw)[:4].tolist()) for _ in range(4)]
        texts.append(" ".join(" ".join(words[place] for place in places) + f" {number} ." for places in keep))
    return Dataset.from_dict({"text": texts})


@pytest.mark.slow
@pytest.mark.lecture("S2-20")
def test_both_pretraining_tasks_are_learned_for_texts_that_were_held_out():
    """[CLS] A [SEP] B [SEP], 15 % of the words hidden; both heads end far above chance."""
    train, held_out = topic_documents(120, 0), topic_documents(40, 1)
    tokenizer = train_tokenizer(train["text"], kind="wordlevel", vocab_size=60, min_frequency=9, show_progress=False)
    examples = {
        name: build_examples(rows, tokenizer, "nsp", 32) for name, rows in (("train", train), ("new", held_out))
    }
    for row in examples["train"].select(range(20)):
        ids, types = row["input_ids"], row["token_type_ids"]
        ends = [place for place, token in enumerate(ids) if token == tokenizer.sep_token_id]
        assert ids[0] == tokenizer.cls_token_id and len(ends) == 2 and ends[1] == len(ids) - 1
        assert types == [0] * (ends[0] + 1) + [1] * (ends[1] - ends[0])
    collate = DataCollatorForPretraining(tokenizer)
    batch = collate(examples["train"].to_list())
    share = (batch["labels"] != -100).sum() / (batch["input_ids"] > tokenizer.mask_token_id).logical_or(
        batch["labels"] != -100
    ).sum()
    assert 0.12 < share < 0.18

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 64}
    dropouts = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = MiniBertConfig(vocab_size=len(tokenizer), max_position_embeddings=32, initializer_range=0.1, **sizes,
                            **dropouts)  # fmt: skip
    model = MiniBertForPreTraining(config)

    def held_out_shares():
        """Right words at the masks, right pairs, and both of always guessing the most frequent."""
        collate.set_epoch(99)
        batch = collate(examples["new"].to_list())
        with torch.no_grad():
            outputs = model.eval()(**batch)
        asked = batch["labels"] != -100
        words, pairs = batch["labels"][asked], batch["next_sentence_label"]
        right = (outputs.prediction_logits.argmax(-1)[asked] == words).float().mean()
        pairs_right = (outputs.seq_relationship_logits.argmax(-1) == pairs).float().mean()
        guess = words.bincount().max() / len(words)
        return right.item(), pairs_right.item(), guess.item(), max(pairs.float().mean().item(), 0.5)

    optimizer, rows = torch.optim.AdamW(model.parameters(), lr=3e-3), examples["train"].to_list()
    for step in range(240):
        collate.set_epoch(step)
        model.train()(**collate([rows[(32 * step + k) % len(rows)] for k in range(32)])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    words, pairs, guess, coin = held_out_shares()
    assert words > guess + 0.2 and pairs > coin + 0.2, (words, guess, pairs, coin)
