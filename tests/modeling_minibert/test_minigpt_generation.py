"""MiniGPT writes: every way of decoding through `generate`, the text pipeline, and folders that travel.

The yardsticks are a loop that computes everything anew for each token, all continuations of a small vocabulary, and
the probabilities of the next token.
"""

import json
import os
import subprocess
import sys

import pytest
import torch
from helpers.compare import assert_same_buffers, assert_same_outputs, assert_same_weights
from helpers.minigpt import CLASSES, HEADS, VARIANTS, WORDS, pad_rows, random_gpt, random_ids
from helpers.processes import WITHOUT_PACKAGE
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch.testing import assert_close
from transformers import AutoConfig, AutoModel, DynamicCache, PreTrainedTokenizerFast, pipeline
from transformers import models as transformers_models
from transformers.generation.streamers import BaseStreamer

import modeling_minibert
from modeling_minibert import MiniGPTForCausalLM, MiniGPTForSequenceClassification
from modeling_minibert.configuration_minigpt import AUTO_MAP
from modeling_minibert.transformers_internals import CACHE_NAME

SMALL = len(WORDS)  # 11 words, so that all continuations can be listed


def greedy_loop(model, ids, steps):
    """The lecture's loop: read everything again for each new token, take the most probable one."""
    for _ in range(steps):
        ids = torch.cat([ids, model(ids, use_cache=False).logits[:, -1:].argmax(-1)], dim=1)
    return ids


def random_writer(**fields):
    """Every word matters, norms move nothing, and the output layer is its own: else it writes one word for ever."""
    model = random_gpt(**{**fields, "tie_word_embeddings": False})
    for name, parameter in model.named_parameters():
        if name.endswith("norm.bias"):
            torch.nn.init.zeros_(parameter)
    model.get_input_embeddings().weight.data *= 4
    return model


@pytest.fixture
def tokenizer():
    words = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer, words.decoder = pre_tokenizers.WhitespaceSplit(), decoders.Fuse()
    names = {"pad_token": "<pad>", "eos_token": "<end>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=23, **names)


@pytest.fixture
def writer_folder(tmp_path, tokenizer):
    """A saved model that never ends a text by itself, with its tokenizer."""
    random_gpt(vocab_size=SMALL, pad_token_id=0).float().save_pretrained(tmp_path)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path)
    return str(tmp_path)


@pytest.mark.lecture("S5-75", "S5-48")
@pytest.mark.parametrize("variant", VARIANTS)
def test_greedy_is_the_plain_loop_with_every_cache(variant):
    rows = [torch.randint(1, 101, (length,)) for length in (6, 2, 5)]
    batch = pad_rows(rows, "left")
    for implementation in ("eager", "sdpa", "packed"):
        model = random_writer(attn_implementation=implementation, **VARIANTS[variant])
        expected = torch.cat([greedy_loop(model, row[None], 7)[:, -7:] for row in rows])
        assert len(expected.unique()) > 1, "premise: not the same word for ever"
        for options in ({}, {"use_cache": False}, {"cache_implementation": "static"}):
            written = model.generate(**batch, max_new_tokens=7, do_sample=False, **options)
            assert torch.equal(written[:, -7:], expected), (implementation, options)


@pytest.mark.parametrize("static", [False, True])
def test_beam_search_with_room_for_all_finds_the_most_probable_text(static):
    model, prompt, steps = random_writer(vocab_size=SMALL), torch.randint(3, SMALL, (2, 4)), 3
    everything = torch.cartesian_prod(*[torch.arange(SMALL)] * steps)
    cache = {"cache_implementation": "static"} if static else {}
    written = model.generate(prompt, max_new_tokens=steps, num_beams=SMALL**2, do_sample=False, **cache)
    for row, found in zip(prompt, written, strict=True):
        texts = torch.cat([row.expand(len(everything), -1), everything], dim=1)
        log_probabilities = model(texts).logits[:, 3:-1].log_softmax(-1)
        scores = log_probabilities.gather(2, everything[:, :, None]).sum((1, 2))
        assert torch.equal(found[4:], everything[scores.argmax()])


