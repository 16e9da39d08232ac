"""Write the model card of a trained sentence encoder: use, scores and training."""

from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import ModelCardData

TEMPLATE = """---
{metadata}
---

# {name}

{summary}

## Use it

```python
from modeling_minibert.retrieval.{module} import {kind}

encoder = {kind}.load("{name}")
queries = encoder.encode_queries([{query!r}])
passages = encoder.encode_passages([{passage!r}])
queries @ passages.T
```
{other}
It reads at most {max_length} tokens of a text. Vectors are compared by {similarity} similarity.

## Scores

{scores}

## Training

{training}

## Limits

The encoder was trained on a single data set. On text of another kind, place or time expect lower scores than those
above. It may repeat biases of its training text.
"""
SENTENCE_TRANSFORMERS = """
The folder opens in sentence-transformers too:

```python
from sentence_transformers import SentenceTransformer

SentenceTransformer("{name}"{trust}).encode([{query!r}])
```
"""


def write_encoder_card(
    encoder,
    folder: str | Path,
    summary: str,
    example: tuple[str, str],
    scores: Mapping[str, str],
    training: Mapping[str, object],
    needs_code: bool = True,
) -> Path:
    """Write README.md into the folder of a saved `DualEncoder`.

    Args:
        encoder: the saved encoder.
        folder: its last part is the model's name.
        summary: one or two sentences.
        example: a query and a passage.
        scores: {ranker: scores}.
        training: {setting: value}.
        needs_code: whether sentence-transformers needs `trust_remote_code=True`.

    Returns:
        The path of the card.
    """
    path = Path(folder).resolve() / "README.md"
    metadata = ModelCardData(
        library_name="sentence-transformers" if encoder.is_shared else "transformers",
        pipeline_tag="sentence-similarity",
        tags=["minibert", "sentence-transformers"],
    )
    trust = ", trust_remote_code=True" if needs_code else ""
    other = SENTENCE_TRANSFORMERS.format(name=path.parent.name, trust=trust, query=example[0])
    text = TEMPLATE.format(
        metadata=metadata.to_yaml(),
        name=path.parent.name,
        summary=summary,
        module="sentence_encoder" if encoder.is_shared else "dual_encoder",
        kind="SentenceEncoder" if encoder.is_shared else "DualEncoder",
        query=example[0],
        passage=example[1],
        other=other if encoder.is_shared else "",
        max_length=encoder.passage_encoder.settings.max_length,
        similarity=encoder.similarity,
        scores=_table(scores),
        training=_table(training),
    )
    path.write_text(text, encoding="utf-8")
    return path


def _table(rows: Mapping[str, object]) -> str:
    cells = {name: str(value).replace("|", "\\|") for name, value in rows.items()}
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in cells.items())])
