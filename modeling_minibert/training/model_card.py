"""Write the model card of a trained classifier: use, labels, scores, training and limits."""

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
from transformers import pipeline

classifier = pipeline("{task}", "{name}"{loading})
classifier({example}{cutting})
```

Labels: {labels}. The model reads at most {max_length} tokens.

## Scores

{scores}

## Training

{training}

## Limits

The model was trained on a single data set. On text of another kind, place or time expect lower scores than those
above, at the same confidence. It may repeat biases of its training text.
"""


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
    """Write README.md into the folder of a saved classifier.

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
    metadata = ModelCardData(library_name="transformers", pipeline_tag="text-classification", tags=["minibert"])
    path = Path(folder).resolve() / "README.md"
    windows = task == "windowed-text-classification"
    example = {key: _shorten(text) for key, text in example.items()} if isinstance(example, dict) else _shorten(example)
    path.write_text(
        TEMPLATE.format(
            metadata=metadata.to_yaml(),
            name=path.parent.name,
            summary=summary,
            task=task,
            loading=", trust_remote_code=True" if needs_code or windows else "",
            example=json.dumps(example, ensure_ascii=False),
            cutting="" if windows else ", truncation=True",
            labels=", ".join(f"`{label}`" for label in labels),
            max_length=max_length,
            scores=_table(scores),
            training=_table(training),
        ),
        encoding="utf-8",
    )
    return path


def _shorten(text: str) -> str:
    return textwrap.shorten(text, 100, placeholder=" …")


def _table(rows: dict[str, str]) -> str:
    rows = {name: str(value).replace("|", "\\|") for name, value in rows.items()}
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])
