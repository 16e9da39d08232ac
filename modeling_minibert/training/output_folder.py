"""Check the output folder of a training run, and find the checkpoint to resume from."""

import json
from collections.abc import Iterable
from pathlib import Path

from transformers import PreTrainedConfig
from transformers.trainer import TRAINER_STATE_NAME

# Two configurations that agree on these fields describe the same model.
IDENTITY = (
    "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "head_dim",
    "intermediate_size", "hidden_act", "max_position_embeddings", "position_embedding_type", "type_vocab_size",
    "norm_position", "norm_type", "attention_bias", "embedding_norm", "scale_embedding", "classifier_pooling",
    "classifier_hidden_size", "id2label",
)  # fmt: skip
WEIGHTS = "*model*.safetensors"  # one file, or several with an index


def check_output_folder(output_dir: str, config, class_name: str | None = None, overwrite: bool = True) -> None:
    """Raise an error before training if the output folder holds a different model, or one that is to be kept.

    Args:
        output_dir: the folder.
        config: the configuration of the new model.
        class_name: its class; None allows a model of another class to be overwritten.
        overwrite: whether a finished model (not only checkpoints) may be replaced.

    Raises:
        ValueError: the models differ (the message has the field and both values), or the folder holds a finished one.
    """
    # An interrupted run leaves checkpoints alone, a killed run may leave incomplete files.
    places = [Path(output_dir), *Path(output_dir).glob("checkpoint-*")]
    saved = next(filter(None, (_read_json(place / "config.json") for place in places)), None)
    if saved is None:
        return
    # A saved configuration omits the defaults of PreTrainedConfig. Going through JSON makes all keys strings.
    there = json.loads(PreTrainedConfig().to_json_string(use_diff=False))
    there |= saved
    ours = json.loads(config.to_json_string(use_diff=False))
    ours["architectures"] = [class_name]
    for field in (*IDENTITY, "architectures") if class_name and there["architectures"] else IDENTITY:
        if field in there and there[field] != ours.get(field):
            raise ValueError(
                f"{output_dir} already holds a different model: its {field} is {there[field]}, the new one's is "
                f"{ours.get(field)}; choose another --output_dir, or remove that folder"
            )
    if not overwrite and (Path(output_dir) / "config.json").is_file() and any(Path(output_dir).glob(WEIGHTS)):
        raise ValueError(
            f"{output_dir} already holds a finished model; choose another --output_dir, or give "
            "--overwrite_output_dir true"
        )


def write_predict_results(folder: str | Path, answers: Iterable) -> None:
    """Write predict_results.txt as transformers' run_glue.py does: index, tab, prediction; rows in order."""
    lines = [f"{index}\t{answer}" for index, answer in enumerate(answers)]
    path = Path(folder) / "predict_results.txt"
    path.write_text("\n".join(["index\tprediction", *lines, ""]), encoding="utf-8")
    print(f"predictions: {path}")


def last_checkpoint(output_dir: str, resume_from: str | None) -> str | None:
    """Find the checkpoint to resume from: the given one, or the newest complete one for "true" and "last".

    `Trainer` writes trainer_state.json last, so a checkpoint without a complete one comes from a run that was killed.

    Raises:
        ValueError: the checkpoint is missing or incomplete.
    """
    if resume_from is None or resume_from.lower() == "false":
        return None
    if resume_from.lower() not in ("true", "last"):
        if not (Path(resume_from) / TRAINER_STATE_NAME).is_file():
            raise ValueError(f"cannot resume from {resume_from}: it has no {TRAINER_STATE_NAME}; give another one")
        if not _is_complete(Path(resume_from)):
            raise ValueError(f"cannot resume from {resume_from}: it was not saved completely; give an earlier one")
        return resume_from
    found = [path for path in Path(output_dir).glob("checkpoint-*") if path.name.partition("-")[2].isdigit()]
    complete = [path for path in found if _is_complete(path)]
    if not complete:
        raise ValueError(f"cannot resume: {output_dir} has no complete checkpoint-… folder; start without resuming")
    newest = max(complete, key=lambda path: int(path.name.partition("-")[2]))
    for path in found:
        if path not in complete:
            print(f"{path} is incomplete and was skipped")
    return str(newest)


def _is_complete(checkpoint: Path) -> bool:
    """Whether trainer_state.json, which is written last, is complete."""
    return "global_step" in _read_json(checkpoint / TRAINER_STATE_NAME)


def _read_json(path: Path) -> dict:
    """Read a JSON object; return {} if the file is missing or incomplete."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}
