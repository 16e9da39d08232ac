"""Decoded continuations can be appended to their prompts, as those of stock GPT-2."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, TextStreamer, pipeline

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM
from tokenization import KINDS, save_tokenizer

ROLES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "<s>", "eos_token": "</s>"}
# Between them: accents, emoji, marks, vowel signs, ideographs. Each text is already normalised.
TEXTS = [
    "saya suka film ini",
    "saya suka film ini, tetapi bukan lagunya. (sungguh?)",
    "kafé kecil di pojok jalan, naïve",
    "bagus 👍🏽 banget 😂😂 ❤️ sekali",
    "की बात को समझो। हिन्दी में",
    "மொழி கற்க கா கி",
    "ภาษาไทย มี มู ดี",
    "東京 タワー 서울 이야기",
    "الكِتاب مُفيد جدا",
    "кошка и мышь йод",
]


@pytest.fixture(scope="module")
def for_prompts(train):
    """Return the tokenizer of a kind and a wrap, trained on the texts."""
    made = {}

    def get(kind, wrap="start", **options):
        key = (kind, wrap, *options.items())
        if key not in made:
            settings = {"min_frequency": 1, "lowercase": False, "special_tokens": ROLES, "wrap": wrap, **options}
            made[key] = train(TEXTS * 3, kind, padding_side="left", **settings)
        return made[key]

    return get


def words_of(kind, text):
    """The text as the kind can give it back: wordpiece and wordlevel put spaces around marks, but not before , . ? !"""
    if kind not in ("wordpiece", "wordlevel"):
        return text
    for mark in "()।":
        text = text.replace(mark, f" {mark} ")
    return " ".join(text.replace("東京", "東 京").split()).replace(" ?", "?").replace("。", " 。")


@pytest.mark.parametrize("wrap", ["start", False])
@pytest.mark.parametrize("kind", KINDS)
def test_prompt_and_continuation_read_like_the_text(for_prompts, kind, wrap, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(save_tokenizer(for_prompts(kind, wrap), tmp_path))
    assert type(tokenizer).__module__.startswith("transformers.")
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        whole = words_of(kind, text)
        for words in range(1, len(text.split())):
            prompt = " ".join(text.split()[:words])
            start = len(tokenizer(prompt)["input_ids"])
            assert ids[:start] == tokenizer(prompt)["input_ids"]
            written = tokenizer.decode(ids[start:], skip_special_tokens=True)
            assert words_of(kind, prompt) + written == whole


@pytest.mark.parametrize("wrap", ["start", False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_text_decodes_to_the_same_in_one_piece_and_in_two(for_prompts, kind, wrap):
    tokenizer = for_prompts(kind, wrap, lowercase=True)

    @settings(max_examples=100, deadline=None)
    @given(text=st.text(st.sampled_from("aksiuAÉ é-.,!?'()<>#0▁\t\nकीมี👍"), max_size=30))
    def search(text):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        whole = tokenizer.decode(ids)
        for place in range(len(ids) + 1):
            assert tokenizer.decode(ids[:place]) + tokenizer.decode(ids[place:]) == whole

    search()


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_characters_of_several_bytes_come_whole(for_prompts, kind):
    tokenizer = for_prompts(kind, byte_fallback=True)
    ids = tokenizer("saya suka 漢字, ya")["input_ids"]
    start = len(tokenizer("saya")["input_ids"])
    assert tokenizer.decode(ids[start:]) == " suka 漢字, ya"


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_tokenizer_without_end_token_keeps_the_first_space(for_prompts, kind):
    for wrap, first in ((True, ""), ("start", " "), (False, " ")):
        tokenizer = for_prompts(kind, wrap)
        ids = tokenizer("saya suka")["input_ids"]
        expected = f"{'' if kind == 'character' else first}saya suka"
        assert tokenizer.decode(ids, skip_special_tokens=True) == expected
        assert ids == for_prompts(kind, True)("saya suka")["input_ids"][wrap is False : None if wrap is True else -1]
    marked = for_prompts(kind)("saya suka")["input_ids"] + [3]
    assert for_prompts(kind).decode(marked) == f"<s>{expected}</s>"


def reciter(tokenizer, text, prompt):
    """A MiniGPT that writes the rest of a text, whatever its weights say."""
    sizes = {"vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    model = MiniGPTForCausalLM(MiniGPTConfig.from_preset("tiny", num_hidden_layers=1, **sizes)).eval()
    rest = iter(tokenizer(text)["input_ids"][len(tokenizer(prompt)["input_ids"]) :] + [3])
    forward = model.forward

    def recite(*args, **kwargs):
        output = forward(*args, **kwargs)
        output.logits[:, -1] = torch.nn.functional.one_hot(torch.tensor(next(rest)), len(tokenizer)) * 99.0
        return output

    model.forward = recite
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_the_pipeline_of_transformers_writes_the_text(for_prompts, kind, capsys):
    tokenizer = for_prompts(kind)
    for text, prompt in ((TEXTS[0], "saya"), (TEXTS[1], "saya suka film ini, tetapi"), (TEXTS[4], "की बात")):
        options = {"max_new_tokens": 99, "do_sample": False}
        generator = pipeline("text-generation", model=reciter(tokenizer, text, prompt), tokenizer=tokenizer)
        written = generator(prompt, **options)[0]["generated_text"]
        assert written == prompt + words_of(kind, text).removeprefix(words_of(kind, prompt))
        assert written.split()[: len(prompt.split()) + 1] == text.split()[: len(prompt.split()) + 1]
        capsys.readouterr()
        streamer = TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        reciter(tokenizer, text, prompt).generate(
            **tokenizer(prompt, return_tensors="pt"), streamer=streamer, **options
        )
        assert prompt + capsys.readouterr().out.removesuffix("\n") == written
