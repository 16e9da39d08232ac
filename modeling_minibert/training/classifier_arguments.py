"""Arguments of the classifier's training: the model, the data, the run."""

from dataclasses import dataclass

from transformers.hf_argparser import HfArg

from ..data.bundled import bundled_recipe
from ..data.labels import TASKS
from . import script_arguments as base
from .arguments import AnyDeviceArguments
from .implementation import IMPLEMENTATIONS
from .two_phase import UnfreezingArguments

FROM_SCRATCH = "classifier_pooling=mean,word_dropout_prob=0.1"  # suits small nets
BUNDLED = "sentiment"  # the bundled data set that is used where no files are given, with its recipe.args


@dataclass
class ModelArguments(base.CheckpointArguments):
    """The model to train."""

    config_overrides: str | None = base.overrides_argument(FROM_SCRATCH)
    tokenizer_name: str | None = base.tokenizer_argument()
    tokenizer_options: str = "kind=wordpiece,vocab_size=2700,min_frequency=1"
    implementation: str | None = HfArg(
        default=None,
        help="mini: train a BERT or GPT checkpoint as our class, packed; stock: as the class of transformers; none: as "
        "saved",
        metadata={"choices": IMPLEMENTATIONS},
    )


@dataclass
class DataArguments(base.TaskFileArguments):
    """The data to train and test on."""

    task: str = HfArg(
        default="classification",
        help="classification: one class; multi_label: several labels of a text; regression: a number",
        metadata={"choices": list(TASKS)},
    )
    text_column_name: str = HfArg(default="text", help="the column of the text")
    text_pair_column_name: str | None = HfArg(default=None, help="the column of a second text")
    label_column_name: str = HfArg(
        default="label", help="the column of the class or number; for multi_label also several of 0 and 1, as a,b,c"
    )
    label_separator: str | None = HfArg(default=None, help="multi_label: what stands between the names in a cell")
    max_train_samples: int | None = HfArg(
        default=None, help="train on this many texts, drawn at random, each class in proportion"
    )
    max_seq_length: int | None = HfArg(default=None, help="tokens; none: as many as the model reads")
    unlabelled_file: str | None = HfArg(
        default=None, help="text for --auxiliary_lm_weight (txt or as train_file); none: the train texts"
    )
    baseline: bool = HfArg(
        default=True, help="also fit a linear model of n-grams, to compare with; for --task classification"
    )
    window_average: bool = HfArg(
        default=False, help="also score long texts by the average over their overlapping windows"
    )


@dataclass
class ClassifierTrainingArguments(base.FineTuningRunArguments, AnyDeviceArguments):
    """Training arguments with the defaults of this command."""

    output_dir: str = "out/classifier"
    do_predict: bool = base.predict_argument("predict_results.txt")
    logging_steps: float = 0.1
    load_best_model_at_end: bool = HfArg(default=True, help="end with the best epoch, not the last")
    metric_for_best_model: str = HfArg(default="macro_f1", help="the validation score that chooses the best epoch")
    auxiliary_lm_weight: float = HfArg(
        default=0.0, help="decoders only: weight of the added next-token loss; the first GPT: 0.5"
    )
    early_stopping_patience: int = HfArg(default=5, help="stop after this many epochs without a better one")
    loss: str = HfArg(
        default="cross_entropy",
        help="focal: texts that the model gets right count less; not for --task regression",
        metadata={"choices": ["cross_entropy", "focal"]},
    )
    focal_gamma: float = HfArg(default=2.0, help="how much less; 0 is cross_entropy")
    auc: bool = HfArg(default=False, help="also report the area under the ROC curve; for --task classification")


def parse_arguments(
    arguments: list[str] | None = None,
) -> tuple[ModelArguments, DataArguments, ClassifierTrainingArguments, UnfreezingArguments]:
    """Read the command line and the file of --recipe, and fill in the defaults that depend on the start."""
    classes = ModelArguments, DataArguments, ClassifierTrainingArguments, UnfreezingArguments
    parsed = base.parse_with_recipe(classes, arguments)
    if base.is_first_model(*parsed[:2]):
        parsed = base.parse_with_recipe(classes, arguments, bundled_recipe(BUNDLED))
    model_args, data_args, args, unfreezing = parsed
    args.fill_in(model_args.model_name_or_path is None, learning_rate=2e-5)
    if model_args.model_name_or_path is None and unfreezing.freezes:
        raise ValueError("--freeze_epochs, --unfreeze_every and --freeze_word_embeddings are for an encoder that has "
                         "learned something; give a --model_name_or_path")  # fmt: skip
    if data_args.window_average and data_args.text_pair_column_name:
        raise ValueError("--window_average is for single texts; leave it out, or leave out --text_pair_column_name")
    if args.loss == "focal" and (data_args.task == "regression" or args.label_smoothing_factor):
        raise ValueError("--loss focal is for classes without smoothing; leave out --task regression and "
                         "--label_smoothing_factor, or choose --loss cross_entropy")  # fmt: skip
    if args.auc and data_args.task != "classification":
        raise ValueError(f"--auc is for --task classification, not for {data_args.task}; leave it out")
    if data_args.task == "regression" and args.metric_for_best_model == "macro_f1":
        args.metric_for_best_model = "mse"
    if (args.metric_for_best_model or "").removeprefix("eval_") == "mse":
        args.greater_is_better = False
    return model_args, data_args, args, unfreezing
