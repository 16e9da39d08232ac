"""Train a translator, or a summarizer: from pairs of texts to `pipeline("translation", folder)`.

    python examples/train_seq2seq.py

trains a small MiniSeq2Seq on 1,000 Indonesian sentences and their translations (`examples/data/translation`, written
for this project) and nine of the lectures, offline, in about a minute; then it translates sentences whose verb and
object it has never seen together. On your own pairs, two columns of csv, json lines or parquet, or a data set:

    python examples/train_seq2seq.py --train_file train.csv --test_file test.csv --source_column id --target_column en
    python examples/train_seq2seq.py --recipe examples/recipes/multi30k.args --dataset_name multi30k
    python examples/train_seq2seq.py --model_name_or_path t5-small --source_prefix "summarize: " --train_file news.csv

The validation pairs are translated after each epoch, greedily, and scored; the test pairs once, at the end, by
`--num_beams` beams: BLEU and chrF as sacreBLEU counts them, ROUGE and exact match beside them.

It writes the model with its code and its tokenizers into `--output_dir`. A run that was stopped goes on with
`--resume_from_checkpoint true`. All arguments of `transformers.Seq2SeqTrainingArguments` work as well, such as
`--lr_scheduler_type inverse_sqrt`; several processes: `torchrun --nproc_per_node 2 examples/train_seq2seq.py`.
"""

import json
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import datasets
import numpy as np
import transformers
from datasets import Dataset, DatasetDict, concatenate_datasets
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    HfArgumentParser,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    pipeline,
    set_seed,
)

from modeling_minibert import MiniSeq2SeqConfig, MiniSeq2SeqForConditionalGeneration
from modeling_minibert.data import PairCollator, TokenBudgetBatches, encode_pairs, load_text_pairs
from modeling_minibert.evaluation import GenerationMetrics
from modeling_minibert.limits import check_vocabulary, position_limit
from modeling_minibert.training import (
    BatchPerItemArguments,
    SetEpoch,
    check_output_folder,
    end_processes,
    expand_recipe,
    last_checkpoint,
    longest_first,
    parse_options,
    prepare_cpu,
    show_progress_lines,
)
from tokenization import save_tokenizer, train_tokenizer

PAIRS = Path(__file__).parent / "data" / "translation"
# The ids of the lectures: [PAD] 0, [SOS] 1, [EOS] 2.
SPECIAL_TOKENS = {"pad_token": "[PAD]", "bos_token": "[SOS]", "eos_token": "[EOS]", "unk_token": "[UNK]"}
FROM_SCRATCH = "hidden_dropout_prob=0.1"
TARGET_TOKENIZER = "target_tokenizer"  # the sub-folder of a second tokenizer


@dataclass
class ModelArguments:
    """What to train."""

    model_name_or_path: str | None = field(
        default=None, metadata={"help": "a checkpoint to start from (folder or Hub name); none: train from scratch"}
    )
    preset: str = field(default="tiny", metadata={"help": "from scratch: tiny, mini, …, vanilla, t5 or lecture"})
    config_overrides: str | None = field(
        default=None,
        metadata={
            "help": "fields of the configuration to change, as name=value,name=value; from scratch, where nothing is "
            f"given: {FROM_SCRATCH}"
        },
    )
    tokenizer_options: str = field(
        default="kind=wordlevel,min_frequency=1",
        metadata={"help": "from scratch: arguments of tokenization.train_tokenizer, as name=value,name=value"},
    )
    shared_vocabulary: bool = field(
        default=False, metadata={"help": "from scratch: one tokenizer, and one table of embeddings, for both sides"}
    )


