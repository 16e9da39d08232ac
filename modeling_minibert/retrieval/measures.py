"""Scores of rankings: MRR@10, nDCG@10 and recall, per question, with bootstrap intervals.

    scores = score_run(run, qrels)
    mean_scores(scores, interval=True)
    difference(scores, baseline)

MRR@10 is 1 / rank of the first relevant document, nDCG@10 weighs grades by rank, recall@k is the share of the relevant
documents among the first k. ir-measures computes them as trec_eval does; a question without a ranking scores 0.

Source: Järvelin and Kekäläinen 2002 (nDCG); MacAvaney et al. 2022, ir-measures; Sakai 2006 (bootstrap over questions).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..evaluation.bootstrap import bootstrap_interval
from .collections import Qrels
from .ranking import Ranking, as_scores

MEASURES = ("MRR@10", "nDCG@10", "recall@20", "recall@100")

Scores = dict[str, dict[str, float]]  # measure → question id → value


def score_run(run: Mapping[str, Ranking], qrels: Qrels, measures: Sequence[str] = MEASURES) -> Scores:
    """Score every judged question of a run.

    The order of the ranking decides; equal scores stay in that order. Grades below 0 count as 0.

    Args:
        run: question id → documents, best first.
        qrels: question id → document id → grade.
        measures: names of the kinds MRR@k, nDCG@k and recall@k.

    Raises:
        ValueError: no judged question, a question of the run without judgements, an unknown measure.
    """
    if not qrels:
        raise ValueError("there are no judgements to score with; give at least one question a relevant document")
    unknown = sorted(set(run) - set(qrels))
    if unknown:
        raise ValueError(
            f"the run has {len(unknown)} questions without judgements, the first is {unknown[0]!r}; score "
            "the questions of the split alone"
        )
    objects = {_measure(name): name for name in measures}
    grades = {query: {name: max(0, grade) for name, grade in row.items()} for query, row in qrels.items()}
    scores: Scores = {name: dict.fromkeys(qrels, 0.0) for name in measures}
    for value in _library().iter_calc(list(objects), grades, as_scores(run)):
        scores[objects[value.measure]][value.query_id] = float(value.value)
    return scores


def mean_scores(scores: Scores, interval: bool = False) -> dict:
    """Average over the questions; with `interval` also the 95 % bootstrap interval, as `nDCG@10_interval`."""
    means: dict = {name: float(np.mean(list(values.values()))) for name, values in scores.items()}
    for name, values in scores.items() if interval else ():
        column = np.array(list(values.values()))
        means[f"{name}_interval"] = bootstrap_interval(_mean_difference, column, 0 * column)
    return means


def difference(scores: Scores, baseline: Scores) -> dict[str, dict]:
    """Compare two runs question by question: a paired bootstrap of the mean difference.

    Returns:
        measure → the difference, its 95 % interval, and the numbers of questions that are better and worse.

    Raises:
        ValueError: the runs were scored on different questions.
    """
    result = {}
    for name, values in scores.items():
        other = baseline[name]
        if values.keys() != other.keys():
            raise ValueError(
                f"the runs have scores of {len(values)} and {len(other)} questions, "
                f"{len(values.keys() & other.keys())} of them in both; score the same questions"
            )
        mine, theirs = (np.array([column[query] for query in values]) for column in (values, other))
        result[name] = {
            "difference": float(np.mean(mine - theirs)),
            "interval": bootstrap_interval(_mean_difference, mine, theirs),
            "better": int((mine > theirs).sum()),
            "worse": int((mine < theirs).sum()),
        }
    return result


def write_run(run: Mapping[str, Ranking], path: str | Path, name: str) -> None:
    """Write a run as TREC does, `question Q0 document rank score name` per line; trec_eval and ir-measures read it."""
    lines = [
        f"{query} Q0 {document} {rank} {score:.6g} {name}\n"
        for query, ranking in run.items()
        for rank, (document, score) in enumerate(ranking, start=1)
    ]
    Path(path).write_text("".join(lines), encoding="utf-8")


def describe_runs(rows: Mapping[str, Scores], measures: Sequence[str] = MEASURES) -> str:
    """Format a table: a line per run, with its mean scores."""
    width = max(len(name) for name in rows)
    lines = [" " * (width + 2) + "".join(f"{name:>12}" for name in measures)]
    for name, scores in rows.items():
        means = mean_scores(scores)
        lines.append(f"  {name:<{width}}" + "".join(f"{means[measure]:12.3f}" for measure in measures))
    return "\n".join(lines)


def describe_difference(scores: Scores, baseline: Scores, measure: str = "nDCG@10") -> str:
    """Format the difference of two runs in one measure, with its interval."""
    found = difference({measure: scores[measure]}, {measure: baseline[measure]})[measure]
    low, high = found["interval"]
    return (
        f"{measure} {found['difference']:+.3f} (95 % interval {low:+.3f} to {high:+.3f}); {found['better']} questions "
        f"better, {found['worse']} worse"
    )


def _mean_difference(values: np.ndarray, others: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    return float(np.average(values - others, weights=sample_weight))


def _library():
    """Import ir-measures, which is an extra of this package."""
    try:
        import ir_measures
    except ImportError as error:
        raise ImportError("scores of rankings need ir-measures; install it: pip install minibert[search]") from error
    return ir_measures


def _measure(name: str):
    """Return the object of ir-measures for a name as MRR@10."""
    kind, _, cutoff = name.partition("@")
    kinds = {"MRR": "RR", "nDCG": "nDCG", "recall": "R"}
    if kind not in kinds or not cutoff.isdigit() or int(cutoff) < 1:
        raise ValueError(f"unknown measure {name!r}; give MRR@k, nDCG@k or recall@k, with a number for k")
    return getattr(_library(), kinds[kind]) @ int(cutoff)
