"""`by_hand.py` does what the pipelines do; `count_parameters.py` prints the published counts."""

import pytest
import torch
import transformers
from transformers import BertConfig, pipeline

from modeling_minibert import MiniBertConfig, MiniBertForMaskedLM, MiniBertForQuestionAnswering
from tokenization import train_tokenizer

CONTEXT = "Rome is the capital of Italy. The capital city of France is Paris, said Pierre in Bordeaux."
QUESTION = "What is the capital of France?"


@pytest.fixture
def tokenizer():
    """One that knows few of the words whole."""
    return train_tokenizer(["the capital of France is Paris"] * 3, vocab_size=140, show_progress=False)


def random_model(model_class, tokenizer):
    """Large random weights, so that every token has a score of its own."""
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 40}
    ids = {"pad_token_id": tokenizer.pad_token_id, "mask_token_id": tokenizer.mask_token_id}
    config = BertConfig if model_class.__name__.startswith("Bert") else MiniBertConfig
    ids = {} if config is BertConfig else ids
    config = config(vocab_size=len(tokenizer), max_position_embeddings=128, initializer_range=0.4, **sizes, **ids)
    return model_class(config).eval()


@pytest.mark.lecture("S2-09")
@pytest.mark.parametrize("model_class", [MiniBertForMaskedLM, transformers.BertForMaskedLM])
def test_a_mask_filled_by_hand_is_what_the_pipeline_says(model_class, tokenizer, load_example, capsys):
    script = load_example("by_hand")
    model = random_model(model_class, tokenizer)
    text = "The capital of [MASK] is Paris."
    by_hand = script.fill_mask_by_hand(model, tokenizer, text, top_k=4)
    expected = pipeline("fill-mask", model=model, tokenizer=tokenizer, top_k=4)(text)
    assert [{**guess, "score": pytest.approx(guess["score"], rel=1e-5)} for guess in expected] == by_hand
    said = capsys.readouterr().out
    assert f"logits     (1, {len(tokenizer(text)['input_ids'])}, {len(tokenizer)})" in said
    assert f"decoded {by_hand[0]['token_str']!r}" in said
    for wrong, number in (("no mask", 0), ("[MASK] and [MASK]", 2)):
        with pytest.raises(ValueError, match=rf"has {number} masked words; write \[MASK\] once"):
            script.fill_mask_by_hand(model, tokenizer, wrong)


@pytest.mark.lecture("S2-08")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("model_class", [MiniBertForQuestionAnswering, transformers.BertForQuestionAnswering])
def test_an_answer_by_hand_is_the_best_of_all_spans_of_the_context(model_class, seed, tokenizer, load_example, capsys):
    torch.manual_seed(seed)
    model = random_model(model_class, tokenizer)
    answer = load_example("by_hand").answer_by_hand(model, tokenizer, QUESTION, CONTEXT)
    inputs = tokenizer(QUESTION, CONTEXT, return_tensors="pt", return_offsets_mapping=True)
    offsets = inputs.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        output = model(**inputs)
    places = [place for place, part in enumerate(inputs.sequence_ids(0)) if part == 1]
    start, end = output.start_logits[0], output.end_logits[0]
    spans = [(start[i] + end[j], i, j) for i in places for j in places if i <= j < i + 15]
    _, i, j = max(spans)
    assert (answer["start"], answer["end"]) == (offsets[i][0], offsets[j][1])
    assert answer["answer"] == CONTEXT[answer["start"] : answer["end"]]
    kept = [0, *places]  # and [CLS]
    score = start[kept].softmax(0)[kept.index(i)] * end[kept].softmax(0)[kept.index(j)]
    assert answer["score"] == pytest.approx(score.item(), rel=1e-5)
    naive = tokenizer.decode(inputs["input_ids"][0][start.argmax() : end.argmax() + 1])
    assert f"decoded {naive!r}" in capsys.readouterr().out


def test_an_answer_by_hand_is_what_the_pipeline_says(tokenizer, load_example, tmp_path, capsys):
    script = load_example("by_hand")
    model = random_model(MiniBertForQuestionAnswering, tokenizer)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    script.run("--model_name_or_path", tmp_path, "--question", QUESTION, "--context", CONTEXT)
    answer = script.answer_by_hand(model, tokenizer, QUESTION, CONTEXT)["answer"]
    assert f"pipeline   the same: {answer!r}" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.lecture("S2-09")
