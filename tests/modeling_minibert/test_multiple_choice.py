"""Multiple choice: what the reader takes and refuses, the collator, and the command, for encoders and decoders."""

import json
import random

import pytest
import torch
from torch.testing import assert_close
from transformers import AutoModelForMultipleChoice, AutoTokenizer, DataCollatorForMultipleChoice

from modeling_minibert import MiniBertConfig, MiniBertForMultipleChoice, MiniGPTConfig, MiniGPTForMultipleChoice
from modeling_minibert.data import add_task_tokens
from modeling_minibert.data.multiple_choice import DataCollatorForChoices, encode_choices, load_multiple_choice
from modeling_minibert.evaluation.multiple_choice import bag_of_words_choices, choice_scores
from modeling_minibert.training.multiple_choice import choose, main
from tokenization import save_tokenizer, train_tokenizer

PLACES = {"the sea": "swim", "the snow": "ski", "the street": "drive", "the kitchen": "cook"}
SIZES = "hidden_size=16,num_attention_heads=2,intermediate_size=32,num_hidden_layers=1,max_position_embeddings=32"


def make_rows(count, seed=0, choices=3):
    """Rows whose right choice is the one thing to do at a place."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        options = draw.sample(sorted(PLACES), choices)
        label = draw.randrange(choices)
        context = f"day {seed}{number}: {draw.choice(['we are at', 'they went to'])} {options[label]}"
        rows.append({"context": context, "choices": [f"now {PLACES[place]}" for place in options], "label": label})
    return rows


def write(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def tokenizer():
    texts = [text for row in make_rows(40) for text in (row["context"], *row["choices"])]
    return train_tokenizer(texts, min_frequency=1, vocab_size=400, show_progress=False, model_max_length=32)


def model_for(kind, tokenizer, **fields):
    sizes = {name: int(value) for name, value in (field.split("=") for field in SIZES.split(","))}
    if kind == "encoder":
        config = MiniBertConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **sizes, **fields)
        return MiniBertForMultipleChoice(config).eval()
    config = MiniGPTConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **sizes, **fields)
    model = MiniGPTForMultipleChoice(config).eval()
    add_task_tokens(tokenizer, model)
    return model


def test_the_reader_takes_a_list_a_column_for_each_choice_and_the_beginning_of_a_sentence(tmp_path):
    rows = make_rows(7)
    listed = load_multiple_choice(data_files={"train": write(tmp_path / "a.jsonl", rows)})
    assert {name: len(split) for name, split in listed.items()} == {"train": 6, "validation": 1}
    table = [
        {"sent1": row["context"], "sent2": "now", **{f"ending{n}": text[4:] for n, text in enumerate(row["choices"])},
         "right": str(row["label"])} for row in rows
    ]  # fmt: skip
    names = [f"ending{n}" for n in range(3)]
    files = {"train": write(tmp_path / "b.jsonl", table), "validation": write(tmp_path / "c.jsonl", table[:2])}
    columns = load_multiple_choice(None, None, files, "sent1", names, "right", "sent2")
    assert columns["train"].to_list() == [{key: row[key] for key in ("context", "choices", "label")} for row in rows]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choices": ["now swim", "now ski"]}, "row 2 of the train split has 2 choices, row 0 has 3; all rows need"),
        ({"label": 3}, "row 2 of the train split has the label 3; it must be the number of a choice, from 0 to 2"),
        ({"label": -1}, "row 2 of the train split has the label -1; it must be"),
        ({"context": ""}, "row 2 of the train split has an empty context or choice"),
        ({"choices": ["now swim", " ", "now ski"]}, "row 2 of the train split has an empty context or choice"),
    ],
)
def test_the_reader_refuses_a_row_with_its_number_and_values(tmp_path, change, message):
    rows = make_rows(5)
    rows[2] |= change
    with pytest.raises(ValueError, match=message):
        load_multiple_choice(data_files={"train": write(tmp_path / "train.jsonl", rows)})


def test_the_reader_refuses_splits_with_other_choices_and_texts_in_place_of_lists(tmp_path):
    files = {
        "train": write(tmp_path / "a.jsonl", make_rows(5)),
        "test": write(tmp_path / "b.jsonl", make_rows(5, 1, 4)),
    }
    with pytest.raises(ValueError, match="the test split has 4 choices in a row, train has 3"):
        load_multiple_choice(data_files=files)
    with pytest.raises(ValueError, match="row 0 of the train split has the choices 'day 00.*; give a list of texts"):
        load_multiple_choice(data_files={"train": files["train"]}, choices_column="context")


def test_train_rows_of_the_test_split_are_left_out(tmp_path, capsys):
    rows = make_rows(9)
    files = {"train": write(tmp_path / "a.jsonl", rows), "test": write(tmp_path / "b.jsonl", rows[3:5])}
    assert len(load_multiple_choice(data_files=files, validation_share=0.2)["train"]) == 6
    assert "left out 2 train rows" in capsys.readouterr().out


@pytest.mark.lecture("S5-61")
@pytest.mark.parametrize("kind", ["encoder", "decoder"])
@pytest.mark.parametrize("implementation", ["sdpa", "packed"])
def test_a_padded_batch_scores_every_choice_as_it_is_scored_alone(kind, implementation, tmp_path, tokenizer):
    save_tokenizer(tokenizer, tmp_path)
    own = AutoTokenizer.from_pretrained(tmp_path)  # a decoder adds tokens
    model = model_for(kind, own, attn_implementation=implementation)
    splits = load_multiple_choice(data_files={"train": write(tmp_path / "train.jsonl", make_rows(6))})
    encoded = encode_choices(splits["train"], own, 32)
    collator = DataCollatorForChoices(own)
    batch = collator(encoded.to_list())
    assert batch["input_ids"].shape[:2] == (5, 3) and batch["labels"].tolist() == splits["train"]["label"]
    stock = DataCollatorForMultipleChoice(own)(encoded.to_list())
    assert all(torch.equal(batch[name], stock[name]) for name in stock)
    labels = batch.pop("labels")
    logits = model(**batch).logits
    for row, cells in enumerate(encoded.to_list()):
        for choice, ids in enumerate(cells["input_ids"]):
            inputs = {"input_ids": torch.tensor([[ids]])}
            if "token_type_ids" in cells:
                inputs["token_type_ids"] = torch.tensor([[cells["token_type_ids"][choice]]])
            # float32, other shapes: another order of the same sums.
            assert_close(model(**inputs).logits[0, 0], logits[row, choice], atol=1e-5, rtol=0)
    loss = model(**batch, labels=labels).loss
    assert_close(loss, torch.nn.functional.cross_entropy(logits, labels), atol=1e-6, rtol=0)


def test_the_collator_refuses_rows_with_other_numbers_of_choices(tokenizer):
    rows = [{"input_ids": [[2, 7, 3]] * 3, "label": 0}, {"input_ids": [[2, 7, 3]] * 2, "label": 1}]
    with pytest.raises(ValueError, match="row 1 of the batch has 2 choices, row 0 has 3; all rows need"):
        DataCollatorForChoices(tokenizer)(rows)
    batch = DataCollatorForChoices(tokenizer, pad_to_multiple_of=8)(rows[:1])
    assert batch["input_ids"].shape == (1, 3, 8) and batch["attention_mask"].sum() == 9


def test_long_contexts_are_cut_and_choices_kept(tokenizer, tmp_path):
    row = {"context": "the sea " * 40, "choices": ["now swim", "now ski"], "label": 0}
    splits = load_multiple_choice(data_files={"train": write(tmp_path / "a.jsonl", [row, {**row, "label": 1}])})
    (cells,) = encode_choices(splits["train"], tokenizer, 20).to_list()
    for ids, choice in zip(cells["input_ids"], row["choices"], strict=True):
        assert len(ids) == 20 and choice in tokenizer.decode(ids)


def test_scores_and_the_bag_of_words():
    logits = torch.tensor([[0.1, 0.9], [2.0, 1.0], [0.0, 3.0]]).numpy()
    assert choice_scores(logits, [1, 0, 0]) == {"accuracy": pytest.approx(2 / 3)}
    rows = {split: make_rows(60, seed) for seed, split in enumerate(("train", "test"))}
    as_columns = {split: {key: [row[key] for row in part] for key in part[0]} for split, part in rows.items()}
    scores = bag_of_words_choices(as_columns["train"], as_columns["test"])
    assert choice_scores(scores, as_columns["test"]["label"])["accuracy"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_the_command_trains_scores_and_saves_what_opens_again(kind, tmp_path, capsys):
    files = {split: write(tmp_path / f"{split}.jsonl", make_rows(n, n)) for split, n in (("train", 40), ("test", 11))}
    words = [word for split, path in files.items() for word in (f"--{split}_file", path)]
    words += ["--output_dir", str(tmp_path / "out"), "--report_to", "none", "--num_train_epochs", "2"]
    if kind == "decoder":
        texts = [text for row in make_rows(40) for text in (row["context"], *row["choices"])]
        own = train_tokenizer(texts, min_frequency=1, vocab_size=400, show_progress=False)
        model_for("decoder", own).save_pretrained(tmp_path / "start")
        save_tokenizer(own, tmp_path / "start")
        words += ["--model_name_or_path", str(tmp_path / "start")]
    else:
        words += ["--config_overrides", SIZES]
    results = main(words)
    printed = capsys.readouterr().out
    assert json.loads(json.dumps(results)) == json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert "test split (11 questions), guessing: 33.3%" in printed and "bag of words" in printed
    low, high = results["accuracy_interval"]
    assert 0 <= low <= results["accuracy"] <= high <= 1
    model = AutoModelForMultipleChoice.from_pretrained(tmp_path / "out")
    own = AutoTokenizer.from_pretrained(tmp_path / "out")
    rows = make_rows(11, 11)
    found = [choose(model, own, row["context"], row["choices"]) for row in rows]
    assert all(sum(probabilities) == pytest.approx(1, abs=1e-5) for probabilities in found)
    right = [max(range(3), key=p.__getitem__) == row["label"] for p, row in zip(found, rows, strict=True)]
    assert sum(right) / 11 == pytest.approx(results["accuracy"])
