"""Translation, summarization and text-to-text: the pipelines against `generate` and `decode` called by hand."""

import datasets
import pytest
import torch
from helpers.translations import (
    POSITIONS,
    SOURCE,
    SOURCE_WORDS,
    TARGET,
    TARGET_WORDS,
    TEXTS,
    random_model,
    word_tokenizer,
)
from tokenizers import normalizers, processors
from torch.utils.data import Dataset
from transformers import (
    pipeline,
)

import modeling_minibert  # noqa: F401  (registers the tasks)
from modeling_minibert import MiniBertForMaskedLM, TranslationPipeline
from modeling_minibert.configuration_minibert import MiniBertConfig


def by_hand(model, text, target=SOURCE, **settings):
    with torch.no_grad():
        written = model.generate(**SOURCE(text, return_tensors="pt"), **settings)
    return [target.decode(ids, skip_special_tokens=True) for ids in written]


@pytest.mark.lecture("S3-25")
@pytest.mark.parametrize("kind", ["marian", "bart", "t5"])
@pytest.mark.parametrize(
    ("task", "key"),
    [("translation", "translation"), ("summarization", "summary"), ("text2text-generation", "generated")],
)
def test_equals_generate_and_decode(kind, task, key):
    model = random_model(kind)
    settings = dict(max_new_tokens=7, no_repeat_ngram_size=1)  # random models repeat themselves
    pipe = pipeline(task, model=model, tokenizer=SOURCE, **settings)
    answers = pipe(TEXTS)
    assert answers == [{f"{key}_text": by_hand(model, text, num_beams=4, **settings)[0]} for text in TEXTS]
    assert len({answer[f"{key}_text"] for answer in answers}) > 1
    assert pipe(TEXTS[0]) == answers[:1]  # one text gives a list, as in version 4
    few = settings | dict(num_beams=1, max_new_tokens=5, min_new_tokens=3)
    assert pipe(TEXTS[1], **few) == [{f"{key}_text": by_hand(model, TEXTS[1], **few)[0]}]


def test_the_defaults_are_those_of_version_4_within_what_the_decoder_can_write(monkeypatch):
    told = []
    for kind in ("marian", "t5"):
        model = random_model(kind)
        monkeypatch.setattr(model, "generate", lambda input_ids, attention_mask, **kw: told.append(kw) or input_ids)
        pipeline("translation", model=model, tokenizer=SOURCE)(TEXTS[0])
    assert told == [{"max_new_tokens": POSITIONS - 1, "num_beams": 4}, {"max_new_tokens": 256, "num_beams": 4}]
    model.generation_config.num_beams, model.generation_config.max_length = 2, 20
    pipeline("translation", model=model, tokenizer=SOURCE)(TEXTS[0])
    assert told[-1] == {}  # the model says so itself


@pytest.mark.parametrize("kind", ["marian", "t5"])
def test_batches_generators_and_datasets_give_what_single_texts_give(kind):
    class Texts(Dataset):
        def __len__(self):
            return len(TEXTS)

        def __getitem__(self, place):
            return TEXTS[place]

    pipe = pipeline("translation", model=random_model(kind), tokenizer=SOURCE, max_new_tokens=9)
    expected = [pipe(text) for text in TEXTS]
    assert [[answer] for answer in pipe(TEXTS, batch_size=3)] == expected
    assert list(pipe((text for text in TEXTS), batch_size=2)) == expected
    assert list(pipe(Texts(), batch_size=3)) == expected
    assert [[answer] for answer in pipe(datasets.Dataset.from_dict({"text": TEXTS})["text"])] == expected
    assert pipe([]) == []


def test_several_sequences_and_their_ids():
    model = random_model("bart")
    pipe = pipeline("summarization", model=model, tokenizer=SOURCE)
    settings = dict(num_beams=5, num_return_sequences=3, max_new_tokens=6)
    answers = pipe(TEXTS[:2], batch_size=2, **settings)
    for text, answer in zip(TEXTS, answers, strict=False):
        assert [one["summary_text"] for one in answer] == by_hand(model, text, **settings)
    ids = pipe(TEXTS[0], return_tensors=True, **settings)
    assert all(one.keys() == {"summary_token_ids"} for one in ids)
    assert [SOURCE.decode(one["summary_token_ids"], skip_special_tokens=True) for one in ids] == by_hand(
        model, TEXTS[0], **settings
    )
    both = pipe(TEXTS[0], return_tensors=True, return_text=True, **settings)
    assert both[1].keys() == {"summary_token_ids", "summary_text"}
    assert pipe(TEXTS[0], return_dict_in_generate=True, **settings) == answers[0]