@dataclass
class DataArguments:
    """What to train it on."""

    dataset_name: str | None = field(default=None, metadata={"help": "a Hub name or a local folder"})
    train_file: str | None = field(default=None, metadata={"help": "csv, tsv, json lines or parquet"})
    validation_file: str | None = field(default=None, metadata={"help": "none: a twentieth of train is set apart"})
    test_file: str | None = field(default=None, metadata={"help": "scored once, at the end"})
    source_column: str = field(default="id", metadata={"help": "the column of the texts to read"})
    target_column: str = field(default="en", metadata={"help": "the column of the texts to write"})
    source_prefix: str = field(default="", metadata={"help": "stands before each source, as T5 wants it"})
    max_length: int = field(default=128, metadata={"help": "tokens on either side; longer texts are cut"})


@dataclass
class TranslationTrainingArguments(BatchPerItemArguments, Seq2SeqTrainingArguments):
    """How to train it: our defaults for some of the library's arguments, and two of our own."""

    output_dir: str = field(default="out/translator", metadata={"help": "where everything is saved"})
    max_tokens: int = field(default=512, metadata={"help": "tokens in a batch, both sides together, on each device"})
    num_beams: int = field(default=4, metadata={"help": "of the beam search for the test split"})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "pairs translated at once"})
    learning_rate: float = field(default=2e-3, metadata={"help": "the highest"})
    num_train_epochs: float = field(default=20, metadata={"help": "passes over the pairs"})
    warmup_steps: float = field(default=0.1, metadata={"help": "steps, or below 1 a share of all steps"})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "how the learning rate falls afterwards"})
    weight_decay: float = field(default=0.01, metadata={"help": "AdamW's weight decay"})
    adam_beta2: float = field(default=0.98, metadata={"help": "AdamW's second beta"})
    predict_with_generate: bool = field(
        default=True, metadata={"help": "translate the validation pairs; false: only their loss"}
    )
    eval_strategy: str = field(default="epoch", metadata={"help": "when to translate them"})
    save_strategy: str = field(default="epoch", metadata={"help": "when to save a checkpoint"})
    save_total_limit: int = field(default=2, metadata={"help": "checkpoints to keep"})
    logging_steps: float = field(default=0.05, metadata={"help": "steps, or below 1 a share of all steps"})

    def __post_init__(self):
        super().__post_init__()
        for name in ("num_beams", "generation_num_beams"):
            beams = getattr(self, name)
            if beams is not None and beams < 1:
                raise ValueError(f"{name} ({beams}) must be at least 1")


def load_pairs(args: DataArguments, seed: int) -> DatasetDict:
    """The pairs that are named; where none are, those of this project, with the lectures' nine among them."""
    files = {"train": args.train_file, "validation": args.validation_file, "test": args.test_file}
    files = {split: path for split, path in files.items() if path}
    if args.dataset_name:
        if files:
            raise ValueError(f"--dataset_name and the files {sorted(files.values())} exclude each other; give one")
        return load_text_pairs(args.dataset_name, None, args.source_column, args.target_column, seed)
    if files:
        return load_text_pairs(None, files, args.source_column, args.target_column, seed)
    columns = args.source_column, args.target_column
    bundled = {split: str(PAIRS / f"{split}.csv") for split in ("train", "validation", "test")}
    splits = load_text_pairs(None, bundled, *columns)
    lecture = load_text_pairs(None, dict.fromkeys(("train", "validation"), str(PAIRS / "lecture.csv")), *columns)
    splits["train"] = concatenate_datasets([splits["train"], *[lecture["train"]] * 3])
    return splits


def build_tokenizers(args: ModelArguments, train: Dataset, max_length: int, folder: str | None) -> tuple:
    """Those of a checkpoint, or new ones: (source, target), one and the same where they share a vocabulary."""
    if folder:
        source = AutoTokenizer.from_pretrained(folder)
        has_two = (Path(folder) / TARGET_TOKENIZER).is_dir()
        return source, AutoTokenizer.from_pretrained(Path(folder) / TARGET_TOKENIZER) if has_two else source
    options = {"special_tokens": SPECIAL_TOKENS, "model_max_length": max_length}
    options |= parse_options(args.tokenizer_options)
    if options.get("kind") == "wordlevel" and "vocab_size" not in options:
        warnings.filterwarnings("ignore", "the vocabulary has")  # as many words as the text has: none were asked for
    if args.shared_vocabulary:
        both = train_tokenizer([*train["source"], *train["target"]], **options)
        return both, both
    return train_tokenizer(train["source"], **options), train_tokenizer(train["target"], **options)


