"""The command line of `train_ranker.py`."""

from dataclasses import dataclass

from transformers.hf_argparser import HfArg

from ..training import IMPLEMENTATIONS, AnyDeviceArguments
from ..training import script_arguments as base
from .cross_encoder import LOSSES

FROM_SCRATCH = "classifier_pooling=mean,initializer_range=0.1"  # smaller weights take long to learn that words match


@dataclass
class RankerArguments(base.CheckpointArguments):
    """The model to train."""

    config_overrides: str | None = base.overrides_argument(FROM_SCRATCH)
    tokenizer_name: str | None = base.tokenizer_argument()
    tokenizer_options: str = "kind=wordpiece,vocab_size=4000,min_frequency=1"
    implementation: str | None = HfArg(
        default=None,
        help="mini: train a BERT checkpoint as our class, packed; stock: as the class of transformers; none: as saved",
        metadata={"choices": IMPLEMENTATIONS},
    )
    loss: str = HfArg(
        default="softmax",
        help="softmax: cross-entropy of two classes; sigmoid: binary cross-entropy of one logit",
        metadata={"choices": list(LOSSES)},
    )


@dataclass
class CollectionArguments(base.LayoutArguments):
    """The collection, its questions, and the pairs."""

    collection: str | None = HfArg(default=None, help="folder with corpus, queries and qrels; none: the bundled one")
    train_split: str = HfArg(default="train", help="judgements to train on")
    validation_split: str | None = HfArg(
        default=None, help="judgements that choose epoch and weight; none: those called validation, or a part of train"
    )
    test_split: str = HfArg(default="test", help="judgements that are scored once")
    validation_fraction: float = HfArg(
        default=0.2, help="share of the train questions for validation if it has no split"
    )
    folds: int | None = HfArg(default=None, help="cross-validation over the questions of --train_split; none: no folds")
    negatives: int = HfArg(default=4, help="irrelevant documents for each relevant one")
    negatives_depth: int = HfArg(default=50, help="they are drawn from this many results of BM25")
    depth: int = HfArg(default=50, help="results of BM25 that the model re-ranks")
    max_seq_length: int | None = HfArg(default=None, help="tokens of question and document; none: as many as it reads")
    k1: float = HfArg(default=1.5, help="BM25: how slowly repetitions of a word saturate")
    b: float = HfArg(default=0.75, help="BM25: how much long documents are held back")


@dataclass
class RankerTrainingArguments(base.FineTuningRunArguments, AnyDeviceArguments):
    """Training arguments with the defaults of this command."""

    output_dir: str = "out/ranker"
    logging_steps: float = 0.1
    load_best_model_at_end: bool = HfArg(default=True, help="end with the best epoch, not the last")
    metric_for_best_model: str = HfArg(default="ndcg", help="the validation score that chooses the best epoch")
    per_device_eval_batch_size: int = 32


def parse_arguments(arguments: list[str] | None = None) -> tuple:
    """Read the command line and the file of --recipe, and fill in the defaults that depend on the start."""
    classes = RankerArguments, CollectionArguments, RankerTrainingArguments
    model_args, data_args, args = base.parse_with_recipe(classes, arguments)
    args.fill_in(model_args.model_name_or_path is None, learning_rate=3e-5)
    args.greater_is_better = True
    return model_args, data_args, args
