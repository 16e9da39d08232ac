"""Train a sentence encoder or a dual encoder contrastively, and score it beside tf-idf and itself before training.

Three objectives, see `encoder_tasks.py`: `pairs`, `dpr` and `simcse`. Validation chooses the epoch; the test split is
scored once. With `--gradient_cache` a batch may be larger than memory, because it is encoded in chunks.

Sources: Karpukhin et al. 2020 (DPR); Gao, Yao and Chen 2021 (SimCSE); Reimers and Gurevych 2019 (Sentence-BERT); Gao et
al. 2021 (gradient caching).
"""

import json
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer, EarlyStoppingCallback, set_seed
from transformers.hf_argparser import HfArg

from tokenization import train_tokenizer

from ..configuration_minibert import MiniBertConfig
from ..modeling_minibert import MiniBertModel
from ..training import (
    IMPLEMENTATIONS,
    AnyDeviceArguments,
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
from .encoder_card import write_encoder_card
from .encoder_scores import Retrieval, Similarities
from .encoder_tasks import OBJECTIVES, EncoderTask, bundled_files, load_task
from .encoder_trainer import ContrastiveCollator, EncoderTrainer
from .measures import describe_difference, describe_runs, difference, mean_scores
from .sentence_encoder import SentenceEncoder
from .sentence_transformers_folder import POOLINGS, SIMILARITIES, EncoderSettings

OURS = ("minibert", "minigpt")
FROM_SCRATCH = "max_position_embeddings=128"
SHOWN = 3  # neighbours of a query that are printed


@dataclass
class EncoderModelArguments(base.CheckpointArguments):
    """The model to train."""

    config_overrides: str | None = base.overrides_argument(FROM_SCRATCH)
    tokenizer_name: str | None = base.tokenizer_argument()
    tokenizer_options: str | None = HfArg(
        default=None, help="from scratch: arguments of tokenization.train_tokenizer; none: 8,000 pieces of WordPiece"
    )
    implementation: str | None = HfArg(
        default=None,
        help="mini: train a BERT checkpoint as our class, packed; stock: as the class of transformers; none: as saved",
        metadata={"choices": IMPLEMENTATIONS},
    )
    word_vectors: bool = HfArg(default=False, help="from scratch: start from word vectors counted from the train text")
    pooling: str | None = HfArg(
        default=None,
        help="how token vectors become one; none: as the checkpoint says, or mean",
        metadata={"choices": POOLINGS},
    )
    similarity: str | None = HfArg(
        default=None,
        help="cosine: vectors of unit length; dot: as they are, as DPR; none: as the checkpoint says, or cosine",
        metadata={"choices": SIMILARITIES},
    )
    two_encoders: bool = HfArg(default=False, help="one encoder for queries and one for passages, from one start")


@dataclass
class EncoderDataArguments(base.TestedFileArguments):
    """The objective and its data."""

    objective: str = HfArg(
        default="pairs",
        help="pairs: two texts belong together; dpr: questions and passages; simcse: text alone",
        metadata={"choices": list(OBJECTIVES)},
    )
    text_column_name: str = HfArg(default="text", help="pairs, simcse: the column of the (first) text")
    text_pair_column_name: str = HfArg(default="text_pair", help="pairs: the column of the second text")
    group_column_name: str | None = HfArg(
        default=None, help="pairs: a column in place of second texts; texts with the same cell belong together"
    )
    score_column_name: str | None = HfArg(default=None, help="pairs: a column of similarities, for a regression")
    score_scale: float = HfArg(default=1.0, help="pairs: the largest similarity in the column, 5 for STS")
    collection: str | None = HfArg(
        default=None,
        help="folder with corpus, queries and qrels; dpr trains on it (none: the bundled one), the others test on it, "
        "and simcse takes its documents if there is no other text",
    )
    train_split: str = HfArg(default="train", help="dpr: judgements to train on")
    validation_split: str | None = HfArg(
        default=None, help="dpr: judgements that choose the epoch; none: those called validation, or a part of train"
    )
    test_split: str = HfArg(default="test", help="judgements of the collection that are scored once")
    folds: int | None = HfArg(default=None, help="dpr: divide the questions of --train_split; none: no folds")
    fold: int = HfArg(default=0, help="dpr: the number of the fold that is the test split")
    validation_fraction: float = HfArg(default=0.1, help="share of train set apart if there is no validation split")
    hard_negatives: int = HfArg(default=1, help="dpr: results of BM25 beside each positive")
    negatives_depth: int = HfArg(default=50, help="dpr: they are drawn from this many results")
    max_seq_length: int | None = HfArg(default=None, help="tokens; none: as many as the model reads")


@dataclass
class EncoderTrainingArguments(base.FineTuningRunArguments, AnyDeviceArguments):
    """Training arguments with the defaults of this script."""

    output_dir: str = "out/encoder"
    logging_steps: float = 0.1
    per_device_train_batch_size: int = HfArg(default=32, help="rows per update; all others are negatives of a row")
    dataloader_drop_last: bool = HfArg(default=True, help="leave out a last batch with fewer negatives")
    load_best_model_at_end: bool = HfArg(default=True, help="end with the best epoch, not the last")
    metric_for_best_model: str = HfArg(
        default="ndcg", help="the validation score that chooses the best epoch: ndcg, mrr, recall or spearman"
    )
    early_stopping_patience: int = HfArg(default=10, help="stop after this many epochs without a better one")
    temperature: float | None = HfArg(default=None, help="what scores are divided by; none: 0.05, for dot 1")
    symmetric: bool = HfArg(default=False, help="also find the query of each positive")
    gradient_cache: int | None = HfArg(default=None, help="passages encoded at once; none: the whole batch")


def parse_arguments(
    arguments: list[str] | None = None,
) -> tuple[EncoderModelArguments, EncoderDataArguments, EncoderTrainingArguments]:
    """Read the command line and the file of --recipe, and fill in the defaults that depend on the start and the data."""
    classes = EncoderModelArguments, EncoderDataArguments, EncoderTrainingArguments
    model_args, data_args, args = base.parse_with_recipe(classes, arguments)
    has_text = data_args.train_file or data_args.dataset_name
    if not has_text and (data_args.objective == "pairs" or (data_args.objective == "simcse" and not data_args.collection)):
        use_bundled_files(model_args, data_args, args)
    model_args.tokenizer_options = model_args.tokenizer_options or "kind=wordpiece,vocab_size=8000"
    args.remove_unused_columns = False  # the collator reads all of a row
    args.fill_in(model_args.model_name_or_path is None, learning_rate=3e-5)
    if args.metric_for_best_model == "ndcg" and data_args.score_column_name:
        args.metric_for_best_model = "spearman"
    args.greater_is_better = True
    if model_args.word_vectors and model_args.model_name_or_path:
        raise ValueError(
            f"--word_vectors would replace the word vectors that {model_args.model_name_or_path} has learned; leave "
            "out one of --word_vectors and --model_name_or_path"
        )
    return model_args, data_args, args


def use_bundled_files(model_args, data_args, args) -> None:
    """Take the bundled text of the objective, and settings that suit it."""
    files = bundled_files(data_args.objective, Path(__file__).parents[2] / "examples" / "data")
    for split, path in files.items():
        setattr(data_args, f"{split}_file", path)
    if data_args.objective == "pairs":
        data_args.group_column_name = "topic"
        model_args.tokenizer_options = model_args.tokenizer_options or "kind=wordpiece,vocab_size=1400,min_frequency=1"
        if args.num_train_epochs is None and model_args.model_name_or_path is None:
            args.num_train_epochs = 60  # of seven batches


def build_encoder(args: EncoderModelArguments, task: EncoderTask, max_length: int | None, seed: int) -> DualEncoder:
    """Load the checkpoint, or build a MiniBert with random weights and train a tokenizer on the train texts."""
    changes = {name: value for name, value in (("pooling", args.pooling), ("max_length", max_length)) if value}
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
            set_word_vectors(model, count_word_vectors(tokenizer(task.texts)["input_ids"], *sizes, seed=seed))
        encoder = SentenceEncoder(model, tokenizer, EncoderSettings(**changes))
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
        data_collator=ContrastiveCollator(encoder, negatives, task.relevant, args.data_seed or args.seed),
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
        self.task, self.scores = task, {}
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