def build_model(args: ModelArguments, tokenizer, target_tokenizer, max_length: int, checkpoint: str | None):
    """Random weights, or those of a checkpoint; it generates texts of up to `max_length` tokens."""
    if checkpoint:
        model = AutoModelForSeq2SeqLM.from_pretrained(checkpoint)
    elif args.model_name_or_path:
        overrides = parse_options(args.config_overrides)
        model = AutoModelForSeq2SeqLM.from_pretrained(args.model_name_or_path, **overrides)
    else:
        own = None if target_tokenizer is tokenizer else len(target_tokenizer)
        fields = {"vocab_size": len(tokenizer), "decoder_vocab_size": own, "max_position_embeddings": max_length + 1}
        if own:
            fields["target_tokenizer"] = TARGET_TOKENIZER
        for name in ("pad", "bos", "eos"):
            fields[f"{name}_token_id"] = getattr(target_tokenizer, f"{name}_token_id")
        fields["decoder_start_token_id"] = fields["bos_token_id"]
        overrides = parse_options(FROM_SCRATCH if args.config_overrides is None else args.config_overrides)
        model = MiniSeq2SeqForConditionalGeneration(
            MiniSeq2SeqConfig.from_preset(args.preset, **{**fields, **overrides})
        )
    check_fit(model, tokenizer, target_tokenizer, max_length)
    model.generation_config.max_length = max_length
    return model


def check_fit(model, tokenizer, target_tokenizer, max_length: int) -> None:
    """Raise a ValueError for tokens that the model does not know, or more of them than it reads."""
    sides = {"source": (tokenizer, model.get_input_embeddings())}
    if target_tokenizer is not tokenizer:  # one of Marian's may have two vocabularies, and counts the first
        sides["target"] = target_tokenizer, model.get_output_embeddings()
    for side, (own, table) in sides.items():
        check_vocabulary(own, len(table.weight), f"the tokenizer of the {side}")
    positions = position_limit(model)
    if positions is not None and max_length > positions:
        raise ValueError(
            f"max_length ({max_length}) is more than the {positions} tokens that the model reads; texts are cut to "
            f"--max_length {positions}, or less"
        )


class Scorer:
    """`compute_metrics` of a `Trainer`: decodes what was generated, and compares it with the targets as they stand.

    Args:
        tokenizer: of the target.
        targets: of the rows that are scored, in their order; change them before other rows are.
    """

    def __init__(self, tokenizer, targets: list[str]):
        self.tokenizer, self.targets = tokenizer, targets

    def __call__(self, prediction) -> dict[str, float]:
        """The scores of `GenerationMetrics`; several processes may have repeated the first rows at the end."""
        return GenerationMetrics().compute(
            predictions=self.decode(prediction.predictions)[: len(self.targets)], references=self.targets
        )

    def decode(self, ids: np.ndarray) -> list[str]:
        """Texts; rows of several batches are filled up with -100."""
        ids = np.where(ids < 0, self.tokenizer.pad_token_id, ids)
        return [text.strip() for text in self.tokenizer.batch_decode(ids, skip_special_tokens=True)]


def by_length(pairs: Dataset, rows: Dataset) -> tuple[Dataset, Dataset]:
    """Both in an order in which sources of alike lengths are neighbours, so that few pads are computed."""
    order = longest_first(rows)
    return pairs.select(order), rows.select(order)


def first_words(pairs: Dataset, train: Dataset) -> list[str]:
    """The baseline of summaries: of each source as many words from its start as targets have."""
    count = int(np.median([len(text.split()) for text in train["target"]]))
    return [" ".join(text.split()[:count]) for text in pairs["source"]]


