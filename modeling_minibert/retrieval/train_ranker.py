"""Train a cross-encoder that re-ranks the results of BM25 (mini monoBERT), and score it beside BM25 alone.

A pair of question and document is relevant or not. Each relevant document comes with negatives from BM25's results. On
validation questions the epoch is chosen, and the weight of the cross-encoder in the sum with BM25. The test questions
are scored once. With `--folds` every question is a test question once, of a model that has not seen it.

Source: Nogueira and Cho 2019, Passage Re-ranking with BERT (arXiv 1901.04085), section 3; the sum of both scores, Lin
et al. 2021, Pretrained Transformers for Text Ranking (arXiv 2010.06467), section 3.2.2.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    Trainer,
    set_seed,
)

from tokenization import save_tokenizer, train_tokenizer
from tokenization.table_files import TableFormat

from ..configuration_minibert import MiniBertConfig
from ..modeling_minibert import MiniBertForSequenceClassification
from ..training import (
    check_output_folder,
    last_checkpoint,
    load_checkpoint,
    parse_options,
    predict_in_order,
    prepare_cpu,
    show_progress_lines,
)
from ..training import script_arguments as base
from .bm25 import BM25
from .collections import Collection, bundled_collection, load_collection
from .cross_encoder import LOSSES, write_settings
from .measures import describe_difference, describe_runs, difference, mean_scores, score_run, write_run
from .ranker_arguments import (
    FROM_SCRATCH,
    CollectionArguments,
    RankerArguments,
    RankerTrainingArguments,
    parse_arguments,
)
from .ranker_card import write_ranker_card
from .ranker_data import (
    Questions,
    candidate_pairs,
    choose_weight,
    encode,
    fold,
    hold_out,
    mix,
    questions_of,
    rerank_with,
    search_all,
    training_pairs,
)
from .ranking import Run

RUNS = ("bm25", "cross_encoder", "bm25_and_cross_encoder")


@dataclass
class Part:
    """One training: questions to learn from, to choose with, and to score; and where the model is saved."""

    train: Questions
    validation: Questions
    test: Questions
    folder: str


def split_questions(collection: Collection, args: CollectionArguments, folder: str, seed: int) -> list[Part]:
    """Divide the questions as the arguments say: one part, or one per fold."""
    if args.folds:
        questions = questions_of(collection, args.train_split)
        parts = []
        for number in range(args.folds):
            rest, test = fold(questions, args.folds, number, seed)
            train, validation = hold_out(rest, args.validation_fraction, seed)
            parts.append(Part(train, validation, test, f"{folder}/fold-{number}"))
        return parts
    train, test = questions_of(collection, args.train_split), questions_of(collection, args.test_split)
    name = args.validation_split or ("validation" if "validation" in collection.qrels else None)
    if name:
        validation = questions_of(collection, name)
    else:
        train, validation = hold_out(train, args.validation_fraction, seed)
    shared = sorted(set(train.texts) & set(test.texts) | set(validation.texts) & set(test.texts))
    if shared:
        raise ValueError(
            f"{len(shared)} questions of the test split are also in train or validation, the first is "
            f"{shared[0]!r}; give each split other questions, or use --folds"
        )
    return [Part(train, validation, test, folder)]


def build_tokenizer(args: RankerArguments, collection: Collection, train: Questions):
    """Load the tokenizer of the checkpoint, or train one on the documents and the train questions."""
    if name := args.tokenizer_name or args.model_name_or_path:
        return AutoTokenizer.from_pretrained(name)
    texts = [text for text in [*collection.documents(), *train.texts.values()] if text.strip()]
    return train_tokenizer(texts, show_progress=False, **parse_options(args.tokenizer_options))


def build_model(args: RankerArguments, tokenizer) -> PreTrainedModel:
    """Load the checkpoint with a new head, or build a MiniBert with random weights."""
    fields = dict(LOSSES[args.loss])
    labels = fields.pop("num_labels")
    names = ["not relevant", "relevant"] if labels == 2 else ["relevant"]
    fields |= {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    overrides = args.parse_overrides(FROM_SCRATCH)
    if args.model_name_or_path:
        name, kind = args.model_name_or_path, args.implementation
        return load_checkpoint(AutoModelForSequenceClassification, name, kind, overrides, **fields)
    fields |= base.token_fields(tokenizer, "pad", "mask") | overrides
    config = MiniBertConfig.from_preset(args.preset, attn_implementation="packed", **fields)
    tokenizer.model_max_length = config.max_position_embeddings
    return MiniBertForSequenceClassification(config)


class RankerTraining:
    """Train and score a ranker on one part of the questions.

    Args:
        model_args, data_args, args: of the command line.
        collection: the documents.
        index: their BM25 index.
    """

    def __init__(
        self,
        model_args: RankerArguments,
        data_args: CollectionArguments,
        args: RankerTrainingArguments,
        collection: Collection,
        index: BM25,
    ):
        self.model_args, self.data_args, self.args, self.index = model_args, data_args, args, index
        self.collection, self.documents = collection, dict(zip(collection.ids, collection.documents(), strict=True))

    def run(self, part: Part) -> tuple[dict[str, Run], dict]:
        """Train on a part and save the model. Returns the runs of `RUNS` on its test questions, and facts to report."""
        args = copy.copy(self.args)
        args.output_dir = part.folder
        checkpoint = last_checkpoint(part.folder, args.resume_from_checkpoint)
        set_seed(args.seed)
        tokenizer = build_tokenizer(self.model_args, self.collection, part.train)
        model = build_model(self.model_args, tokenizer)
        check_output_folder(part.folder, model.config, overwrite=bool(checkpoint) or args.overwrite_output_dir)
        self.max_length = base.settle_length(tokenizer, model, self.data_args.max_seq_length)
        found = {
            name: search_all(self.index, getattr(part, name), self.data_args.depth) for name in ("validation", "test")
        }
        trainer = self._trainer(part, model, tokenizer, found["validation"], args)
        size = f"{model.num_parameters():,} parameters, reads {self.max_length} tokens"
        pairs = f"{trainer.num_examples(trainer.get_train_dataloader()):,} pairs of {len(part.train)} questions"
        print(f"model: {type(model).__name__}, {size}; {pairs}")
        trained = trainer.train(resume_from_checkpoint=checkpoint)
        trainer.save_model()
        save_tokenizer(tokenizer, part.folder)
        reranked = {name: self._rerank(trainer, getattr(part, name), found[name]) for name in found}
        weight = choose_weight(found["validation"], reranked["validation"], part.validation.qrels)
        runs = (found["test"], reranked["test"], mix(found["test"], reranked["test"], weight))
        write_settings(part.folder, weight)
        seconds = trained.metrics["train_runtime"]
        return dict(zip(RUNS, runs, strict=True)), {"weight": weight, "train_seconds": seconds}

    def _trainer(self, part: Part, model, tokenizer, found: Run, args) -> Trainer:
        """Build the `Trainer`; it is validated by the nDCG@10 of the re-ranked results."""
        negatives, depth = self.data_args.negatives, self.data_args.negatives_depth
        pairs = training_pairs(
            part.train, search_all(self.index, part.train, depth), negatives, args.data_seed or args.seed
        )

        def score(output) -> dict[str, float]:
            run = rerank_with(found, _relevance(output.predictions))
            return {"ndcg": mean_scores(score_run(run, part.validation.qrels, ("nDCG@10",)))["nDCG@10"]}

        trainer = Trainer(
            model=model,
            args=args,
            train_dataset=self._encode(pairs, part.train, tokenizer, model),
            eval_dataset=self._encode(candidate_pairs(found), part.validation, tokenizer, model),
            processing_class=tokenizer,
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=score,
        )
        show_progress_lines(trainer)
        return trainer

    def _encode(self, pairs, questions: Questions, tokenizer, model):
        return encode(pairs, questions, self.documents, tokenizer, self.max_length, model.config.num_labels)

    def _rerank(self, trainer: Trainer, questions: Questions, found: Run) -> Run:
        rows = self._encode(candidate_pairs(found), questions, trainer.processing_class, trainer.model)
        return rerank_with(found, _relevance(predict_in_order(trainer, rows)))


def _relevance(logits: np.ndarray) -> np.ndarray:
    """Logits (rows, 2) or (rows, 1) as one logit of relevance (rows,)."""
    return logits[:, -1] - logits[:, 0] if logits.shape[1] == 2 else logits[:, 0]


def report(runs: Mapping[str, Run], questions: Questions, facts: list[dict]) -> dict:
    """Score the runs on all test questions, print them beside BM25, and return the results."""
    scores = {name: score_run(run, questions.qrels) for name, run in runs.items()}
    print(f"{len(questions):,} test questions")
    print(describe_runs({name.replace("_", " "): values for name, values in scores.items()}))
    results: dict = {"questions": len(questions), "parts": facts}
    for name in RUNS:
        results[name] = mean_scores(scores[name], interval=True)
        if name != "bm25":
            print(f"  {name.replace('_', ' ')} against bm25: {describe_difference(scores[name], scores['bm25'])}")
            results[f"{name}_minus_bm25"] = difference(scores[name], scores["bm25"])
    return results


def write_cards(training: "RankerTraining", parts: list[Part], results: dict) -> None:
    """Write a model card into the folder of every part."""
    model_args, data_args, args = training.model_args, training.data_args, training.args
    for part, fact in zip(parts, results["parts"], strict=True):
        name = next(iter(part.test.texts))
        document = max(part.test.qrels[name], key=lambda document: part.test.qrels[name][document])
        settings = {
            "start": model_args.model_name_or_path or f"from scratch, preset {model_args.preset}",
            "collection": Path(training.collection.name).name,
            "questions": f"{len(part.train):,} to train, {len(part.validation):,} to choose the weight",
            "negatives for each relevant document": data_args.negatives,
            "loss": model_args.loss,
            "learning rate": args.learning_rate,
            "epochs": args.num_train_epochs,
            "seed": args.seed,
            "seconds": f"{fact['train_seconds']:.0f}",
        }
        summary = "A cross-encoder that re-ranks the results of BM25"
        summary += (
            f", one of {len(parts)} of a cross-validation; the scores are those of all." if len(parts) > 1 else "."
        )
        example = part.test.texts[name], training.documents[document]
        write_ranker_card(part.folder, summary, example, results, fact["weight"], training.max_length, settings)


def main(arguments: list[str] | None = None) -> dict:
    """Train, score and save, with these flags or those of the command line; return the results."""
    model_args, data_args, args = parse_arguments(arguments)
    set_seed(args.seed)
    prepare_cpu()
    collection = load_collection(data_args.collection or bundled_collection(), layout=TableFormat(**data_args.layout))
    print(f"{collection.name}: {collection.describe()}")
    parts = split_questions(collection, data_args, args.output_dir, args.data_seed or 0)
    index = BM25(collection.documents(), collection.ids, data_args.k1, data_args.b)
    training = RankerTraining(model_args, data_args, args, collection, index)
    runs: dict[str, Run] = {name: {} for name in RUNS}
    facts = []
    for part in parts:
        found, fact = training.run(part)
        facts.append(fact)
        for name in RUNS:
            runs[name] |= found[name]
    texts, qrels = (
        {key: value for part in parts for key, value in getattr(part.test, name).items()} for name in ("texts", "qrels")
    )
    results = report(runs, Questions(texts, qrels), facts)
    for name in RUNS:
        write_run(runs[name], Path(args.output_dir) / f"{name}.run", name)
    results |= {"depth": data_args.depth, "seed": args.seed}
    (Path(args.output_dir) / "all_results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    write_cards(training, parts, results)
    print(f"saved to {parts[0].folder}; use it: pipeline('text-ranking', {parts[0].folder!r})")
    return results
