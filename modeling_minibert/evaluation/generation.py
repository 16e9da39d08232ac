"""BLEU, chrF, ROUGE and exact match of generated texts with one reference each, as an `evaluate` metric.

The scores are those of sacreBLEU (with its tokenization "13a", for comparison across papers) and rouge_score.
`evaluate.load("sacrebleu")` needs the network; this module works offline.

Sources: BLEU, Papineni et al. 2002, as of Post 2018 (sacreBLEU); chrF, Popović 2015; ROUGE, Lin 2004.
"""

from collections.abc import Sequence

import datasets
import evaluate
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

ROUGE = ("rouge1", "rouge2", "rougeL")


class GenerationMetrics(evaluate.Metric):
    """Scores of texts and references in the same order: `GenerationMetrics().compute(predictions=…, references=…)`.

    Returns `bleu` and `chrf` of the corpus, and `rouge1`, `rouge2`, `rougeL`, mean F1 scores of the texts, all from 0
    to 100; and `exact_match`, the share of texts equal to their reference, from 0 to 1.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="BLEU, chrF, ROUGE and exact match of generated texts.",
            citation="",
            inputs_description="predictions and references: one text each.",
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> dict:
        scorer = RougeScorer(ROUGE)
        rouge = [scorer.score(truth, text) for text, truth in zip(predictions, references, strict=True)]
        return {
            "bleu": BLEU().corpus_score(predictions, [references]).score,
            "chrf": CHRF().corpus_score(predictions, [references]).score,
            **{name: 100 * sum(scores[name].fmeasure for scores in rouge) / len(rouge) for name in ROUGE},
            "exact_match": sum(map(str.__eq__, predictions, references)) / len(references),
        }