@pytest.mark.parametrize("options", [{"temperature": 0.5}, {"temperature": 2.0, "top_k": 4}, {"top_p": 0.7}])
def test_sampling_draws_words_as_often_as_their_probabilities_say(options):
    model, prompt, draws = random_gpt(vocab_size=SMALL), torch.randint(3, SMALL, (1, 4)), 3000
    scores = model(prompt).logits[0, -1] / options.get("temperature", 1.0) / 8  # spread out
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight / 8)
    ranked, order = scores.softmax(-1).sort(descending=True)
    kept = torch.arange(SMALL) < options.get("top_k", SMALL)
    kept &= ranked.cumsum(0) - ranked < options.get("top_p", 1.0)
    expected = torch.zeros(SMALL, dtype=torch.double).scatter(0, order, ranked * kept / (ranked * kept).sum())
    arguments = {"top_k": 0, **options, "do_sample": True, "num_return_sequences": draws, "max_new_tokens": 1}
    counts = model.generate(prompt, **arguments)[:, -1].bincount(minlength=SMALL)
    assert (counts[expected == 0] == 0).all()
    # Four standard deviations of a binomial, and half a count of rounding.
    spread = 4 * (draws * expected * (1 - expected)).sqrt() + 0.5
    assert ((counts - draws * expected).abs() <= spread).all()


def test_texts_end_at_their_own_ends():
    rows = torch.randint(3, SMALL, (9, 4))
    model = random_writer(vocab_size=SMALL, pad_token_id=0, eos_token_id=1)
    free = torch.cat([greedy_loop(model, row[None], 12) for row in rows])
    ends = [(text[4:] == 1).nonzero() for text in free]
    lengths = {4 + int(end[0]) if len(end) else None for end in ends}
    assert len(lengths) > 1, "premise: they end at different places, or not at all"
    for text, end, written in zip(free, ends, model.generate(rows, max_new_tokens=12, do_sample=False), strict=True):
        last = 5 + int(end[0]) if len(end) else 16
        assert torch.equal(written[:last], text[:last]) and (written[last:] == 0).all()


def test_no_pair_of_words_is_repeated_where_that_is_asked():
    model, prompt = random_writer(vocab_size=SMALL), torch.randint(3, SMALL, (3, 2))
    options = {"max_new_tokens": 20, "do_sample": False}

    def pairs(text):
        return [tuple(pair.tolist()) for pair in text.unfold(0, 2, 1)]

    assert any(len(set(pairs(text))) < 21 for text in model.generate(prompt, **options)), "premise"
    for beams in (1, 3):
        for text in model.generate(prompt, no_repeat_ngram_size=2, num_beams=beams, **options):
            assert len(set(pairs(text))) == 21


def test_assistance_vectors_and_a_past_give_the_same_text():
    model, prompt = random_writer(), random_ids(1)
    expected = greedy_loop(model, prompt, 10)
    options = {"max_new_tokens": 10, "do_sample": False}
    assert torch.equal(model.generate(prompt, assistant_model=random_gpt(num_hidden_layers=1), **options), expected)
    assert torch.equal(model.generate(prompt, prompt_lookup_num_tokens=3, **options), expected)
    vectors = model.get_input_embeddings()(prompt)
    assert torch.equal(model.generate(inputs_embeds=vectors, **options), expected[:, 7:])
    past = DynamicCache(config=model.config)
    model(prompt[:, :5], past_key_values=past)
    assert torch.equal(model.generate(prompt, **{CACHE_NAME: past}, **options), expected)


class Collect(BaseStreamer):
    """Keeps what a streamer would show."""

    def __init__(self):
        self.pieces, self.ended = [], False

    def put(self, value):
        self.pieces.append(value.flatten())

    def end(self):
        self.ended = True


