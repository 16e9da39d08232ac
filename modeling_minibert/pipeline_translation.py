"""The pipeline `translation`, which transformers 5 removed, for any encoder–decoder.

    pipeline("translation", folder)("kamu datang dengan mobil")         [{"translation_text": "you come with a car"}]
    pipeline("translation_de_to_en", folder)                            the languages in the name of the task
    pipeline("translation", "facebook/nllb-200-distilled-600M")(text, src_lang="deu_Latn", tgt_lang="eng_Latn")

All else is in `pipeline_text2text_generation.py`.
"""

import logging

from .pipeline_common import given
from .pipeline_text2text_generation import Text2TextGenerationPipeline, check_text
from .transformers_internals import knows_languages, translation_encoder

logger = logging.getLogger(__name__)


class TranslationPipeline(Text2TextGenerationPipeline):
    """Translate texts: `Text2TextGenerationPipeline` with the output keys `translation_text`, `translation_token_ids`.

    The task `translation_xx_to_yy` uses the parameters of that name in `config.task_specific_params` (T5's prefix), and
    means src_lang="xx", tgt_lang="yy".

    More args of a call:
        src_lang, tgt_lang: the languages, where the tokenizer knows several (mBART, M2M100, NLLB, …); others ignore
            them.
    """

    default_task = "translation"
    output_name = "translation"

    def _sanitize_parameters(self, src_lang: str | None = None, tgt_lang: str | None = None, **kwargs):
        preprocess, forward, postprocess = super()._sanitize_parameters(**kwargs)
        return preprocess | given(src_lang=src_lang, tgt_lang=tgt_lang), forward, postprocess

    def preprocess(self, text: str, truncation: bool | str = False, src_lang=None, tgt_lang=None):
        """Encode one text: tensors (1, L); for a tokenizer of many languages also the token the target begins with."""
        if not knows_languages(self.tokenizer):
            return super().preprocess(text, truncation)
        check_text(text)
        words = self.task.split("_")
        if len(words) == 4:  # translation, xx, to, yy
            src_lang, tgt_lang = src_lang or words[1], tgt_lang or words[3]
        if src_lang is None or tgt_lang is None:
            raise ValueError(
                f"{type(self.tokenizer).__name__} knows several languages, got src_lang={src_lang!r} and "
                f"tgt_lang={tgt_lang!r}; pass both"
            )
        return self._encode(text, truncation, translation_encoder(self.tokenizer, src_lang, tgt_lang))

    def _forward(self, model_inputs, **generate_kwargs):
        first = model_inputs.get("forced_bos_token_id")
        if isinstance(first, list):  # one for each text of a batch, all equal
            model_inputs["forced_bos_token_id"] = first[0]
        return super()._forward(model_inputs, **generate_kwargs)

    def check_lengths(self, input_length: int, min_length: int | None, max_length: int | None) -> None:
        """Warn about a length limit that is close to the length of the source."""
        if max_length is not None and input_length > 0.9 * max_length:
            logger.warning(
                "the source has %d tokens and its translation may have %d; consider a larger max_new_tokens",
                input_length,
                max_length,
            )
