"""Print the steps of two pipelines, from logits to text: filling a masked word, and answering a question.

    python examples/by_hand.py

trains a tiny MiniBert on a dozen capitals, offline, and prints how it answers: tokens, logits, argmax, the best span
that can be an answer, text. The pipeline gives the same. With your own model, by the head it has:

    python examples/by_hand.py --model_name_or_path bert-base-uncased --text "The capital of [MASK] is Paris."
    python examples/by_hand.py --model_name_or_path out/qa --question "Who won?" --context "In May Ana won the race."

Source: Devlin et al. 2018, section 4.2 for spans; lectures, S2 ("QA manually", "MLM").
"""

import random
import tempfile
from dataclasses import dataclass

import torch
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    pipeline,
    set_seed,
)
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniBertConfig, MiniBertForMaskedLM
from modeling_minibert.answer_spans import best_answer_spans
from modeling_minibert.limits import position_limit
from modeling_minibert.losses import IGNORE_INDEX
from modeling_minibert.training import show_progress_lines
from modeling_minibert.training.script_arguments import ScriptParser, run_script, token_fields
from tokenization import train_tokenizer

CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Japan": "Tokyo", "Kenya": "Nairobi", "Peru": "Lima", "Egypt": "Cairo",
    "Germany": "Berlin", "Indonesia": "Jakarta", "Norway": "Oslo", "Cuba": "Havana", "Nepal": "Kathmandu",
    "Spain": "Madrid",
}  # fmt: skip
STATEMENTS = (
    "The capital of {country} is {capital}.",
    "The capital city of {country} is {capital}.",
    "{capital} is the capital of {country}.",
)
QUESTIONS = ("What is the capital of {country}?", "Which city is the capital of {country}?")
MAX_ANSWER_LENGTH = 15  # tokens; as the pipeline


@dataclass
class Arguments:
    """The model and its input."""

    model_name_or_path: str | None = HfArg(
        default=None, help="a model with a masked-word or question-answering head; none: train one"
    )
    text: str = HfArg(default="The capital of [MASK] is Paris.", help="with one masked word")
    question: str = HfArg(default="What is the capital of France?", help="what to ask of the context")
    context: str = HfArg(
        default="Rome is the capital of Italy. The capital city of France is Paris.",
        help="a text that holds the answer",
    )


@torch.no_grad()
def fill_mask_by_hand(model, tokenizer, text: str, top_k: int = 3) -> list[dict]:
    """Predict the masked word of a text, and print every step.

    Args:
        model: a model with a masked-word head, in evaluation mode.
        text: a text with one mask token, written as the tokenizer writes it.

    Returns:
        The `top_k` likeliest words as `pipeline("fill-mask")` gives them: `token`, `token_str`, `score`, `sequence`.

    Raises:
        ValueError: the text has no mask, or several.
    """
    check_mask(text, tokenizer.mask_token)
    inputs = tokenizer(text, return_tensors="pt")
    ids = inputs["input_ids"][0]
    place = (ids == tokenizer.mask_token_id).nonzero()[0].item()
    print(f"text       {text}")
    print(f"tokens     {describe(tokenizer, ids)}")
    logits = model(**inputs).logits  # (1, L, V)
    print(f"logits     {tuple(logits.shape)}: at each place a score for each word of the vocabulary")
    scores = logits[0, place]  # (V,)
    best = scores.argmax().item()
    print(f"argmax     at place {place}: {scores[best]:.2f} for id {best}, decoded {tokenizer.decode([best])!r}")
    probabilities = scores.softmax(-1)
    guesses = []
    for score, token in zip(*(values.tolist() for values in probabilities.topk(top_k)), strict=True):
        filled = [*ids[:place].tolist(), token, *ids[place + 1 :].tolist()]
        sequence = tokenizer.decode(filled, skip_special_tokens=True)
        guesses.append({"score": score, "token": token, "token_str": tokenizer.decode([token]), "sequence": sequence})
    print("softmax    " + ", ".join(f"{guess['token_str']} {guess['score']:.1%}" for guess in guesses))
    print(f"filled     {guesses[0]['sequence']}")
    return guesses


def check_mask(text: str, mask: str) -> None:
    """Raise a ValueError if the text has no masked word, or several."""
    if text.count(mask) != 1:
        raise ValueError(f"{text!r} has {text.count(mask)} masked words; write {mask} once")


