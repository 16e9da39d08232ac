"""Scores of generated texts against one reference each: BLEU, chrF, ROUGE, exact match, as an `evaluate` metric.

The counting is sacreBLEU's (with its own tokenization, "13a", so that figures compare across papers) and
rouge_score's. `evaluate.load("sacrebleu")` needs the network; this module needs none.

Sources: BLEU, Papineni et al. 2002, as of Post 2018 (sacreBLEU); chrF, Popović 2015; ROUGE, Lin 2004.
"""

from collections.abc import Sequence

import datasets
import evaluate
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

ROUGE = ("rouge1", "rouge2", "rougeL")


class GenerationMetrics(evaluate.Metric):
    """`GenerationMetrics().compute(predictions=[…], references=[…])`, texts of one language in the same order.

    Returns `bleu` and `chrf`, of the whole corpus, and `rouge1`, `rouge2`, `rougeL`, means of the texts' F1 scores, all
    from 0 to 100 as papers have them; and `exact_match`, the share of texts that are their reference, 0 to 1.
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