def test_france_is_the_country_whose_capital_is_paris_and_stays_so_as_a_stock_model(load_example):
    """The lectures' sentence, on a model trained here in seconds; no checkpoint that knows it can be had offline."""
    script = load_example("by_hand")
    model, tokenizer = script.train_masked_words(max_steps=60)
    for twin in (model, model.to_stock().eval()):
        guesses = script.fill_mask_by_hand(twin, tokenizer, "The capital of [MASK] is Paris.")
        assert guesses[0]["token_str"] == "france"
        assert guesses[0]["sequence"] == "the capital of france is paris."


def test_questions_are_made_with_the_answer_where_it_stands(load_example, tokenizer):
    import random

    script, draw = load_example("by_hand"), random.Random(3)
    for _ in range(40):
        row = script.make_question(tokenizer, draw)
        span = row["input_ids"][row["start_positions"] : row["end_positions"] + 1]
        answer = tokenizer.decode(span)
        question = tokenizer.decode(row["input_ids"]).split("[SEP]")[0]
        country = next(country for country, capital in script.CAPITALS.items() if capital.lower() == answer)
        assert country.lower() in question


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--question", " "], "--question is empty; an answer needs a question and a context"),
        (["--context", ""], "--context is empty"),
        (["--text", "no mask"], r"'no mask' has 0 masked words; write \[MASK\] once"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_training(flags, message, load_example, monkeypatch):
    script = load_example("by_hand")
    monkeypatch.setattr(script, "train_masked_words", lambda: pytest.fail("it has trained"))
    with pytest.raises(ValueError, match=message):
        script.run(*flags)


def test_a_space_that_a_token_begins_with_is_no_part_of_the_answer(load_example):
    texts = ["the capital of France is Paris"] * 3
    tokenizer = train_tokenizer(texts, kind="bpe", vocab_size=300, show_progress=False)
    model, script = random_model(MiniBertForQuestionAnswering, tokenizer), load_example("by_hand")
    pipe = pipeline("question-answering", model=model, tokenizer=tokenizer, align_to_words=False)
    for context in (CONTEXT[start:] for start in range(0, 60, 6)):
        answer = script.answer_by_hand(model, tokenizer, QUESTION, context)
        assert answer == pipe(question=QUESTION, context=context) | {"score": pytest.approx(answer["score"])}


def test_a_context_longer_than_the_model_reads_is_refused(load_example, tokenizer):
    model = random_model(transformers.BertForQuestionAnswering, tokenizer)
    with pytest.raises(ValueError, match=r"question and context are \d+ tokens long, but .* reads 128; the pipeline"):
        load_example("by_hand").answer_by_hand(model, tokenizer, QUESTION, CONTEXT * 9)


def test_a_checkpoint_without_either_head_is_refused(load_example, tmp_path, tokenizer):
    transformers.BertModel(BertConfig(vocab_size=9, hidden_size=4, num_attention_heads=1, num_hidden_layers=1,
                                      intermediate_size=4)).save_pretrained(tmp_path)  # fmt: skip
    with pytest.raises(ValueError, match="is BertModel; give a checkpoint with a masked-word or a question-answering"):
        load_example("by_hand").run("--model_name_or_path", tmp_path)


@pytest.mark.lecture("S3-05", "S3-11", "S3-12", "S3-13", "S3-19", "S4-06")
def test_the_counts_are_those_of_the_lectures_and_of_a_folder_those_of_its_model(load_example, tmp_path, capsys):
    script = load_example("count_parameters")
    script.run()
    rows = {line[:28].strip(): line[28:].split() for line in capsys.readouterr().out.splitlines()[1:]}
    millions = {"BERT base": 109.48, "BERT large": 335.14, "RoBERTa large": 355.36, "ALBERT base": 11.68,
                "DistilBERT": 66.36, "BERT base, ours": 109.48, "BERT large, ours": 335.14}  # fmt: skip
    assert {name: float(rows[name][1]) for name in millions} == millions
    exact = {"attention, 512 wide, 8 heads": 1_050_624, "layer, 512 wide, 2048 inside": 3_152_384,
             "6 such layers, 10,000 words": 24_034_304, "Keras classifier, 2 layers": 1_578_881}  # fmt: skip
    assert {name: int(rows[name][0].replace(",", "")) for name in exact} == exact
    model = MiniBertForQuestionAnswering(MiniBertConfig.from_preset("tiny", vocab_size=1234))
    model.save_pretrained(tmp_path)
    script.run("--model_name_or_path", tmp_path)
    *_, weights, _, words, megabytes, _ = capsys.readouterr().out.split()
    assert int(weights.replace(",", "")) == model.num_parameters() and int(words.replace(",", "")) == 1234 * 128
    assert float(megabytes) == pytest.approx((tmp_path / "model.safetensors").stat().st_size / 1e6, abs=0.6)
