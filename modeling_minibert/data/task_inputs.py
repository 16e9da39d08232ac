"""Input sequences for fine-tuning a GPT on classification, entailment, similarity and multiple choice.

    classification      [START] text [EXTRACT]
    entailment          [START] premise [DELIMITER] hypothesis [EXTRACT]
    similarity          [START] first [DELIMITER] second [EXTRACT]   and   [START] second [DELIMITER] first [EXTRACT]
    multiple choice     [START] context [DELIMITER] choice [EXTRACT]   for each choice

The heads of MiniGPT read the last token, the extract token. Call `add_task_tokens` first: the tokenizer then produces
the first two formats in `tokenizer(text)`, `tokenizer(premise, hypothesis)` and every pipeline, and the model gets
embeddings for the new tokens. Then, for each task:

    add_task_tokens(tokenizer, model)
    rows = dataset.map(lambda batch: similarity_inputs(batch["first"], batch["second"], tokenizer, 128), batched=True)

Similarity and multiple choice give several sequences per row; transformers' `DataCollatorForMultipleChoice` pads them
to (B, sequences, L). `MiniGPTForSequenceClassification` adds the representations of the sequences,
`MiniGPTForMultipleChoice` scores each.

Source: Radford et al. 2018, section 3.3 and figure 1.
"""

from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedModel

# The role of each task token in the tokenizer, and the token to add if the tokenizer has none in that role.
TASK_TOKENS = {"bos_token": "[START]", "sep_token": "[DELIMITER]", "cls_token": "[EXTRACT]"}


def add_task_tokens(tokenizer, model: PreTrainedModel) -> list[str]:
    """Add start, delimiter and extract tokens to a tokenizer and its model, and put them around all texts.

    The start token is the tokenizer's `bos_token`, the delimiter its `sep_token`, the extract token its `cls_token`;
    missing ones are added, and the word embeddings of the model grow (`resize_token_embeddings`). A second call, also
    on a saved tokenizer, changes nothing. Both are changed in place; the added tokens are returned.

    Raises:
        ValueError: the tokenizer is not a fast one.
    """
    if not tokenizer.is_fast:
        raise ValueError(f"{type(tokenizer).__name__} is not a fast tokenizer; load one with AutoTokenizer")
    missing = {role: name for role, name in TASK_TOKENS.items() if getattr(tokenizer, role) is None}
    tokenizer.add_special_tokens(missing)
    start, delimiter, extract = names = [getattr(tokenizer, role) for role in TASK_TOKENS]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=[start, "$A", extract],
        pair=[start, "$A", delimiter, "$B", extract],
        special_tokens=list(zip(names, tokenizer.convert_tokens_to_ids(names), strict=True)),
    )
    if len(tokenizer) > len(model.get_input_embeddings().weight):  # type: ignore[arg-type]
        model.resize_token_embeddings(len(tokenizer))
    return list(missing.values())


def classification_inputs(texts: list[str], tokenizer, max_length: int) -> dict[str, list]:
    """Encode [START] text [EXTRACT], truncated to `max_length` tokens: `input_ids`, a list per text.

    Raises:
        ValueError: `add_task_tokens` was not called, or max_length leaves no room for text.
    """
    return {"input_ids": _encode(tokenizer, max_length, texts)}


def entailment_inputs(premises: list[str], hypotheses: list[str], tokenizer, max_length: int) -> dict[str, list]:
    """Encode [START] premise [DELIMITER] hypothesis [EXTRACT]; the longer text is truncated first.

    Returns and raises as `classification_inputs`, and a ValueError if the columns differ in length.
    """
    return {"input_ids": _encode(tokenizer, max_length, premises, hypotheses)}


def similarity_inputs(first: list[str], second: list[str], tokenizer, max_length: int) -> dict[str, list]:
    """Encode both orders of each pair, as similarity has no order: `input_ids`, two lists per row.

    Raises as `entailment_inputs`.
    """
    orders = _encode(tokenizer, max_length, first, second), _encode(tokenizer, max_length, second, first)
    return {"input_ids": [list(pair) for pair in zip(*orders, strict=True)]}


def multiple_choice_inputs(
    contexts: list[str], choices: list[list[str]], tokenizer, max_length: int
) -> dict[str, list]:
    """Encode each context (with its question) with each of its choices: `input_ids`, a list per choice and row.

    Raises as `entailment_inputs`, and a ValueError if rows differ in their number of choices.
    """
    counts = [len(row) for row in choices]
    for row, count in enumerate(counts):
        if count != counts[0] or count == 0:
            raise ValueError(f"row {row} has {count} choices, and row 0 has {counts[0]}; all rows need the same number")
    _check_same_number(contexts, choices)
    repeated = [context for context, row in zip(contexts, choices, strict=True) for _ in row]
    sequences = iter(_encode(tokenizer, max_length, repeated, [choice for row in choices for choice in row]))
    return {"input_ids": [[next(sequences) for _ in row] for row in choices]}


def _encode(tokenizer, max_length: int, *texts: list[str]) -> list[list[int]]:
    """Encode texts, or pairs of texts; truncation removes tokens of the longer text, and no task tokens."""
    _check_same_number(*texts)
    if tokenizer("", return_attention_mask=False)["input_ids"] != [tokenizer.bos_token_id, tokenizer.cls_token_id]:
        raise ValueError("the tokenizer does not add start and extract tokens; call add_task_tokens before")
    special = tokenizer.num_special_tokens_to_add(pair=len(texts) == 2)
    if max_length < special + len(texts):
        raise ValueError(
            f"max_length ({max_length}) must be at least {special + len(texts)}: {special} task tokens, and one token "
            f"of each text"
        )
    return tokenizer(*texts, truncation=True, max_length=max_length)["input_ids"]


def _check_same_number(*columns: list) -> None:
    if len({len(column) for column in columns}) > 1:
        raise ValueError(f"the columns have {' and '.join(str(len(column)) for column in columns)} rows")