@torch.no_grad()
def answer_by_hand(model, tokenizer, question: str, context: str) -> dict:
    """Find the answer to a question in a short context, and print every step.

    Args:
        model: a model with a question-answering head, in evaluation mode.
        tokenizer: a tokenizer that gives the place of each token in the text (`is_fast`).

    Returns:
        The answer as `pipeline("question-answering")` gives it: `score`, `start`, `end` (characters), `answer`.

    Raises:
        ValueError: the input has more tokens than the model reads.
    """
    inputs = tokenizer(question, context, return_tensors="pt", return_offsets_mapping=True)
    offsets = inputs.pop("offset_mapping")[0].tolist()
    ids = inputs["input_ids"][0]
    limit = position_limit(model)
    if limit and len(ids) > limit:
        raise ValueError(
            f"question and context are {len(ids)} tokens long, but {type(model).__name__} reads {limit}; the pipeline "
            f"cuts such a context into windows, by hand give a shorter one"
        )
    print(f"question   {question}")
    print(f"tokens     {describe(tokenizer, ids)}")
    output = model(**inputs)
    start, end = output.start_logits[0], output.end_logits[0]  # (L,) each
    print(f"logits     {tuple(start.shape)} twice: each token as the first and as the last of the answer")
    first, last = start.argmax().item(), end.argmax().item()
    naive = tokenizer.decode(ids[first : last + 1])
    print(f"argmax     of each alone: from token {first} to token {last}, decoded {naive!r}")

    in_context = torch.tensor([part == 1 for part in inputs.sequence_ids(0)])
    allowed = in_context & torch.tensor([bool(context[a:b].strip()) for a, b in offsets])  # no token of spaces alone
    (span,) = best_answer_spans(start, end, allowed, max_answer_length=MAX_ANSWER_LENGTH)
    print(f"best span  that can be an answer: from {span.start} to {span.end}, "
          f"{start[span.start]:.2f} + {end[span.end]:.2f} = {span.score:.2f}")  # fmt: skip
    # A probability for each place in the context, and for [CLS]: no answer.
    candidates = in_context | (ids == tokenizer.cls_token_id)
    probabilities = [scores.masked_fill(~candidates, -torch.inf).softmax(-1) for scores in (start, end)]
    score = (probabilities[0][span.start] * probabilities[1][span.end]).item()
    print(f"softmax    {probabilities[0][span.start]:.3f} · {probabilities[1][span.end]:.3f} = {score:.3f}")
    begin, stop = offsets[span.start][0], offsets[span.end][1]
    answer = context[begin:stop].strip()  # some tokens include the space before a word
    begin = context.index(answer, begin)
    stop = begin + len(answer)
    print(f"answer     characters {begin} to {stop} of the context: {answer!r}")
    return {"score": score, "start": begin, "end": stop, "answer": answer}


def describe(tokenizer, ids: torch.Tensor) -> str:
    """Format tokens and ids: '[CLS] 2 · the 17 · …'."""
    tokens = tokenizer.convert_ids_to_tokens(ids.tolist())
    return " · ".join(f"{token} {number}" for token, number in zip(tokens, ids.tolist(), strict=True))


def compare(pipe_says: dict, by_hand: dict, keys: tuple[str, ...]) -> None:
    """Print the answer of the pipeline, and how far its score is from the one by hand."""
    same = "the same" if all(pipe_says[key] == by_hand[key] for key in keys) else "different"
    away = abs(pipe_says["score"] - by_hand["score"])
    print(f"pipeline   {same}: {pipe_says[keys[0]]!r}, its score {away:.0e} away\n")


def train(model, tokenizer, rows: list[dict], collator, **options):
    """Train briefly with `Trainer`; returns the model in evaluation mode."""
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            folder, per_device_train_batch_size=32, lr_scheduler_type="cosine", warmup_steps=0.1, logging_steps=0.25,
            save_strategy="no", dataloader_pin_memory=False, **options,
        )  # fmt: skip
        trainer = Trainer(
            model=model, args=args, train_dataset=rows, data_collator=collator, processing_class=tokenizer
        )
        show_progress_lines(trainer)
        trainer.train()
    return model.cpu().eval()


def make_blank(tokenizer, text: str, word: str) -> dict:
    """Mask one word of a text; it is the only label."""
    row = tokenizer(text.replace(word, tokenizer.mask_token))
    hidden = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(word)[0])
    row["labels"] = [hidden if token == tokenizer.mask_token_id else IGNORE_INDEX for token in row["input_ids"]]
    return dict(row)


