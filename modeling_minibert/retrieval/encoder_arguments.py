"""The command line of `train_encoder.py`: model, data and training of a sentence encoder."""

from dataclasses import dataclass

from transformers.hf_argparser import HfArg

from ..data.bundled import bundled_files
from ..training import IMPLEMENTATIONS, AnyDeviceArguments
from ..training import script_arguments as base
from .encoder_tasks import OBJECTIVES
from .sentence_transformers_folder import POOLINGS, SIMILARITIES

FROM_SCRATCH = "max_position_embeddings=128"


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
    crops: bool = HfArg(
        default=False, help="simcse: two random parts of a text in place of the whole text twice, as Contriever"
    )
    max_seq_length: int | None = HfArg(default=None, help="tokens; none: as many as the model reads")


@dataclass
class EncoderTrainingArguments(base.FineTuningRunArguments, AnyDeviceArguments):
    """Training arguments with the defaults of this command."""

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
    """Read the command line and the file of --recipe, and fill in the defaults that depend on start and data."""
    classes = EncoderModelArguments, EncoderDataArguments, EncoderTrainingArguments
    model_args, data_args, args = base.parse_with_recipe(classes, arguments)
    has_text = data_args.train_file or data_args.dataset_name
    has_text = has_text or (data_args.collection and data_args.objective == "simcse")
    if not has_text and data_args.objective != "dpr":
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
    is_plain = data_args.objective == "simcse"
    files = bundled_files("stories", "txt", ("train", "validation")) if is_plain else bundled_files("everyday")
    for split, path in files.items():
        setattr(data_args, f"{split}_file", path)
    if data_args.objective == "pairs":
        data_args.group_column_name = "topic"
        model_args.tokenizer_options = model_args.tokenizer_options or "kind=wordpiece,vocab_size=1400,min_frequency=1"
        if args.num_train_epochs is None and model_args.model_name_or_path is None:
            args.num_train_epochs = 60  # of seven batches
