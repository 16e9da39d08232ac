"""The pipeline `text2text-generation`, which transformers 5 removed, for any encoder–decoder.

    pipeline("text2text-generation", folder)("saya suka film ini")        [{"generated_text": "i like this film"}]
    pipeline("text2text-generation", folder)([one, another], batch_size=8, num_beams=4, return_tensors=True)

Arguments and outputs are those of version 4, for our models and the stock ones (Marian, BART, T5, …); what is new:
source and target may have a tokenizer each, and empty or overlong texts are refused. `pipeline_translation.py` and
`pipeline_summarization.py` add what is theirs.
"""

import logging
from pathlib import Path

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.pipelines.base import Pipeline

from .generation import check_beams
from .limits import position_limit
from .pipeline_common import SavedPipeline, given, is_several

logger = logging.getLogger(__name__)

TARGET_TOKENIZER = "target_tokenizer"  # the sub-folder of a separate target tokenizer

# As in version 4, where neither the call nor the model says more.
DEFAULT_MAX_NEW_TOKENS, DEFAULT_NUM_BEAMS = 256, 4


class Text2TextGenerationPipeline(SavedPipeline, Pipeline):
    """Generate a text for each input text.

    Args of the pipeline, in addition to those of all pipelines (model, tokenizer, device, batch_size, …):
        target_tokenizer: reads the ids that the model writes; the one in the model's folder that its
            `config.target_tokenizer` names where not given, else the tokenizer itself.

    Args of a call (or of the pipeline, for all calls):
        texts: a text, a list of them, or a generator or Dataset that yields them.
        return_text: whether results have the text; without `return_tensors` always.
        return_tensors: whether results have the token ids, of which shorter ones of a batch end in padding; then there
            is no text, unless asked for.
        clean_up_tokenization_spaces: join ` n't` and ` .` to the words before, as `tokenizer.decode` does.
        truncation: cut a source that is longer than the model reads, which otherwise is an error.
        stop_sequence: stop at this token instead of the end-of-sequence token; of several tokens, at the first.
        Everything else goes to `model.generate`: max_length, min_length, num_beams, num_return_sequences, …
        What is not given is taken from the task's entry in `config.task_specific_params`, then from the model's
        generation config, then 4 beams and at most 256 tokens; a `generation_config` that is given replaces all these.

    Returns:
        For a text a list of results, one for each of `num_return_sequences`; for a list of texts a list of results, or
        of such lists where there are several for a text; for a generator or Dataset an iterator of lists. A result is a
        dict with `generated_text` and/or `generated_token_ids` ((L,) int64).

    Raises:
        ValueError: the model is not an encoder–decoder; the tokenizer is missing or of another model; a text is empty
            or not a string, or too long for the model; fewer than one beam.
    """

    _load_tokenizer = True
    _load_processor = _load_image_processor = _load_video_processor = _load_feature_extractor = False
    default_task = "text2text-generation"
    auto_model = AutoModelForSeq2SeqLM
    output_name = "generated"

    def __init__(self, model, tokenizer=None, target_tokenizer=None, task: str = "", **kwargs):
        task = task or self.default_task
        if not (getattr(model.config, "is_encoder_decoder", False) and model.can_generate()):
            raise ValueError(
                f"{task} needs an encoder–decoder that generates (AutoModelForSeq2SeqLM), got "
                f"{type(model).__name__} of the type {model.config.model_type!r}"
            )
        if tokenizer is None:
            raise ValueError(f"{task} needs a tokenizer; pass tokenizer=, or a folder that has one")
        self.target_tokenizer = target_tokenizer or _load_target_tokenizer(model) or tokenizer
        self.task_params = dict((getattr(model.config, "task_specific_params", None) or {}).get(task, {}))
        self.prefix = self.task_params.pop("prefix", None) or getattr(model.config, "prefix", None) or ""
        self.max_positions = position_limit(model)
        super().__init__(model=model, tokenizer=tokenizer, task=task, **kwargs)

    def __call__(self, texts, **kwargs):
        """Generate a text for each input; see the class."""
        if is_several(texts):
            texts = list(texts)
            for place, text in enumerate(texts):
                check_text(text, f"text {place}")
            results = super().__call__(texts, **kwargs) if texts else []
            several = any(len(of_one) != 1 for of_one in results)
            return results if several else [result for [result] in results]
        return super().__call__(texts, **kwargs)

    def _sanitize_parameters(
        self,
        return_tensors: bool | None = None,
        return_text: bool | None = None,
        clean_up_tokenization_spaces: bool | None = None,
        truncation: bool | str | None = None,
        stop_sequence: str | None = None,
        **generate_kwargs,
    ) -> tuple[dict, dict, dict]:
        """Sort the arguments of a call: for `preprocess`, for `generate`, for `postprocess`."""
        if stop_sequence is not None:
            generate_kwargs["eos_token_id"] = self._first_token(stop_sequence)
        check_beams(generate_kwargs.get("num_beams"))
        postprocess = given(
            return_tensors=return_tensors,
            return_text=return_text,
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
        )
        wanted = getattr(self, "_postprocess_params", {}) | postprocess  # with what was said when the pipeline was made
        if wanted.get("return_text") is False and not wanted.get("return_tensors"):
            raise ValueError("return_text=False and return_tensors=False leave nothing to return; set one of them")
        return given(truncation=truncation), generate_kwargs, postprocess

    def _first_token(self, text: str) -> int:
        ids = self.target_tokenizer(text, add_special_tokens=False)["input_ids"]
        if not ids:
            raise ValueError(f"stop_sequence {text!r} has no token")
        if len(ids) > 1:
            logger.warning("stop_sequence %r has %d tokens; generation stops at the first of them", text, len(ids))
        return ids[0]

    def preprocess(self, text: str, truncation: bool | str = False):
        """Encode one text: tensors (1, L)."""
        check_text(text)
        return self._encode(self.prefix + text, truncation)

    def _encode(self, text: str, truncation, encode=None, **kwargs):
        """Call the tokenizer (or `encode`), and refuse an input that is too long for the model."""
        cut = truncation not in (None, False, "do_not_truncate")
        if cut and self.max_positions is not None:
            # A tokenizer may not know how much the model reads.
            kwargs["max_length"] = min(self.max_positions, self.tokenizer.model_max_length)
        inputs = (encode or self.tokenizer)(text, truncation=truncation, return_tensors="pt", **kwargs)
        inputs.pop("token_type_ids", None)  # some tokenizers make them, no encoder–decoder reads them
        self._check_ids(inputs["input_ids"][0], text)
        return inputs

    def _check_ids(self, ids: torch.Tensor, text: str) -> None:
        """Raise a ValueError for ids (L,) that are too many, too large, or none."""
        name, known = type(self.model).__name__, len(self.model.get_input_embeddings().weight)
        if not len(ids):
            raise ValueError(f"the tokenizer makes no token of the text {text[:60]!r}; leave it out")
        if self.max_positions is not None and len(ids) > self.max_positions:
            raise ValueError(
                f"the text has {len(ids)} tokens, but {name} has {self.max_positions} positions; "
                f"cut it with truncation=True, or split it: {text[:60]!r}…"
            )
        largest = int(ids.max())
        if largest >= known:
            raise ValueError(
                f"the token {self.tokenizer.convert_ids_to_tokens(largest)!r} has the id {largest}, but {name} knows "
                f"{known:,} tokens; load the tokenizer that was saved with the model"
            )

    def _forward(self, model_inputs, **generate_kwargs):
        settings = self._settings(generate_kwargs)
        rows, length = model_inputs["input_ids"].shape
        chosen = settings.get("generation_config", self.model.generation_config).to_diff_dict() | settings
        self.check_lengths(length, chosen.get("min_length"), chosen.get("max_new_tokens") or chosen.get("max_length"))
        outputs = self.model.generate(**model_inputs, **settings)
        ids = outputs if isinstance(outputs, torch.Tensor) else outputs.sequences  # return_dict_in_generate
        return {"output_ids": ids.reshape(rows, len(ids) // rows, ids.shape[1])}

    def _settings(self, generate_kwargs: dict) -> dict:
        """The arguments of `generate` that differ from the model's generation config."""
        if "generation_config" in generate_kwargs:
            return generate_kwargs
        settings = self.task_params | generate_kwargs
        known = self.model.generation_config.to_diff_dict() | settings
        if known.get("max_new_tokens") is None and known.get("max_length") is None:
            positions = self.max_positions or DEFAULT_MAX_NEW_TOKENS + 1  # of which the first is the start token's
            settings["max_new_tokens"] = min(DEFAULT_MAX_NEW_TOKENS, positions - 1)
        if known.get("num_beams") is None:
            settings["num_beams"] = DEFAULT_NUM_BEAMS
        return settings

    def check_lengths(self, input_length: int, min_length: int | None, max_length: int | None) -> None:
        """Hook: warn about implausible lengths (no-op here)."""

    def postprocess(
        self,
        model_outputs,
        return_tensors: bool = False,
        return_text: bool | None = None,
        clean_up_tokenization_spaces: bool = False,
    ) -> list[dict]:
        """Decode the generated ids of one text, (1, num_return_sequences, L)."""
        results = []
        for ids in model_outputs["output_ids"][0]:
            result = {f"{self.output_name}_token_ids": ids} if return_tensors else {}
            if return_text or not return_tensors:
                result[f"{self.output_name}_text"] = self.target_tokenizer.decode(
                    ids, skip_special_tokens=True, clean_up_tokenization_spaces=clean_up_tokenization_spaces
                )
            results.append(result)
        return results

    def save_pretrained(self, save_directory, **kwargs):
        """Save model, tokenizers and the code of the pipeline."""
        if self.target_tokenizer is not self.tokenizer:
            self.model.config.target_tokenizer = TARGET_TOKENIZER
            self.target_tokenizer.save_pretrained(Path(save_directory) / TARGET_TOKENIZER)
        return super().save_pretrained(save_directory, **kwargs)


def check_text(text, name: str = "the text") -> None:
    """Raise a ValueError for an input that is not a string, or is blank."""
    if not isinstance(text, str):
        raise ValueError(f"{name} must be a string, got {type(text).__name__}: {text!r:.80}")
    if not text.strip():
        raise ValueError(f"{name} is empty ({text!r:.20}); leave it out, there is nothing to read")


def _load_target_tokenizer(model):
    """Load the target tokenizer from the sub-folder named in the configuration, if there is one."""
    subfolder = getattr(model.config, "target_tokenizer", None)
    if subfolder is None:
        return None
    revision = getattr(model.config, "_commit_hash", None)
    try:
        return AutoTokenizer.from_pretrained(model.name_or_path, subfolder=subfolder, revision=revision or "main")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"config.target_tokenizer is {subfolder!r}, but {model.name_or_path!r} has no tokenizer in a sub-folder of "
            f"that name; pass target_tokenizer="
        ) from error
