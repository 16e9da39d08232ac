"""The pipeline `summarization`, which transformers 5 removed, for any encoder–decoder.

    pipeline("summarization", folder)(article, min_length=5, max_length=30)     [{"summary_text": "…"}]

All else is in `pipeline_text2text_generation.py`.
"""

import logging

from .pipeline_text2text_generation import Text2TextGenerationPipeline

logger = logging.getLogger(__name__)


class SummarizationPipeline(Text2TextGenerationPipeline):
    """Summarize texts: `Text2TextGenerationPipeline` with the output keys `summary_text` and `summary_token_ids`."""

    default_task = "summarization"
    output_name = "summary"

    def check_lengths(self, input_length: int, min_length: int | None, max_length: int | None) -> None:
        """Warn about a summary that may be longer than its source."""
        if max_length is None:
            return
        if min_length is not None and max_length < min_length:
            logger.warning("min_length (%d) is above max_length (%d)", min_length, max_length)
        if input_length < max_length:
            logger.warning(
                "the summary may have %d tokens, but its source has only %d; consider max_new_tokens=%d",
                max_length,
                input_length,
                input_length // 2,
            )
