"""Train a sentence encoder or a dual encoder contrastively, and score it beside tf-idf and itself before training.

Three objectives, see `encoder_tasks.py`: `pairs`, `dpr` and `simcse`. Validation chooses the epoch; the test split is
scored once. With `--gradient_cache` a batch may be larger than memory, because it is encoded in chunks.

Sources: Karpukhin et al. 2020 (DPR); Gao, Yao and Chen 2021 (SimCSE); Reimers and Gurevych 2019 (Sentence-BERT); Gao et
al. 2021 (gradient caching).
"""

import json
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer, EarlyStoppingCallback, set_seed

from tokenization import train_tokenizer

from ..configuration_minibert import MiniBertConfig
from ..modeling_minibert import MiniBertModel
from ..training import (
    check_output_folder,
    count_word_vectors,
    end_processes,
    last_checkpoint,
    parse_options,
    prepare_cpu,
    set_word_vectors,
    show_progress_lines,
)
from ..training import script_arguments as base
from .dual_encoder import FOLDERS, DualEncoder
from .encoder_arguments import FROM_SCRATCH, EncoderModelArguments, parse_arguments
from .encoder_card import write_encoder_card
from .encoder_scores import Retrieval, Similarities
from .encoder_tasks import EncoderTask, load_task
from .encoder_trainer import ContrastiveCollator, EncoderTrainer
from .measures import describe_difference, describe_runs, difference, mean_scores
from .sentence_encoder import SentenceEncoder
from .sentence_transformers_folder import EncoderSettings

OURS = ("minibert", "minigpt")
SHOWN = 3  # neighbours of a query that are printed


def build_encoder(args: EncoderModelArguments, task: EncoderTask, max_length: int | None, seed: int) -> DualEncoder:
    """Load the checkpoint, or build a MiniBert with random weights and train a tokenizer on the train texts."""
    changes: dict = {name: value for name, value in (("pooling", args.pooling), ("max_length", max_length)) if value}
    if args.model_name_or_path:
        overrides = args.parse_overrides(FROM_SCRATCH)
        encoder = SentenceEncoder.load(args.model_name_or_path, args.implementation, overrides, **changes)
    else:
        if args.tokenizer_name:
            tokenizer = AutoTokenizer.from_pretrained(args.tokenizer_name)
        else:
            tokenizer = train_tokenizer(task.texts, show_progress=False, **parse_options(args.tokenizer_options))
        fields = base.token_fields(tokenizer, "pad", "mask") | args.parse_overrides(FROM_SCRATCH)
        config = MiniBertConfig.from_preset(args.preset, attn_implementation="packed", **fields)
        tokenizer.model_max_length = config.max_position_embeddings
        model = MiniBertModel(config)
        if args.word_vectors:
            sizes = len(tokenizer), config.hidden_size, tokenizer.all_special_ids
            rows = tokenizer(task.texts, verbose=False)["input_ids"]
            set_word_vectors(model, count_word_vectors(rows, *sizes, seed=seed))
        encoder = SentenceEncoder(model, tokenizer, replace(EncoderSettings(), **changes))
    return DualEncoder(encoder, encoder if args.two_encoders else None, args.similarity)


def evaluate(encoder: DualEncoder, task: Retrieval | Similarities) -> dict[str, float]:
    """Score the encoder on validation: `ndcg`, `mrr` and `recall` (@20), or `spearman` and `pearson`."""
    if isinstance(task, Similarities):
        scores = task.score(task.cosines(encoder))
        return {name: scores[name] for name in ("spearman", "pearson")}
    means = mean_scores(task.score(task.run(encoder)))
    return {"ndcg": means["nDCG@10"], "mrr": means["MRR@10"], "recall": means["recall@20"]}


def build_trainer(encoder: DualEncoder, task: EncoderTask, data_args, args) -> EncoderTrainer:
    """Build the `Trainer`, with our progress lines."""
    negatives = data_args.hard_negatives if data_args.objective == "dpr" else 0
    default = 1.0 if encoder.similarity == "dot" else 0.05
    trainer = EncoderTrainer(
        evaluate_encoder=lambda: evaluate(encoder, task.validation),
        temperature=default if args.temperature is None else args.temperature,
        symmetric=args.symmetric,
        chunk_size=args.gradient_cache,
        model=encoder,
        args=args,
        train_dataset=task.rows,
        eval_dataset=task.rows[:1],  # `evaluate_encoder` has the validation split
        processing_class=encoder.passage_encoder.tokenizer,
        data_collator=ContrastiveCollator(
            encoder, negatives, task.relevant, data_args.objective == "simcse" and data_args.crops, args.seed
        ),
        callbacks=[EarlyStoppingCallback(args.early_stopping_patience)] if args.load_best_model_at_end else None,
    )
    show_progress_lines(trainer)
    return trainer


