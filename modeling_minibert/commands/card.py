"""Print or write the model card of a saved model, from its configuration and all_results.json.

minibert card out/classifier                 print it
minibert card out/classifier --write         write it as out/classifier/README.md, which the Hub shows
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig

import modeling_minibert  # noqa: F401  (registers the models with transformers)
from tokenization.console import OneLineParser, check_local_folder, program_name, run_command

from ..training.model_card import model_card
from .prediction_tasks import find_kind

# Kind of the model: the task as the Hub names it, what it is for, and the code that uses it.
USES = {
    "classification": ("text-classification", "classifies texts", '{pipe}("Filmnya bagus.", truncation=True)'),
    "tags": ("token-classification", "tags words", '{pipe}("Ani tinggal di Bandung.")'),
    "answers": (
        "question-answering",
        "finds answers in texts",
        '{pipe}(question="Di mana Ani tinggal?", context="Ani tinggal di Bandung.")',
    ),
    "blanks": ("fill-mask", "fills in masked words", '{pipe}("Saya makan {mask} di rumah.")'),
    "continuation": ("text-generation", "continues texts", '{pipe}("Pagi ini")'),
    "text2text": ("text2text-generation", "writes a text for a text", '{pipe}("Saya suka kopi.", truncation=True)'),
    "relevance": (
        "text-ranking",
        "ranks documents for a question",
        '{pipe}({{"query": "…", "documents": ["…", "…"]}})',
    ),
    "vectors": ("sentence-similarity", "gives texts vectors of meaning", "SentenceEncoder.load({name!r}).encode([…])"),
}
OF_THE_RUN = ("split", "seed", "train_seconds")
REMOVED = ("question-answering", "text2text-generation", "text-ranking")  # tasks that this package registers


def build_card(folder: str) -> str:
    """Return the text of the card of a saved model.

    Raises:
        ValueError: there is no such folder, or the model has no head that answers a text.
    """
    check_local_folder(folder)
    if not (Path(folder) / "config.json").is_file():
        raise ValueError(f"{folder} has no config.json; give a folder with a saved model")
    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    kind, name = find_kind(folder, config), Path(folder).resolve().name
    tag, purpose, call = USES[kind]
    results = _read(Path(folder, "all_results.json"))
    scores = dict(flatten({name: value for name, value in results.items() if name not in OF_THE_RUN}))
    summary = f"A {(config.architectures or [config.model_type])[0]} that {purpose}."
    facts = describe_inputs(kind, config, tokenizer)
    usage = usage_of(kind, name, tag, call, config, tokenizer)
    return model_card(name, summary, usage, facts, scores or {"scores": "not saved"}, _training(folder, results), tag)


def usage_of(kind: str, name: str, tag: str, call: str, config: PreTrainedConfig, tokenizer) -> str:
    """Return Python code that uses the model."""
    if kind == "vectors":
        return f"from modeling_minibert.retrieval.sentence_encoder import SentenceEncoder\n\n{call.format(name=name)}"
    needs_code = hasattr(config, "auto_map") or config.model_type.startswith("mini")
    loading = ", trust_remote_code=True" if needs_code else ""
    first = "import modeling_minibert  # registers the pipeline\n" if tag in REMOVED else ""
    pipe = f'pipeline("{tag}", "{name}"{loading})'
    code = call.format(pipe="model", mask=getattr(tokenizer, "mask_token", None), name=name)
    return f"{first}from transformers import pipeline\n\nmodel = {pipe}\n{code}"


def describe_inputs(kind: str, config: PreTrainedConfig, tokenizer) -> str:
    """Say which labels a model has and how long its texts may be."""
    labels = (
        ", ".join(f"`{label}`" for label in (config.id2label or {}).values())
        if kind in ("classification", "tags")
        else ""
    )
    longest = min(tokenizer.model_max_length, getattr(config, "max_position_embeddings", None) or 10**9)
    reads = f"The model reads at most {longest:,} tokens." if longest < 10**9 else ""
    return " ".join(filter(None, [f"Labels: {labels}." if labels else "", reads]))


def flatten(results: dict, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield measure → value of nested results; an interval stands behind its measure."""
    for name, value in results.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name.replace('_', ' ')}: ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            interval = results.get(f"{name}_interval")
            shown = f" (95 % interval {interval[0]:.4g} to {interval[1]:.4g})" if interval else ""
            yield f"{prefix}{name.replace('_', ' ')}", f"{value:.4g}{shown}"


def _training(folder: str, results: dict) -> dict[str, str]:
    """Return what the folder says of the training."""
    state = _read(Path(folder, "trainer_state.json"))
    known = {
        "seed": results.get("seed"),
        "scored on": results.get("split"),
        "updates": state.get("global_step"),
        "epochs": state.get("epoch") and f"{state['epoch']:.3g}",
        "seconds": results.get("train_seconds") and round(results["train_seconds"]),
    }
    return {name: value for name, value in known.items() if value is not None} or {"settings": "not saved"}


def _read(path: Path) -> dict:
    """Read a file of json; {} if it is missing."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def main() -> None:
    """Run the command."""
    parser = OneLineParser(
        prog=program_name("python -m modeling_minibert.commands.card"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", help="folder of a saved model")
    parser.add_argument("--write", action="store_true", help="write the card as README.md of the folder")
    parser.add_argument("--overwrite", action="store_true", help="replace a README.md that is there")
    args = parser.parse_args()
    card, path = build_card(args.folder), Path(args.folder, "README.md")
    if not args.write:
        print(card)
        return
    if path.exists() and not args.overwrite:
        raise ValueError(
            f"{path} is there already; give --overwrite to replace it, or leave out --write to see the card"
        )
    path.write_text(card, encoding="utf-8")
    print(f"written: {path}")


if __name__ == "__main__":
    run_command(main)
