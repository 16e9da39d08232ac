"""Write the model card of a trained model: use, scores, training and limits."""

import json
import textwrap
from pathlib import Path

from huggingface_hub import ModelCardData

TEMPLATE = """---
{metadata}
---

# {name}

{summary}

## Use it

```python
{usage}
```

{facts}

## Scores

{scores}

## Training

{training}

## Limits

The model was trained on a single data set. On text of another kind, place or time expect lower scores than those
above, at the same confidence. It may repeat biases of its training text.
"""


CLASSIFIER = """from transformers import pipeline

classifier = pipeline("{task}", "{name}"{loading})
classifier({example}{cutting})"""


def model_card(
    name: str,
    summary: str,
    usage: str,
    facts: str,
    scores: dict[str, str],
    training: dict[str, str],
    pipeline_tag: str = "text-classification",
) -> str:
    """Return the text of a model card.

    Args:
        name: of the model.
        summary: one or two sentences.
        usage: Python code that uses it.
        facts: what it reads and answers.
        scores: {measure: score with its interval}.
        training: {setting: value}.
        pipeline_tag: the task, as the Hub names it.
    """
    metadata = ModelCardData(library_name="transformers", pipeline_tag=pipeline_tag, tags=["minibert"]).to_yaml()
    tables = {"scores": _table(scores), "training": _table(training)}
    return TEMPLATE.format(metadata=metadata, name=name, summary=summary, usage=usage, facts=facts, **tables)


def write_model_card(
    folder: str,
    summary: str,
    labels: list[str],
    example: str | dict[str, str],
    scores: dict[str, str],
    training: dict[str, str],
    max_length: int,
    task: str = "text-classification",
    needs_code: bool = True,
) -> Path:
    """Write README.md, the model card of a classifier, into its folder.

    Args:
        folder: the folder; its last part is the model's name.
        summary: one or two sentences.
        labels: the class names.
        example: a text to classify, or {"text": …, "text_pair": …}.
        scores: {measure: score with its interval}.
        training: {setting: value}.
        max_length: tokens the model reads.
        task: name of the pipeline.
        needs_code: whether the model needs `trust_remote_code=True` if this package is not imported; our pipelines
            always do.

    Returns:
        The path of the card.
    """
    path = Path(folder).resolve() / "README.md"
    windows = task == "windowed-text-classification"
    example = {key: _shorten(text) for key, text in example.items()} if isinstance(example, dict) else _shorten(example)
    usage = CLASSIFIER.format(
        task=task,
        name=path.parent.name,
        loading=", trust_remote_code=True" if needs_code or windows else "",
        example=json.dumps(example, ensure_ascii=False),
        cutting="" if windows else ", truncation=True",
    )
    shown = ", ".join(f"`{label}`" for label in labels)
    facts = f"Labels: {shown}. The model reads at most {max_length} tokens."
    path.write_text(model_card(path.parent.name, summary, usage, facts, scores, training), encoding="utf-8")
    return path


def _shorten(text: str) -> str:
    return textwrap.shorten(text, 100, placeholder=" …")


def _table(rows: dict[str, str]) -> str:
    rows = {name: str(value).replace("|", "\\|") for name, value in rows.items()}
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])