def test_a_streamer_gets_every_token_when_it_is_written():
    model, streamer = random_gpt(), Collect()
    written = model.generate(random_ids(1), max_new_tokens=5, do_sample=False, streamer=streamer)
    assert [len(piece) for piece in streamer.pieces] == [7, 1, 1, 1, 1, 1] and streamer.ended
    assert torch.equal(torch.cat(streamer.pieces), written[0])


def test_scores_and_attentions_of_each_step_can_be_had():
    model, prompt = random_gpt(attn_implementation="packed"), random_ids()
    options = {"max_new_tokens": 3, "do_sample": False, "return_dict_in_generate": True}
    outputs = model.generate(prompt, output_logits=True, output_attentions=True, **options)
    expected = model(outputs.sequences[:, :-1], output_attentions=True)
    logits = torch.stack(outputs.logits, dim=1)  # float32, as `generate` keeps them
    assert_close(logits, expected.logits[:, -3:].float(), rtol=0, atol=1e-5)
    assert [step[2].shape[2:] for step in outputs.attentions] == [(7, 7), (1, 8), (1, 9)]
    assert_close(outputs.attentions[2][2], expected.attentions[2][:, :, -1:], rtol=0, atol=1e-10)


# Lengths


@pytest.mark.lecture("S5-48")
@pytest.mark.filterwarnings("ignore:Using the model-agnostic default `max_length`")  # the case that is tested
def test_a_short_model_writes_up_to_its_last_position_unless_told_otherwise(caplog):
    model, prompt = random_gpt(max_position_embeddings=23), random_ids()
    assert model.generate(prompt).shape == (3, 23)
    assert model.generate(prompt, max_new_tokens=16).shape == (3, 23)
    assert model.generate(prompt, max_new_tokens=2).shape == (3, 9)
    assert model.generate(prompt, max_length=11).shape == (3, 11)
    assert "seem to have been set" not in caplog.text
    model.generate(prompt, max_new_tokens=2, max_length=11)
    assert "Both `max_new_tokens` (=2) and `max_length`(=11)" in caplog.text
    # A long one goes on for transformers' 20 words, and rotary positions know no end.
    assert random_gpt(max_position_embeddings=513).generate(prompt).shape == (3, 27)
    assert random_gpt(position_embedding_type="rotary").generate(prompt, max_new_tokens=30).shape == (3, 37)


@pytest.mark.lecture("S5-48")
def test_the_text_pipeline_works_as_it_comes_on_a_model_with_few_positions(writer_folder):
    write = pipeline("text-generation", writer_folder)
    prompt = "hujan turun sejak pagi"
    ids = write(prompt, return_tensors=True)[0]["generated_token_ids"]
    assert len(ids) == 23 and ids[:4] == [3, 4, 5, 6]  # not the 256 new words that the pipeline asks for by default
    texts = [prompt, "kopi di"]
    options = {"max_new_tokens": 6, "do_sample": False, "return_tensors": True}
    alone = [write(text, **options)[0]["generated_token_ids"] for text in texts]
    loop = greedy_loop(write.model, torch.tensor([[3, 4, 5, 6]]), 6)
    assert alone[0] == loop[0].tolist()
    for together, expected in zip(write(texts, batch_size=2, **options), alone, strict=True):
        assert [token for token in together[0]["generated_token_ids"] if token] == [t for t in expected if t]
    with pytest.raises(ValueError, match="4 tokens and generation may go on to 104.*to 19 at most"):
        write(prompt, max_new_tokens=100)
    with pytest.raises(ValueError, match="40 tokens.*23 positions; shorten the prompt"):
        write("kopi di " * 20)
    assert write("kopi di " * 20, handle_long_generation="hole", max_new_tokens=3)


