"""Train a translator or a summarizer on pairs of texts.

Read `main` first. Steps: arguments, pairs, tokenizers, model, training, scores beside first words, some translations.
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset, DatasetDict, concatenate_datasets
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    pipeline,
    set_seed,
)
from transformers.hf_argparser import HfArg

from tokenization import save_tokenizer, train_tokenizer

from ..configuration_miniseq2seq import MiniSeq2SeqConfig
from ..data import PairCollator, TokenBudgetBatches, encode_pairs, load_text_pairs
from ..data.bundled import bundled_files, bundled_path
from ..evaluation import GenerationMetrics
from ..limits import check_vocabulary, position_limit
from ..modeling_miniseq2seq import MiniSeq2SeqForConditionalGeneration
from . import script_arguments as base
from .arguments import BatchPerItemArguments, parse_options
from .callbacks import SetEpoch, show_progress_lines
from .help_text import predict_command
from .implementation import load_checkpoint
from .machine import end_processes, prepare_cpu
from .output_folder import check_output_folder, last_checkpoint
from .trainers import longest_first

BUNDLED = "translation"  # the bundled pairs that are used where no files are given
# The ids of the lectures: [PAD] 0, [SOS] 1, [EOS] 2.
SPECIAL_TOKENS = {"pad_token": "[PAD]", "bos_token": "[SOS]", "eos_token": "[EOS]", "unk_token": "[UNK]"}
FROM_SCRATCH = "hidden_dropout_prob=0.1"
TARGET_TOKENIZER = "target_tokenizer"  # the sub-folder of a second tokenizer


@dataclass
class ModelArguments(base.CheckpointArguments):
    """The model to train."""

    preset: str = HfArg(default="tiny", help="from scratch: tiny, mini, …, vanilla, t5 or lecture")
    config_overrides: str | None = base.overrides_argument(FROM_SCRATCH)
    tokenizer_options: str = "kind=wordlevel,min_frequency=1"
    shared_vocabulary: bool = HfArg(
        default=False, help="from scratch: one tokenizer and one embedding table for both sides"
    )


@dataclass
class DataArguments(base.SampleArguments, base.TestedFileArguments):
    """The pairs to train and test on."""

    validation_file: str | None = HfArg(default=None, help="none: a twentieth of train is set apart")
    source_column: str = HfArg(default="id", help="the column of the texts to read")
    target_column: str = HfArg(default="en", help="the column of the texts to write")
    source_prefix: str = HfArg(default="", help="text put before each source, as T5 expects it")
    max_length: int = HfArg(default=128, help="tokens on either side; longer texts are cut")


@dataclass
class TranslationTrainingArguments(base.LongRunArguments, BatchPerItemArguments, Seq2SeqTrainingArguments):
    """Training arguments with the defaults of this command."""

    output_dir: str = "out/translator"
    do_predict: bool = base.predict_argument("generated_predictions.txt")
    max_tokens: int = HfArg(default=512, help="tokens in a batch, both sides together, on each device")
    num_beams: int = HfArg(default=4, help="beams of the search for the test split")
    per_device_eval_batch_size: int = HfArg(default=64, help="pairs translated at once")
    num_train_epochs: float = 20
    predict_with_generate: bool = HfArg(default=True, help="translate the validation pairs; false: only their loss")

    def __post_init__(self):
        super().__post_init__()
        for name in ("num_beams", "generation_num_beams"):
            beams = getattr(self, name)
            if beams is not None and beams < 1:
                raise ValueError(f"{name} ({beams}) must be at least 1")


def load_pairs(args: DataArguments, seed: int) -> DatasetDict:
    """Load the pairs that the arguments name, or the bundled ones with the nine of the lectures."""
    columns, files = (args.source_column, args.target_column), args.files({})
    if args.dataset_name and files:
        raise ValueError(f"--dataset_name and the files {sorted(files.values())} exclude each other; give one")
    if args.dataset_name or files:
        splits = load_text_pairs(args.dataset_name, files or None, *columns, seed, **args.layout)
        args.sample(splits, seed, ("train", "validation", "test"))
        return splits
    splits = load_text_pairs(None, bundled_files(BUNDLED), *columns)
    nine = dict.fromkeys(("train", "validation"), str(bundled_path(BUNDLED, "lecture.csv")))
    lecture = load_text_pairs(None, nine, *columns)
    splits["train"] = concatenate_datasets([splits["train"], *[lecture["train"]] * 3])
    args.sample(splits, seed, ("train", "validation", "test"))
    return splits


def build_tokenizers(args: ModelArguments, train: Dataset, max_length: int, folder: str | None) -> tuple:
    """Load or train the tokenizers (source, target); with a shared vocabulary both are the same object."""
    if folder:
        source = AutoTokenizer.from_pretrained(folder)
        has_two = (Path(folder) / TARGET_TOKENIZER).is_dir()
        return source, AutoTokenizer.from_pretrained(Path(folder) / TARGET_TOKENIZER) if has_two else source
    options = {"special_tokens": SPECIAL_TOKENS, "model_max_length": max_length}
    options |= parse_options(args.tokenizer_options)
    if options.get("kind") == "wordlevel" and "vocab_size" not in options:
        warnings.filterwarnings("ignore", "the vocabulary has")  # no size was asked for
    if args.shared_vocabulary:
        both = train_tokenizer([*train["source"], *train["target"]], **options)
        return both, both
    return train_tokenizer(train["source"], **options), train_tokenizer(train["target"], **options)


def build_model(args: ModelArguments, tokenizer, target_tokenizer, max_length: int, checkpoint: str | None):
    """Load the checkpoint, or build a MiniSeq2Seq with random weights; it generates up to `max_length` tokens."""
    overrides = args.parse_overrides(FROM_SCRATCH)
    if checkpoint:
        model = load_checkpoint(AutoModelForSeq2SeqLM, checkpoint)
    elif args.model_name_or_path:
        model = load_checkpoint(AutoModelForSeq2SeqLM, args.model_name_or_path, None, overrides, args.hub)
    else:
        fields = base.token_fields(target_tokenizer, "pad", "bos", "eos")
        fields["decoder_start_token_id"] = fields["bos_token_id"]
        if target_tokenizer is not tokenizer:
            fields |= {"decoder_vocab_size": len(target_tokenizer), "target_tokenizer": TARGET_TOKENIZER}
        fields |= {"vocab_size": len(tokenizer), "max_position_embeddings": max_length + 1, **overrides}
        model = MiniSeq2SeqForConditionalGeneration(MiniSeq2SeqConfig.from_preset(args.preset, **fields))
    check_fit(model, tokenizer, target_tokenizer, max_length)
    model.generation_config.max_length = max_length
    return model


def check_fit(model, tokenizer, target_tokenizer, max_length: int) -> None:
    """Raise a ValueError if a tokenizer has more tokens than the model knows, or texts more than it reads."""
    sides = {"source": (tokenizer, model.get_input_embeddings())}
    if target_tokenizer is not tokenizer:  # Marian's one tokenizer may have two vocabularies; len counts the first
        sides["target"] = target_tokenizer, model.get_output_embeddings()
    for side, (own, table) in sides.items():
        check_vocabulary(own, len(table.weight), f"the tokenizer of the {side}")
    base.check_length("max_length", max_length, position_limit(model))


class Scorer:
    """`compute_metrics` of a `Trainer`: decodes the generated ids and scores them against the target texts.

    Args:
        tokenizer: the tokenizer of the target.
        targets: the target of each scored row, in order; replace them before scoring another split.
    """

    def __init__(self, tokenizer, targets: list[str]):
        self.tokenizer, self.targets = tokenizer, targets

    def __call__(self, prediction) -> dict[str, float]:
        """The scores of `GenerationMetrics`, without the rows that several processes repeat at the end."""
        texts = self.decode(prediction.predictions)[: len(self.targets)]
        return GenerationMetrics().compute(predictions=texts, references=self.targets)

    def decode(self, ids: np.ndarray) -> list[str]:
        """Decode ids (rows, L), which `Trainer` pads with -100."""
        ids = np.where(ids < 0, self.tokenizer.pad_token_id, ids)
        return [text.strip() for text in self.tokenizer.batch_decode(ids, skip_special_tokens=True)]


def by_length(pairs: Dataset, rows: Dataset) -> tuple[Dataset, Dataset]:
    """Sort pairs and their encoded rows, longest source first; the column `place` has the row of the file."""
    order = longest_first(rows)
    return pairs.select(order).add_column("place", order), rows.select(order)


def first_words(pairs: Dataset, train: Dataset) -> list[str]:
    """The baseline of summaries: the first words of each source, as many as the median target has."""
    count = int(np.median([len(text.split()) for text in train["target"]]))
    return [" ".join(text.split()[:count]) for text in pairs["source"]]


def describe(scores: dict[str, float]) -> str:
    """Format the scores: 'BLEU 34.1   chrF 58.0   …'."""
    names = {"bleu": "BLEU", "chrf": "chrF", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}
    parts = [f"{shown} {scores[name]:.1f}" for name, shown in names.items()]
    return "   ".join([*parts, f"exact {scores['exact_match']:.1%}"])


def write_predictions(folder: Path, texts: list[str], places: list[int]) -> None:
    """Write the translations to generated_predictions.txt, a line each, in the order of the file."""
    lines = [" ".join(text.split()) for _, text in sorted(zip(places, texts, strict=True))]
    (folder / "generated_predictions.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(f"predictions: {folder / 'generated_predictions.txt'}")


def show_translations(folder: str, pairs: Dataset, num_beams: int, prefix: str) -> None:
    """Load the saved model into the pipeline and translate a few pairs."""
    translate = pipeline("translation", folder, num_beams=num_beams)
    results = translate([prefix + text for text in pairs["source"]], truncation=True)
    for source, target, result in zip(pairs["source"], pairs["target"], results, strict=True):
        mark = "=" if result["translation_text"] == target else "≠"
        print(f"  {source[:300]}\n    → {result['translation_text']}\n    {mark} {target}")
    print(f"saved to {folder}; use it: pipeline('translation', {folder!r})")
    print(f"try it yourself: {predict_command(folder, prefix + pairs['source'][0])}")


def save_tokenizers(tokenizer, target_tokenizer, folder: str) -> None:
    """Save the tokenizer, and that of the target in its sub-folder if it is another."""
    save_tokenizer(tokenizer, folder)
    if target_tokenizer is not tokenizer:
        save_tokenizer(target_tokenizer, str(Path(folder) / TARGET_TOKENIZER))


def encode(splits: DatasetDict, tokenizer, target_tokenizer, model, args: DataArguments) -> dict[str, Dataset]:
    """Encode the pairs of all splits; those that are scored are sorted, the longest first."""
    options = args.max_length, model.config.decoder_start_token_id, args.source_prefix
    rows = {name: encode_pairs(pairs, tokenizer, target_tokenizer, *options) for name, pairs in splits.items()}
    for name in set(rows) - {"train"}:
        splits[name], rows[name] = by_length(splits[name], rows[name])
    return rows


def build_trainer(
    model, tokenizer, rows: dict[str, Dataset], scorer: Scorer, args: TranslationTrainingArguments
) -> Seq2SeqTrainer:
    """Build the `Trainer` over batches of as many tokens, with our progress lines."""
    batches = TokenBudgetBatches(rows["train"], args.max_tokens, args.seed, columns=("input_ids", "labels"))
    trainer = Seq2SeqTrainer(
        model=model,
        args=args,
        train_dataset=batches,
        eval_dataset=rows["validation"],
        processing_class=tokenizer,
        data_collator=PairCollator(tokenizer, model if args.label_smoothing_factor else None),
        compute_metrics=scorer if args.predict_with_generate else None,
        callbacks=[SetEpoch(batches)],
    )
    show_progress_lines(trainer)
    return trainer


def judge(trainer: Seq2SeqTrainer, scorer: Scorer, splits: DatasetDict, rows: dict[str, Dataset]) -> dict:
    """Translate the test pairs (validation if there are none) by beam search, score them, and save the scores.

    With --do_predict the translations are written to generated_predictions.txt, a line for each source.
    """
    args, last = trainer.args, "test" if "test" in splits else "validation"
    scorer.targets = splits[last]["target"]
    trainer.compute_metrics, args.predict_with_generate = scorer, True
    prediction = trainer.predict(rows[last], metric_key_prefix=last, num_beams=args.num_beams)
    words = first_words(splits[last], splits["train"])
    baseline = GenerationMetrics().compute(predictions=words, references=splits[last]["target"])
    scores = {name: prediction.metrics[f"{last}_{name}"] for name in baseline}
    results = {"split": last, "num_beams": args.num_beams, "seed": args.seed, **scores, "first_words": baseline}
    if trainer.is_world_process_zero():
        (Path(args.output_dir) / "all_results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
        print(f"{last}, {args.num_beams} beams:         {describe(scores)}")
        print(f"its source's first words: {describe(baseline)}")
        if args.do_predict:
            texts = scorer.decode(prediction.predictions)[: len(scorer.targets)]
            write_predictions(Path(args.output_dir), texts, splits[last]["place"])
    return results


def main(arguments: list[str] | None = None) -> dict:
    """Train, score and save, with these flags or those of the command line; return the scores."""
    # 1. Arguments
    classes = ModelArguments, DataArguments, TranslationTrainingArguments
    model_args, data_args, args = base.parse_with_recipe(classes, arguments)
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Pairs, tokenizers, model
    splits = load_pairs(data_args, args.seed)
    start = args.output_dir if checkpoint else model_args.model_name_or_path
    tokenizer, target_tokenizer = build_tokenizers(model_args, splits["train"], data_args.max_length, start)
    model = build_model(model_args, tokenizer, target_tokenizer, data_args.max_length, checkpoint)
    check_output_folder(args.output_dir, model.config, overwrite=bool(checkpoint) or args.overwrite_output_dir)
    if args.process_index == 0 and not checkpoint:  # only one process writes; a resumed run has them already
        save_tokenizers(tokenizer, target_tokenizer, args.output_dir)
    print(f"pairs: {base.sizes(splits)}; vocabularies: {len(tokenizer):,} and {len(target_tokenizer):,} tokens")
    base.print_model(model, None, args.device)
    rows = encode(splits, tokenizer, target_tokenizer, model, data_args)

    # 3. Training
    scorer = Scorer(target_tokenizer, splits["validation"]["target"])
    trainer = build_trainer(model, tokenizer, rows, scorer, args)
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    trainer.save_state()

    # 4. Scores of the test pairs, and a few translations of the saved folder
    results = judge(trainer, scorer, splits, rows)
    if trainer.is_world_process_zero():
        save_tokenizer(tokenizer, args.output_dir)  # Trainer's files name a class that transformers 4 does not have
        pairs = splits[results["split"]]
        few = pairs.shuffle(seed=args.seed).select(range(min(5, len(pairs))))
        show_translations(args.output_dir, few, args.num_beams, data_args.source_prefix)
        if data_args.uses_bundled:
            known = f"it knows the {len(tokenizer):,} tokens of a small grammar and no other words"
            print(f"{known}; --train_file pairs.csv gives it pairs of your own")
    end_processes()
    return results
