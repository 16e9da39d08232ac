"""The training settings of every task of IndoNLU, chosen by the validation scores of small nets on one CPU core.

A small data set needs a small net: one layer, much dropout, and words dropped at random. The paper's large nets (12
layers of 768) stay far behind without pretraining. Taggers have rotary positions, with which they learn the order of
words from little text; a class of a text is found better with learned ones, which say little about order.
"""

from dataclasses import dataclass, replace

from ..data.indonlu import TASKS_OF_INDONLU

ASPECT_WAYS = ("heads", "pairs")
NET = "num_hidden_layers=1,intermediate_size=256,num_attention_heads=4,attention_probs_dropout_prob=0"
ROTARY = "position_embedding_type=rotary,rotary_base=100"
TEXTS = f"{NET},max_position_embeddings=160,hidden_dropout_prob=0.3,word_dropout_prob=0.3"
WORDS = f"{NET},{ROTARY},max_position_embeddings=256,hidden_dropout_prob=0.3,word_dropout_prob=0.1"


@dataclass(frozen=True)
class TaskSettings:
    """How to train on a task.

    Args:
        epochs: passes over train; the best one by validation counts.
        learning_rate: the highest.
        batch_size: rows of an update.
        weight_decay, label_smoothing: as in `TrainingArguments`.
        tokenizer_options: arguments of `tokenization.train_tokenizer`, from scratch.
        overrides: configuration fields to change.
        aspects: one of `ASPECT_WAYS`.
        exact_match: for two texts, mark by the token types which tokens the other text has too; 300 pairs do not teach
            that (Chen et al. 2017, section 3.2, do the same for questions). The net needs `type_vocab_size=4`.
    """

    epochs: float
    learning_rate: float = 1e-3
    batch_size: int = 32
    weight_decay: float = 0.05
    label_smoothing: float = 0.0
    tokenizer_options: str = "vocab_size=4000"
    overrides: str = TEXTS
    aspects: str = "heads"
    exact_match: bool = False


_MEAN = f"{TEXTS},classifier_pooling=mean,type_vocab_size=0"
_MAX = f"{_MEAN},{ROTARY},classifier_pooling=max,word_dropout_prob=0.2"  # the last of two values counts
# Two layers compare the question with the passage.
_TWO_TEXTS = f"{WORDS},num_hidden_layers=2,hidden_dropout_prob=0.2,type_vocab_size=4"
_CASED = "vocab_size=4000,lowercase=false,min_frequency=1"
SCRATCH = {
    "emot": TaskSettings(10, overrides=_MEAN),
    "smsa": TaskSettings(6, overrides=_MEAN),
    "casa": TaskSettings(16, overrides=_MAX),
    "hoasa": TaskSettings(12, overrides=_MAX),
    "wrete": TaskSettings(20, overrides=f"{TEXTS},classifier_pooling=mean,type_vocab_size=4", exact_match=True),
    "posp": TaskSettings(6, overrides=WORDS),
    "bapos": TaskSettings(6, overrides=WORDS, tokenizer_options=_CASED),
    "terma": TaskSettings(12, overrides=WORDS),
    "keps": TaskSettings(20, overrides=WORDS),
    "nergrit": TaskSettings(20, overrides=WORDS, tokenizer_options=_CASED),
    "nerp": TaskSettings(8, overrides=WORDS),
    "facqa": TaskSettings(14, overrides=_TWO_TEXTS, tokenizer_options=_CASED, exact_match=True),
}
FINETUNE = {name: TaskSettings(10, 4e-5, 16, 0.01, overrides="") for name in TASKS_OF_INDONLU}


def settings_of(task: str, start: str, **given) -> TaskSettings:
    """The settings of a task.

    Args:
        task: its name.
        start: "scratch", also for a net that has learned nothing but word vectors; "finetune" for a checkpoint.
        given: fields to replace.
    """
    return replace({"scratch": SCRATCH, "finetune": FINETUNE}[start][task], **given)
