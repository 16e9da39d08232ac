"""Data for training: load text, encode it for a task, build pretraining examples, mask, and collate batches."""

from .causal_examples import DataCollatorForCausalLM, build_causal_examples
from .classification import load_text_classification, tokenize_windows
from .documents import load_documents, load_pretraining_text, split_sentences
from .flat_batches import DataCollatorWithPacking, TokenBudgetBatches
from .indonlu import TASKS_OF_INDONLU, load_indonlu
from .labels import TASKS
from .masking import DataCollatorForPretraining, mask_tokens
from .multiple_choice import DataCollatorForChoices, encode_choices, load_multiple_choice
from .pretraining_examples import build_examples
from .question_features import question_features
from .question_reader import load_question_answering
from .splits import without_texts_of
from .streaming import StreamedBatches, shuffled_share
from .tag_alignment import align_tags
from .tagging_reader import load_token_classification
from .task_inputs import (
    add_task_tokens,
    classification_inputs,
    entailment_inputs,
    multiple_choice_inputs,
    similarity_inputs,
)
from .text_pairs import PairCollator, encode_pairs, load_text_pairs
from .word_cache import WordCache

__all__ = [
    "DataCollatorForCausalLM",
    "DataCollatorForChoices",
    "DataCollatorForPretraining",
    "DataCollatorWithPacking",
    "PairCollator",
    "StreamedBatches",
    "TASKS",
    "TASKS_OF_INDONLU",
    "TokenBudgetBatches",
    "WordCache",
    "add_task_tokens",
    "align_tags",
    "build_causal_examples",
    "build_examples",
    "classification_inputs",
    "encode_choices",
    "encode_pairs",
    "entailment_inputs",
    "load_documents",
    "load_indonlu",
    "load_multiple_choice",
    "load_pretraining_text",
    "load_question_answering",
    "load_text_classification",
    "load_text_pairs",
    "load_token_classification",
    "mask_tokens",
    "multiple_choice_inputs",
    "question_features",
    "shuffled_share",
    "similarity_inputs",
    "split_sentences",
    "tokenize_windows",
    "without_texts_of",
]
