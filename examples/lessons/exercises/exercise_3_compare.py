"""Exercise 3: compare BERT, RoBERTa and DistilBERT on the same task.

    python examples/lessons/check_exercises.py examples/lessons/exercises/exercise_3_compare.py

The checker has three small models with random weights; your function also works for real ones.
"""


def compare(models, texts, labels):
    """Score each model on the same texts.

    Args:
        models: name → (model, tokenizer); each a ...ForSequenceClassification with its own tokenizer.
        texts: strings of different lengths.
        labels: their class ids.

    Returns:
        A list with a dict per model, in the given order: "name"; "accuracy" and "macro_f1", from 0 to 1; "parameters",
        the number of parameters, trainable or not; "seconds", the time to classify all the texts.
    """
    raise NotImplementedError("write this function")