def train_masked_words(max_steps: int = 150) -> tuple:
    """Train a tiny MiniBert and its tokenizer on the statements, with the country or the capital masked."""
    facts = [
        (text.format(country=country, capital=capital), word)
        for country, capital in CAPITALS.items() for text in STATEMENTS for word in (country, capital)
    ]  # fmt: skip
    texts = [*(text for text, _ in facts), *QUESTIONS]
    tokenizer = train_tokenizer(texts, vocab_size=227, min_frequency=1, show_progress=False, model_max_length=64)
    config = MiniBertConfig.from_preset(
        "tiny", max_position_embeddings=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        **token_fields(tokenizer, "pad", "mask"),
    )  # fmt: skip
    rows = [make_blank(tokenizer, text, word) for text, word in facts]
    collator = DataCollatorForTokenClassification(tokenizer)
    model = train(MiniBertForMaskedLM(config), tokenizer, rows, collator, max_steps=max_steps, learning_rate=3e-3)
    return model, tokenizer


def make_question(tokenizer, draw: random.Random) -> dict:
    """Draw a text with one to three capitals and a question about one; encode it with the place of the answer."""
    facts = draw.sample(sorted(CAPITALS.items()), draw.randint(1, 3))
    country, capital = draw.choice(facts)
    sentences = [draw.choice(STATEMENTS).format(country=where, capital=what) for where, what in facts]
    context, question = " ".join(sentences), draw.choice(QUESTIONS).format(country=country)
    row = tokenizer(question, context)
    begin = context.index(capital)
    row["start_positions"] = row.char_to_token(begin, sequence_index=1)
    row["end_positions"] = row.char_to_token(begin + len(capital) - 1, sequence_index=1)
    return dict(row)


def train_questions(masked_words_model, tokenizer, max_steps: int = 200):
    """Fine-tune the encoder of the masked-word model on questions."""
    with tempfile.TemporaryDirectory() as folder:
        masked_words_model.save_pretrained(folder)
        model = AutoModelForQuestionAnswering.from_pretrained(folder)
    draw = random.Random(0)
    rows = [make_question(tokenizer, draw) for _ in range(32 * 40)]
    collator = DataCollatorWithPadding(tokenizer)
    return train(model, tokenizer, rows, collator, max_steps=max_steps, learning_rate=1e-3)


def take_apart(model, tokenizer, args: Arguments) -> None:
    """Answer by hand and with the pipeline, by the head that the model has."""
    if "ForQuestionAnswering" in type(model).__name__:
        by_hand = answer_by_hand(model, tokenizer, args.question, args.context)
        answer = pipeline("question-answering", model=model, tokenizer=tokenizer)
        result = answer(question=args.question, context=args.context, align_to_words=False)
        compare(result, by_hand, ("answer", "start", "end"))
    else:
        by_hand = fill_mask_by_hand(model, tokenizer, args.text)
        fill = pipeline("fill-mask", model=model, tokenizer=tokenizer)
        compare(fill(args.text)[0], by_hand[0], ("sequence", "token_str"))


def load(name: str) -> tuple:
    """Load a model with one of the two heads, and its tokenizer.

    Raises:
        ValueError: the checkpoint has neither head.
    """
    saved_as = (AutoConfig.from_pretrained(name).architectures or ["a model without architectures"])[0]
    if saved_as.endswith("ForQuestionAnswering"):
        auto_class = AutoModelForQuestionAnswering
    elif saved_as.endswith(("ForMaskedLM", "ForPreTraining")):
        auto_class = AutoModelForMaskedLM
    else:
        raise ValueError(f"{name} is {saved_as}; give a checkpoint with a masked-word or a question-answering head: "
                         f"bert-base-uncased, or a folder that finetune_qa.py has saved")  # fmt: skip
    return auto_class.from_pretrained(name).eval(), AutoTokenizer.from_pretrained(name)


def main():
    """Show the answers of a checkpoint, or of models trained here."""
    (args,) = ScriptParser(Arguments).parse_args_into_dataclasses()
    for name in ("question", "context"):
        if not getattr(args, name).strip():
            raise ValueError(f"--{name} is empty; an answer needs a question and a context")
    if args.model_name_or_path:
        take_apart(*load(args.model_name_or_path), args)
        return
    check_mask(args.text, "[MASK]")
    set_seed(0)
    print("training on masked words: " + STATEMENTS[0].format(country="[MASK]", capital="Paris"))
    model, tokenizer = train_masked_words()
    take_apart(model, tokenizer, args)
    print("fine-tuning on questions: " + QUESTIONS[0].format(country="France"))
    take_apart(train_questions(model, tokenizer), tokenizer, args)


if __name__ == "__main__":
    run_script(main)
