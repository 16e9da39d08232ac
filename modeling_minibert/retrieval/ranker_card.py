"""Write the model card of a trained cross-encoder: use, scores and training."""

from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import ModelCardData

from .measures import MEASURES

TEMPLATE = """---
{metadata}
---

# {name}

{summary}

## Use it

```python
import modeling_minibert  # registers the pipeline
from transformers import pipeline

ranker = pipeline("text-ranking", "{name}")
ranker({{"query": {question!r}, "documents": [{document!r}]}})
```

It reads at most {max_length} tokens of question and document together; a longer document is cut. In the sum with BM25,
both standardized over the documents of a question, its weight is {weight:.2f}.

## Scores

{scores}

## Training

{training}

## Limits

The model was trained on a single collection. On text of another kind, place or time expect lower scores than those
above. It may repeat biases of its training text.
"""


def write_ranker_card(
    folder: str | Path,
    summary: str,
    example: tuple[str, str],
    results: Mapping,
    weight: float,
    max_length: int,
    training: Mapping[str, object],
) -> Path:
    """Write README.md into the folder of a saved cross-encoder.

    Args:
        folder: its last part is the model's name.
        summary: one or two sentences.
        example: a question and a document.
        results: run → measure → mean score; runs without these are left out.
        weight: of the cross-encoder in the sum with BM25.
        max_length: tokens of question and document.
        training: {setting: value}.

    Returns:
        The path of the card.
    """
    path = Path(folder).resolve() / "README.md"
    runs = {name: values for name, values in results.items() if isinstance(values, Mapping) and MEASURES[0] in values}
    runs = {name: values for name, values in runs.items() if isinstance(values[MEASURES[0]], float)}
    rows = [
        [name.replace("_", " "), *(f"{values[measure]:.3f}" for measure in MEASURES)] for name, values in runs.items()
    ]
    metadata = ModelCardData(
        library_name="transformers", pipeline_tag="text-ranking", tags=["minibert", "cross-encoder"]
    )
    text = TEMPLATE.format(
        metadata=metadata.to_yaml(),
        name=path.parent.name,
        summary=summary,
        question=example[0],
        document=example[1][:100],
        max_length=max_length,
        weight=weight,
        scores=_table([["", *MEASURES], *rows]),
        training=_table([["", ""], *([name, str(value)] for name, value in training.items())]),
    )
    path.write_text(text, encoding="utf-8")
    return path


def _table(rows: list[list[str]]) -> str:
    head, *body = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in [head, " | ".join("---" for _ in rows[0]), *body])
