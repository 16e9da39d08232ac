"""Classify long texts in overlapping windows, and average the scores.

    pipeline("windowed-text-classification", folder)(review)

The stock `sentiment-analysis` pipeline reads the first window alone. This one has the same arguments and the same
output format, for any sequence classifier, ours or stock.
"""

from transformers import TextClassificationPipeline
from transformers.pipelines.base import ChunkPipeline


class WindowedTextClassificationPipeline(ChunkPipeline, TextClassificationPipeline):
    """`TextClassificationPipeline` over all windows of a text.

    Additional arguments of a call:
        stride: tokens that two neighbouring windows share; half a window by default.
        max_length: tokens in a window; the tokenizer's `model_max_length` by default.
    """

    def preprocess(self, inputs, stride: int | None = None, max_length: int | None = None, **tokenizer_kwargs):
        """Yield one model input per window; of a pair, only the first text is split."""
        for name in ("truncation", "padding", "return_tensors"):  # overrides those of the stock pipeline
            tokenizer_kwargs.pop(name, None)
        texts = inputs if isinstance(inputs, dict) else {"text": inputs}
        max_length = max_length or min(self.tokenizer.model_max_length, self.model.config.max_position_embeddings)
        truncation = "only_first" if "text_pair" in texts else True
        if stride is None:
            other = self.tokenizer(texts.get("text_pair") or "", add_special_tokens=False)["input_ids"]
            special = self.tokenizer.num_special_tokens_to_add(pair="text_pair" in texts)
            stride = max(0, (max_length - special - len(other)) // 2)
        encoding = self.tokenizer(
            **texts,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            return_overflowing_tokens=True,
            **tokenizer_kwargs,
        )
        encoding.pop("overflow_to_sample_mapping")
        windows = len(encoding["input_ids"])
        for index in range(windows):
            window = {name: values[index : index + 1] for name, values in encoding.items()}
            yield {"is_last": index == windows - 1, **self.tokenizer.pad(window, return_tensors="pt")}

    def _forward(self, model_inputs):
        is_last = model_inputs.pop("is_last")
        return {"is_last": is_last, "logits": TextClassificationPipeline._forward(self, model_inputs)["logits"]}

    def postprocess(self, model_outputs, function_to_apply=None, top_k=1, _legacy=True):
        """Average the score of each label over the windows, and sort the labels by it."""
        totals: dict[str, float] = {}
        for output in model_outputs:
            scores = TextClassificationPipeline.postprocess(self, output, function_to_apply, top_k=None, _legacy=False)
            for score in scores:
                totals[score["label"]] = totals.get(score["label"], 0.0) + score["score"]
        ranked = [{"label": label, "score": total / len(model_outputs)} for label, total in totals.items()]
        ranked.sort(key=lambda score: score["score"], reverse=True)
        if top_k == 1 and _legacy:
            return ranked[0]
        return ranked[:top_k]