def describe(scores: dict[str, float]) -> str:
    """'BLEU 34.1   chrF 58.0   …'"""
    names = {"bleu": "BLEU", "chrf": "chrF", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}
    parts = [f"{shown} {scores[name]:.1f}" for name, shown in names.items()]
    return "   ".join([*parts, f"exact {scores['exact_match']:.1%}"])


def show_translations(folder: str, pairs: Dataset, num_beams: int, prefix: str) -> None:
    """Load what was saved into the pipeline and translate."""
    translate = pipeline("translation", folder, num_beams=num_beams)
    results = translate([prefix + text for text in pairs["source"]], truncation=True)
    for source, target, result in zip(pairs["source"], pairs["target"], results, strict=True):
        mark = "=" if result["translation_text"] == target else "≠"
        print(f"  {source[:300]}\n    → {result['translation_text']}\n    {mark} {target}")


def main(arguments: list[str] | None = None):
    """Run the steps that the module describes."""
    # 1. Arguments
    parser = HfArgumentParser((ModelArguments, DataArguments, TranslationTrainingArguments))
    model_args, data_args, args = parser.parse_args_into_dataclasses(expand_recipe(arguments))
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Pairs, tokenizers, model
    splits = load_pairs(data_args, args.seed)
    sizes = ", ".join(f"{len(pairs):,} {name}" for name, pairs in splits.items())
    start = args.output_dir if checkpoint else model_args.model_name_or_path
    tokenizer, target_tokenizer = build_tokenizers(model_args, splits["train"], data_args.max_length, start)
    model = build_model(model_args, tokenizer, target_tokenizer, data_args.max_length, checkpoint)
    check_output_folder(args.output_dir, model.config)
    if args.process_index == 0 and not checkpoint:  # others would read what is half written; a resumed run has them
        save_tokenizer(tokenizer, args.output_dir)
        if target_tokenizer is not tokenizer:
            save_tokenizer(target_tokenizer, str(Path(args.output_dir) / TARGET_TOKENIZER))
    print(f"pairs: {sizes}; vocabularies: {len(tokenizer):,} and {len(target_tokenizer):,} tokens")
    print(f"model: {type(model).__name__}, {model.num_parameters():,} parameters, on {args.device}")
    start_id = model.config.decoder_start_token_id
    rows = {
        name: encode_pairs(pairs, tokenizer, target_tokenizer, data_args.max_length, start_id, data_args.source_prefix)
        for name, pairs in splits.items()
    }
    for name in set(rows) - {"train"}:
        splits[name], rows[name] = by_length(splits[name], rows[name])

    # 3. Training
    batches = TokenBudgetBatches(rows["train"], args.max_tokens, args.seed, columns=("input_ids", "labels"))
    scorer = Scorer(target_tokenizer, splits["validation"]["target"])
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
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    trainer.save_state()

    # 4. What it has learned
    last = "test" if "test" in splits else "validation"
    scorer.targets = splits[last]["target"]
    trainer.compute_metrics, args.predict_with_generate = scorer, True
    prediction = trainer.predict(rows[last], metric_key_prefix=last, num_beams=args.num_beams)
    if trainer.is_world_process_zero():
        save_tokenizer(tokenizer, args.output_dir)  # Trainer names a class that transformers 4 does not know
        baseline = GenerationMetrics().compute(
            predictions=first_words(splits[last], splits["train"]), references=splits[last]["target"]
        )
        scores = {name: prediction.metrics[f"{last}_{name}"] for name in baseline}
        results = {"split": last, "num_beams": args.num_beams, "seed": args.seed, **scores, "first_words": baseline}
        (Path(args.output_dir) / "all_results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
        print(f"{last}, {args.num_beams} beams:         {describe(scores)}")
        print(f"its source's first words: {describe(baseline)}")
        few = splits[last].shuffle(seed=args.seed).select(range(min(5, len(splits[last]))))
        show_translations(args.output_dir, few, args.num_beams, data_args.source_prefix)
        print(f"saved to {args.output_dir}; use it: pipeline('translation', {args.output_dir!r})")
    end_processes()


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a console without → prints ? instead of failing
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    main()