def test_task_specific_params_of_t5_apply_and_yield_to_the_call():
    german = {"prefix": "terjemahkan : ", "num_beams": 3, "max_length": 8, "min_length": 5, "no_repeat_ngram_size": 1}
    params = {"translation_de_to_en": german, "summarization": {"prefix": "ringkas : ", "max_length": 6}}
    model = random_model("t5", task_specific_params=params)
    pipe = pipeline("translation_de_to_en", model=model, tokenizer=SOURCE)
    settings = {name: value for name, value in german.items() if name != "prefix"}
    expected = by_hand(model, "terjemahkan : " + TEXTS[0], **settings)[0]
    assert pipe(TEXTS[0]) == [{"translation_text": expected}]
    assert pipe(TEXTS[0], num_beams=1) == [
        {"translation_text": by_hand(model, "terjemahkan : " + TEXTS[0], **settings | {"num_beams": 1})[0]}
    ]
    once = dict(num_beams=4, max_length=6, no_repeat_ngram_size=1)  # random models repeat themselves
    summary = pipeline("summarization", model=model, tokenizer=SOURCE, no_repeat_ngram_size=1)(TEXTS[1])
    assert summary == [{"summary_text": by_hand(model, "ringkas : " + TEXTS[1], **once)[0]}]
    assert summary != [{"summary_text": by_hand(model, TEXTS[1], **once)[0]}]
    # The entry is of its task alone, and the model is left as it was.
    assert pipeline("translation", model=model, tokenizer=SOURCE).prefix == ""
    assert model.generation_config.max_length in (None, 20)


def test_a_generation_config_replaces_all_defaults():
    model = random_model("t5", task_specific_params={"summarization": {"num_beams": 3, "max_length": 4}})
    settings = model.generation_config.__class__(
        max_new_tokens=7, num_beams=1, decoder_start_token_id=0, eos_token_id=1
    )
    pipe = pipeline("summarization", model=model, tokenizer=SOURCE)
    expected = by_hand(model, TEXTS[3], generation_config=settings)[0]
    assert pipe(TEXTS[3], generation_config=settings) == [{"summary_text": expected}]


def test_source_and_target_may_have_a_tokenizer_each(tmp_path):
    model = random_model("marian", decoder_vocabulary=len(TARGET))
    settings = dict(num_beams=2, max_new_tokens=7)
    expected = [by_hand(model, text, target=TARGET, **settings)[0] for text in TEXTS]
    pipe = pipeline("translation", model=model, tokenizer=SOURCE, target_tokenizer=TARGET)
    assert [answer["translation_text"] for answer in pipe(TEXTS, batch_size=4, **settings)] == expected
    assert set(" ".join(expected).split()) <= set(TARGET_WORDS) | {"<unk>"}
    pipe.save_pretrained(tmp_path)
    again = pipeline("translation", str(tmp_path), trust_remote_code=True)
    assert [answer["translation_text"] for answer in again(TEXTS, **settings)] == expected
    (tmp_path / "target_tokenizer" / "tokenizer.json").unlink()
    (tmp_path / "target_tokenizer" / "tokenizer_config.json").unlink()
    with pytest.raises(ValueError, match="'target_tokenizer'.*no tokenizer in a sub-folder.*pass target_tokenizer="):
        pipeline("translation", str(tmp_path), trust_remote_code=True)