# Folders


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary"])
@pytest.mark.parametrize("model_class", HEADS)
def test_every_class_reloads_its_weights_bit_for_bit_through_its_auto_class(model_class, positions, tmp_path):
    model, ids = random_gpt(model_class, position_embedding_type=positions), random_ids()
    model.save_pretrained(tmp_path)
    name = next(auto for auto, path in AUTO_MAP.items() if path.endswith("." + model_class.__name__))
    again = getattr(transformers_models.auto, name).from_pretrained(tmp_path).eval()
    assert type(again) is model_class
    assert_same_weights(again, model)
    assert_same_buffers(again, model)
    assert_same_outputs(again(ids)[0], model(ids)[0])
    base = AutoModel.from_pretrained(tmp_path).eval()
    assert_same_outputs(base(ids)[0], getattr(model, "minigpt", model)(ids)[0])


def test_every_save_lists_every_class_and_carries_the_code_of_this_family_alone(tmp_path):
    random_gpt(MiniGPTForSequenceClassification, id2label={0: "sedih", 1: "senang", 2: "marah"}).save_pretrained(
        tmp_path
    )
    assert json.loads((tmp_path / "config.json").read_text())["auto_map"] == AUTO_MAP
    needed = {"configuration_minigpt", "configuration_common", "modeling_minigpt", "attention", "packed_attention"}
    needed |= {"embeddings", "feed_forward", "heads", "linear_cross_entropy", "losses", "normalization", "packing"}
    needed |= {"precision", "stock", "stock_families", "stock_families_seq2seq", "token_mixers", "linear_attention"}
    needed |= {"batch", "caches", "dropout", "generation", "masks", "transformers_internals"}
    needed |= {"limits", "pipeline_common", "pipeline_token_classification"}
    assert {path.stem for path in tmp_path.glob("*.py")} == needed
    assert all(hasattr(modeling_minibert, path.partition(".")[2]) for path in AUTO_MAP.values())
    again = AutoConfig.from_pretrained(tmp_path)
    assert again.id2label == {0: "sedih", 1: "senang", 2: "marah"} and again.num_labels == 3 != CLASSES


def test_a_pretrained_writer_lends_its_decoder_to_a_classifier(tmp_path):
    model = random_gpt(pad_token_id=0)
    model.save_pretrained(tmp_path)
    classifier, report = MiniGPTForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert set(report["missing_keys"]) == {"score.weight"} and not report["unexpected_keys"]
    assert_same_weights(classifier.minigpt, model.minigpt)


ELSEWHERE = """
import sys
{block}
import torch
from transformers import AutoModelForCausalLM, pipeline
folder = sys.argv[1]
model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
assert type(model).__module__.startswith("transformers_modules."), type(model)
assert model.lm_head.weight is model.get_input_embeddings().weight
written = model.generate(torch.tensor([[3, 4, 5]]), max_new_tokens=9, do_sample=False)
write = pipeline("text-generation", folder, trust_remote_code=True)
same = write("hujan turun sejak", max_new_tokens=9, do_sample=False, return_tensors=True)
assert same[0]["generated_token_ids"] == written[0].tolist(), same
assert len(write("hujan", return_tensors=True)[0]["generated_token_ids"]) == 23
twin = model.to_stock()
assert type(twin).__module__ == "transformers.models.gpt2.modeling_gpt2"
again = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, attn_implementation="packed")
torch.save((written, twin(written).logits, again(written, use_cache=False).logits), folder + "/result.pt")
"""


@pytest.mark.slow
def test_a_saved_writer_writes_the_same_where_the_package_is_not_installed(writer_folder, tmp_path):
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules")}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE.format(**WITHOUT_PACKAGE), writer_folder],
        cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written, *logits = torch.load(tmp_path / "result.pt")
    model = MiniGPTForCausalLM.from_pretrained(writer_folder)
    assert torch.equal(written, greedy_loop(model, torch.tensor([[3, 4, 5]]), 9))
    for theirs in logits:
        assert_close(theirs, model(written).logits, rtol=0, atol=1e-5)
