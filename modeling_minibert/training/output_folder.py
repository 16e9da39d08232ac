"""The output folder of a training run: is it safe to write into, and where did the last run stop?"""

import json
from pathlib import Path

from transformers import PreTrainedConfig
from transformers.trainer import TRAINER_STATE_NAME

# Two configurations that agree on these describe the same model: its weights fit and mean the same.
IDENTITY = (
    "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "head_dim",
    "intermediate_size", "hidden_act", "max_position_embeddings", "position_embedding_type", "type_vocab_size",
    "norm_position", "norm_type", "attention_bias", "embedding_norm", "scale_embedding", "classifier_pooling",
    "classifier_hidden_size", "id2label",
)  # fmt: skip


def check_output_folder(output_dir: str, config, class_name: str | None = None) -> None:
    """Refuse to train into a folder that holds a different model, before anything of it is lost.

    Args:
        output_dir: where the run will save.
        config: the configuration of the model that will be saved.
        class_name: its class; none: models of other classes may be written over.

    Raises:
        ValueError: the folder holds a model that differs; names the field and both values.
    """
    # A run that was interrupted has left checkpoints only; what one that was killed has left may be half a file.
    places = [Path(output_dir), *Path(output_dir).glob("checkpoint-*")]
    saved = next(filter(None, (_read_fields(place / "config.json") for place in places)), None)
    if saved is None:
        return
    # A saved configuration leaves out what is as in every PreTrainedConfig, such as two unnamed labels.
    # Through json, so that both sides have strings for keys.
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


def last_checkpoint(output_dir: str, asked: str | None) -> str | None:
    """The checkpoint to resume from: `asked` itself, or the newest in `output_dir` where `asked` is "true" or "last".

    A run may be killed while it saves. `Trainer` writes trainer_state.json last, so a checkpoint without a whole one
    is not complete; the newest that is complete counts.

    Raises:
        ValueError: a checkpoint was asked for and there is none, or it is not complete.
    """
    if asked is None or asked.lower() == "false":
        return None
    if asked.lower() not in ("true", "last"):
        if not (Path(asked) / TRAINER_STATE_NAME).is_file():
            raise ValueError(f"cannot resume from {asked}: it has no {TRAINER_STATE_NAME}")
        if not _is_complete(Path(asked)):
            raise ValueError(f"cannot resume from {asked}: it was not saved to its end; take an earlier one")
        return asked
    found = [path for path in Path(output_dir).glob("checkpoint-*") if path.name.partition("-")[2].isdigit()]
    complete = [path for path in found if _is_complete(path)]
    if not complete:
        raise ValueError(f"cannot resume: {output_dir} has no complete checkpoint-… folder")
    newest = max(complete, key=lambda path: int(path.name.partition("-")[2]))
    for path in found:
        if path not in complete:
            print(f"{path} was not saved to its end; left aside")
    return str(newest)


def _is_complete(checkpoint: Path) -> bool:
    """Whether the file that is written last is there and whole."""
    return "global_step" in _read_fields(checkpoint / TRAINER_STATE_NAME)


def _read_fields(path: Path) -> dict:
    """What a JSON file holds; {} where there is none, or one that was not written to its end."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # of json, and of half a character
        return {}
    return fields if isinstance(fields, dict) else {}
