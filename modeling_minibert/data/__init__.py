"""How text becomes batches: reading text, encoding it, pretraining examples, masks, batches without pads, windows."""

from .classification import load_text_classification
from .documents import load_documents, split_sentences
from .masking import DataCollatorForPretraining, mask_tokens
from .overlap import without_texts_of
from .packing import DataCollatorWithPacking, TokenBudgetBatches
from .pretraining_examples import build_examples
from .streaming import StreamedBatches, shuffled_share
from .windows import tokenize_windows
from .word_cache import WordCache

__all__ = [
    "DataCollatorForPretraining",
    "DataCollatorWithPacking",
    "StreamedBatches",
    "TokenBudgetBatches",
    "WordCache",
    "build_examples",
    "load_documents",
    "load_text_classification",
    "mask_tokens",
    "shuffled_share",
    "split_sentences",
    "tokenize_windows",
    "without_texts_of",
]
