"""Exercise 4: text generation with GPT-2, without `model.generate`.

    python examples/lessons/check_exercises.py examples/lessons/exercises/exercise_4_generate.py

The checker compares with `model.generate` on a small GPT-2 with random weights.
"""


def generate(model, input_ids, max_new_tokens, eos_token_id=None):
    """Continue a text by greedy search: add the likeliest next token until the end.

    Args:
        model: a GPT2LMHeadModel; model(input_ids).logits is (1, L, V), position i scores the token after i.
        input_ids: (1, L), the prompt.
        max_new_tokens: the largest number of tokens to add.
        eos_token_id: the token that ends a text, and is part of it; None: never stop early.

    Returns:
        (1, L + new), the prompt and the new tokens.
    """
    raise NotImplementedError("write this function")


def next_token_probabilities(logits, temperature=1.0, top_k=None):
    """Compute the distribution of the next token for sampling.

    Args:
        logits: (V,) tensor.
        temperature: below 1 sharpens the distribution, above 1 flattens it.
        top_k: only the k likeliest tokens can be drawn; None: all.

    Returns:
        (V,) probabilities, summing to 1.
    """
    raise NotImplementedError("write this function")