def test_languages_reach_a_tokenizer_that_knows_several():
    from transformers import NllbTokenizer

    words = {word: index for index, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", "▁", *"adefilmnsuy"])}
    tokenizer = NllbTokenizer(vocab=words, merges=[])
    first = tokenizer.convert_tokens_to_ids("eng_Latn")
    model = random_model("bart")
    model.resize_token_embeddings(len(tokenizer))
    pipe = pipeline("translation", model=model, tokenizer=tokenizer, max_new_tokens=4, num_beams=1)
    answers = pipe(["suka", "film ini"], src_lang="ind_Latn", tgt_lang="eng_Latn", return_tensors=True, batch_size=2)
    assert [answer["translation_token_ids"][1].item() for answer in answers] == [first, first]
    read = pipe.preprocess("suka", src_lang="ind_Latn", tgt_lang="eng_Latn")["input_ids"][0]
    assert tokenizer.convert_tokens_to_ids("ind_Latn") in read
    with pytest.raises(
        ValueError, match="NllbTokenizer knows several languages, got src_lang='ind_Latn' and tgt_lang=None"
    ):
        pipe("suka", src_lang="ind_Latn")


def test_a_long_source_is_refused_with_numbers_or_cut():
    pipe = pipeline("translation", model=random_model("marian"), tokenizer=SOURCE, max_new_tokens=4)
    text = "saya suka " * 20
    with pytest.raises(ValueError, match=f"41 tokens.*MarianMTModel has {POSITIONS} positions.*truncation=True"):
        pipe(text)
    kept = "saya suka " * 15
    assert len(SOURCE(kept)["input_ids"]) == POSITIONS
    assert pipe(text, truncation=True) == pipe(kept)
    # T5 has no positions to run out of.
    assert pipeline("translation", model=random_model("t5"), tokenizer=SOURCE, max_new_tokens=4)(text)


def test_hardly_meant_lengths_are_logged(caplog):
    model = random_model("t5")
    pipeline("translation", model=model, tokenizer=SOURCE)(TEXTS[0], max_new_tokens=5)
    assert "source has 5 tokens and its translation may have 5" in caplog.text
    caplog.clear()
    pipeline("summarization", model=model, tokenizer=SOURCE)(TEXTS[0], max_length=8)
    assert "may have 8 tokens, but its source has only 5; consider max_new_tokens=2" in caplog.text
    caplog.clear()
    pipeline("summarization", model=model, tokenizer=SOURCE)(TEXTS[0], max_new_tokens=3, num_beams=1)
    pipeline("translation", model=model, tokenizer=SOURCE)(TEXTS[0], max_new_tokens=9)
    assert "tokens" not in caplog.text


def test_generation_stops_at_a_stop_sequence(caplog):
    model = random_model("bart")
    pipe = pipeline("text2text-generation", model=model, tokenizer=SOURCE, num_beams=1, max_new_tokens=12)
    ids = pipe(TEXTS[0], return_tensors=True)[0]["generated_token_ids"]
    word = SOURCE.convert_ids_to_tokens(int(ids[3]))
    place = ids[1:].tolist().index(ids[3]) + 1
    stopped = pipe(TEXTS[0], return_tensors=True, stop_sequence=word)[0]["generated_token_ids"]
    assert stopped.tolist() == ids[: place + 1].tolist()
    pipe(TEXTS[0], stop_sequence="saya suka")
    assert "has 2 tokens; generation stops at the first" in caplog.text


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("", r"the text is empty \(''\)"),
        (["saya", "  \n"], "text 1 is empty"),
        (["saya", None], "text 1 must be a string, got NoneType"),
        ([["saya"]], "text 0 must be a string, got list"),
    ],
)
def test_no_text_is_refused(texts, message):
    pipe = pipeline("translation", model=random_model("t5"), tokenizer=SOURCE)
    with pytest.raises(ValueError, match=message):
        pipe(texts)


def test_models_and_arguments_that_cannot_work_are_refused():
    bert = MiniBertForMaskedLM(MiniBertConfig.from_preset("tiny", vocab_size=50))
    with pytest.raises(ValueError, match="translation needs an encoder–decoder.*got MiniBertForMaskedLM.*'minibert'"):
        pipeline("translation", model=bert, tokenizer=SOURCE)
    with pytest.raises(ValueError, match="num_beams is 0; give 1 for greedy search"):
        pipeline("translation", model=random_model("marian"), tokenizer=SOURCE)(TEXTS, num_beams=0)
    with pytest.raises(ValueError, match="translation needs a tokenizer"):
        TranslationPipeline(random_model("t5"))
    with pytest.raises(ValueError, match="return_text=False and return_tensors=False leave nothing"):
        pipeline("translation", model=random_model("t5"), tokenizer=SOURCE)(TEXTS, return_text=False)
    ids_only = pipeline(
        "translation", model=random_model("t5"), tokenizer=SOURCE, return_tensors=True, max_new_tokens=2
    )
    assert ids_only(TEXTS[0], return_text=False)[0].keys() == {"translation_token_ids"}


@pytest.mark.parametrize("kind", ["marian", "t5"])
def test_a_tokenizer_of_another_model_is_refused(kind):
    other = word_tokenizer([*SOURCE_WORDS, *TARGET_WORDS])
    translate = pipeline("translation", model=random_model(kind), tokenizer=other, max_new_tokens=2)
    assert translate("saya suka")  # words that both know
    with pytest.raises(ValueError, match=f"'red'.* has the id 33, but .* knows {len(SOURCE)} tokens.*saved with"):
        translate("saya suka red")


def test_a_text_of_which_the_tokenizer_makes_nothing_is_refused():
    silent = word_tokenizer(SOURCE_WORDS)
    silent.backend_tokenizer.post_processor = processors.TemplateProcessing("$A", special_tokens=[])
    silent.backend_tokenizer.normalizer = normalizers.Replace("*", "")
    with pytest.raises(ValueError, match=r"makes no token of the text '\*\*\*'"):
        pipeline("translation", model=random_model("marian"), tokenizer=silent)("***")