class Comparison:
    """Scores of tf-idf, BM25 and the encoder before and after training, on the test or else the validation split.

    Args:
        task: of the split.
        with_bm25: whether BM25 takes part.
    """

    def __init__(self, task: Retrieval | Similarities, with_bm25: bool = False):
        self.task = task
        self.scores: dict = {}
        if isinstance(task, Retrieval):
            self.scores["tf-idf"] = task.score(task.run_tfidf())
            if with_bm25:
                self.scores["BM25"] = task.score(task.run_bm25())
        else:
            self.scores["tf-idf"] = task.score(task.cosines_tfidf(), interval=True)

    def add(self, name: str, encoder: DualEncoder) -> None:
        """Score an encoder."""
        if isinstance(self.task, Retrieval):
            self.scores[name] = self.task.score(self.task.run(encoder))
        else:
            self.scores[name] = self.task.score(self.task.cosines(encoder), interval=True)

    def lines(self) -> str:
        """Format the scores, and the differences of the trained encoder to the others."""
        if isinstance(self.task, Similarities):
            return "\n".join(f"  {name}: Spearman {values['spearman']:.3f}" for name, values in self.scores.items())
        trained = self.scores["trained"]
        lines = [describe_runs(self.scores)]
        for name, scores in self.scores.items():
            if name != "trained":
                lines.append(f"  trained against {name}: {describe_difference(trained, scores)}")
        return "\n".join(lines)

    def results(self) -> dict:
        """Collect all means, intervals and differences for all_results.json."""
        if isinstance(self.task, Similarities):
            return dict(self.scores)
        results = {name: mean_scores(scores, interval=True) for name, scores in self.scores.items()}
        for name in [name for name in self.scores if name != "trained"]:
            results[f"trained minus {name}"] = difference(self.scores["trained"], self.scores[name])
        return results


def show_neighbours(encoder: DualEncoder, task: Retrieval, count: int = 6) -> None:
    """Print the nearest documents of a few queries, by the encoder and by tf-idf; ✓ marks a right one."""
    names = list(task.queries)
    names = [names[place] for place in np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)]
    queries = {name: task.queries[name] for name in names}
    part = Retrieval(queries, task.documents, {name: task.qrels[name] for name in names})
    runs = {"encoder": part.run(encoder), "tf-idf": part.run_tfidf()}
    for name, text in queries.items():
        print(f"  {textwrap.shorten(text, 100, placeholder=' …')}")
        for ranker, run in runs.items():
            for document, score in run[name][:SHOWN]:
                mark = "✓" if part.qrels[name].get(document, 0) > 0 else "✗"
                shown = textwrap.shorten(part.documents[document], 80, placeholder=" …")
                print(f"    {ranker:>8} {score:5.2f} {mark} {shown}")


def main(arguments: list[str] | None = None) -> dict:
    """Train, score and save, with these flags or those of the command line; return the results."""
    # 1. Arguments
    model_args, data_args, args = parse_arguments(arguments)
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Data and encoder
    task = load_task(data_args, args.data_seed or 0)
    print(f"data: {task.description}")
    encoder = build_encoder(model_args, task, data_args.max_seq_length, args.seed)
    model = encoder.query_encoder.model
    place = Path(args.output_dir) if encoder.is_shared else Path(args.output_dir) / FOLDERS[0]
    check_output_folder(str(place), model.config, overwrite=bool(checkpoint) or args.overwrite_output_dir)
    length = encoder.passage_encoder.settings.max_length
    size = f"{sum(weight.numel() for weight in encoder.parameters()):,} parameters, reads {length} tokens"
    kind = "one encoder" if encoder.is_shared else "two encoders"
    print(f"model: {kind}, {type(model).__name__}, {size}, on {args.device}")

    # 3. Training, between two scorings of the split that nothing else uses
    comparison = Comparison(task.test or task.validation, data_args.objective == "dpr" or bool(data_args.collection))
    trainer = build_trainer(encoder, task, data_args, args)
    comparison.add("before training", encoder)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=checkpoint)
    seconds = time.monotonic() - started
    comparison.add("trained", encoder)
    print(f"{'test' if task.test else 'validation'} split")
    print(comparison.lines())

    # 4. Save, and show the nearest texts of a few queries
    results = comparison.results() | {"seed": args.seed, "train_seconds": round(seconds, 1)}
    trainer.save_state()
    if trainer.is_world_process_zero():
        save(encoder, comparison, results, model_args, data_args, args, task)
        loaded = DualEncoder.load(args.output_dir)
        if isinstance(comparison.task, Retrieval):
            show_neighbours(loaded, comparison.task)
        print(f"saved to {args.output_dir}; use it: DualEncoder.load({args.output_dir!r}).encode_queries([…])")
    end_processes()
    return results


def save(encoder: DualEncoder, comparison: Comparison, results: dict, model_args, data_args, args, task) -> None:
    """Save the encoder, its scores and its model card."""
    encoder.save(args.output_dir)
    (Path(args.output_dir) / "all_results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    measure = "spearman" if isinstance(comparison.task, Similarities) else "nDCG@10"
    model = encoder.query_encoder.model
    write_encoder_card(
        encoder,
        args.output_dir,
        f"A sentence encoder ({type(model).__name__}) trained with the objective {data_args.objective}.",
        (task.rows[0]["query"], task.rows[0]["positives"][0]),
        {name: f"{measure} {results[name][measure]:.3f}" for name in comparison.scores},
        {
            "start": model_args.model_name_or_path or f"from scratch, preset {model_args.preset}",
            "data": task.description,
            "batch": args.per_device_train_batch_size,
            "learning rate": args.learning_rate,
            "seed": args.seed,
            "seconds": results["train_seconds"],
        },
        needs_code=model.config.model_type in OURS,
    )
