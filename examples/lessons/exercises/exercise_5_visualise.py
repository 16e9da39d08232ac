"""Exercise 5: draw the attention weights of a model as a heat map.

python examples/lessons/check_exercises.py examples/lessons/exercises/exercise_5_visualise.py
"""


def attention_figure(model, tokenizer, text, layer, head):
    """Draw one head as a heat map: a row per query, a column per key.

    Args:
        model: a stock BertModel of transformers, as `from_pretrained` gives it.
        tokenizer: its tokenizer.
        text: one text.
        layer, head: the head to draw, both counted from 0.

    Returns:
        A matplotlib Figure whose axes show the tokens, special ones included, and are labelled "query" and "key". The
        picture is drawn with `imshow`, `matshow`, `pcolormesh` or seaborn's `heatmap`.
    """
    raise NotImplementedError("write this function")
