"""`SentenceEncoder`: one vector per text from any encoder, by the masked mean of its token vectors.

    encoder = SentenceEncoder.load("out/minibert")          # ours, stock BERT, or a folder of sentence-transformers
    vectors = encoder.encode(["ilmu komputer", "machine learning"])    # (2, E), unit length
    vectors @ vectors.T                                              # cosine similarities

Pads are never averaged, and encoding runs in evaluation mode: the vector of a text does not depend on the texts beside
it. A saved folder is an ordinary checkpoint, and opens in `sentence_transformers.SentenceTransformer` too.

Source: Reimers and Gurevych 2019, Sentence-BERT (arXiv 1908.10084), section 3.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import AutoModel, AutoTokenizer, DataCollatorWithPadding, PreTrainedModel

from tokenization import save_tokenizer

from ..data import tokenize_windows
from ..heads import max_pooling, mean_pooling
from ..limits import check_vocabulary, position_limit
from ..stock import to_stock
from ..training import is_causal, load_checkpoint
from ..training.output_folder import IDENTITY
from .sentence_transformers_folder import EncoderSettings, read_sentence_transformer, write_sentence_transformer

# Fields of a configuration that change the vectors at equal weights.
VECTOR_FIELDS = tuple(name for name in IDENTITY if name != "id2label") + ("layer_norm_eps", "token_mixer")
PROMPTS = {None: (), "query": ("query",), "document": ("document", "passage", "corpus")}  # names by kind of text
DUAL_NOTES = "dual_encoder.json"  # marks the folder of a `DualEncoder`
UNLIMITED = 10**6  # tokenizers without a limit say 10^30


def first_token(hidden_states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Select the vector of the first real token: (B, L, E) and (B, L) give (B, E)."""
    return hidden_states[torch.arange(len(mask), device=mask.device), mask.int().argmax(dim=1)]


POOL = {"mean": mean_pooling, "cls": first_token, "max": max_pooling}


class SentenceEncoder(nn.Module):
    """A transformer, its tokenizer, and a pooling: one vector per text.

    Args:
        model: an encoder or decoder without a head; its output has `last_hidden_state`.
        tokenizer: of the model, with a pad token.
        settings: pooling, unit length, longest text and prompts; by default the masked mean, of unit length.

    Raises:
        ValueError: a model of two stacks, a tokenizer of another model or without a pad token, a length that the model
            cannot read, or the first token of a decoder, which has seen no other.
    """

    def __init__(self, model: PreTrainedModel, tokenizer, settings: EncoderSettings | None = None):
        super().__init__()
        self.model, self.tokenizer, self.settings = model, tokenizer, settings or EncoderSettings()
        name = type(model).__name__
        if model.config.is_encoder_decoder:
            raise ValueError(f"{name} has an encoder and a decoder; give its encoder, or another model")
        if self.settings.pooling == "cls" and is_causal(model):
            raise ValueError(f"pooling is 'cls', but the first token of {name} sees no other; choose mean or max")
        if tokenizer.pad_token_id is None:
            raise ValueError("the tokenizer has no pad token, so texts cannot be batched; set tokenizer.pad_token")
        check_vocabulary(tokenizer, model.config.vocab_size)
        limits = [tokenizer.model_max_length, position_limit(model) or UNLIMITED]
        length = self.settings.max_length or min(limits)
        if length > (position_limit(model) or length) or length >= UNLIMITED:
            raise ValueError(
                f"max_length is {self.settings.max_length}, the model reads {position_limit(model) or 'any number of'} "
                "tokens; give a max_length that it can read"
            )
        self.settings, self.max_length = replace(self.settings, max_length=length), length

    @classmethod
    def load(
        cls, source: str | Path, implementation: str | None = None, overrides: dict | None = None, **changes
    ) -> "SentenceEncoder":
        """Open a checkpoint, or a folder or Hub name of sentence-transformers with its pooling, length and prompts.

        Args:
            source: an ordinary checkpoint of any head gets the default settings; its head is left out.
            implementation, overrides: class and configuration fields of the model, see `load_checkpoint`.
            changes: fields of `EncoderSettings` to set.

        Raises:
            ValueError: a folder of two encoders; see `SentenceEncoder`, `read_sentence_transformer` and
                `load_checkpoint`.
        """
        if (Path(source) / DUAL_NOTES).is_file() and not (Path(source) / "config.json").is_file():
            raise ValueError(f"{source} holds an encoder for queries and one for passages; open it with "
                             "DualEncoder.load, or name one of its folders")  # fmt: skip
        settings = read_sentence_transformer(source) or EncoderSettings()
        place = str(Path(source) / settings.subfolder) if settings.subfolder else str(source)
        model = load_checkpoint(AutoModel, place, implementation, overrides)
        return cls(model, AutoTokenizer.from_pretrained(place), replace(settings, **changes, subfolder="")).eval()

    def save(self, folder: str | Path, stock: bool = False) -> Path:
        """Save an ordinary checkpoint with the files of sentence-transformers; `stock` saves the stock twin.

        Raises:
            ValueError: `stock`, and the model has no twin.
        """
        (to_stock(self.model) if stock else self.model).save_pretrained(folder)
        self.tokenizer.model_max_length = self.settings.max_length
        if self.tokenizer.is_fast:  # the last call left its own length there
            self.tokenizer.backend_tokenizer.no_truncation()
            self.tokenizer.backend_tokenizer.no_padding()
        save_tokenizer(self.tokenizer, folder)
        write_sentence_transformer(folder, self.settings, self.features)
        return Path(folder)

    @property
    def features(self) -> int:
        """Features of a vector (E)."""
        return self.model.config.hidden_size

    @property
    def fingerprint(self) -> str:
        """A hash of the weights, the tokenizer and the settings; equal vectors need an equal one.

        An index holds it, so that vectors of another encoder are not searched with it. The pooler is left out, because
        no vector depends on it.
        """
        digest = hashlib.sha256()
        config = {name: getattr(self.model.config, name, None) for name in VECTOR_FIELDS}
        settings = [self.settings.pooling, self.settings.normalize, self.settings.max_length, self.settings.prompts,
                    self.settings.default_prompt]  # fmt: skip
        digest.update(json.dumps([config, settings, self._tokenizer_state()], sort_keys=True, default=str).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            if not name.startswith("pooler."):
                data = tensor.detach().cpu().contiguous()
                digest.update(f"{name} {data.dtype} {tuple(data.shape)}".encode())
                digest.update(data.reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()[:32]

    def _tokenizer_state(self):
        """Describe the tokenizer, without the padding and truncation of its last call."""
        if not self.tokenizer.is_fast:
            return sorted(self.tokenizer.get_vocab().items())
        state = json.loads(self.tokenizer.backend_tokenizer.to_str())
        return {name: value for name, value in state.items() if name not in ("truncation", "padding")}

    def forward(self, **features: torch.Tensor) -> torch.Tensor:
        """Encode a batch of token ids: `input_ids` and `attention_mask` (B, L) give (B, E)."""
        vectors = self.pool(**features)
        return nn.functional.normalize(vectors, dim=-1) if self.settings.normalize else vectors

    def pool(self, attention_mask: torch.Tensor, **features: torch.Tensor) -> torch.Tensor:
        """Run the transformer and pool its token vectors, of any length: (B, L) give (B, E)."""
        hidden_states = self.model(attention_mask=attention_mask, **features).last_hidden_state
        return POOL[self.settings.pooling](hidden_states, attention_mask)

    def tokenize(self, texts: Sequence[str], kind: str | None = None) -> dict[str, torch.Tensor]:
        """Tokenize, truncate and pad texts: `input_ids` and `attention_mask`, each (B, L)."""
        return dict(DataCollatorWithPadding(self.tokenizer)(self._rows(self._with_prompt(texts, kind))))

    def encode(
        self,
        texts: Sequence[str],
        batch_size: int = 32,
        kind: str | None = None,
        windows: bool = False,
        show_progress: bool = False,
    ) -> np.ndarray:
        """Encode texts in evaluation mode, sorted by length to save padding: (N, E), float32, in the order given.

        Args:
            texts: N texts; one longer than `settings.max_length` tokens is truncated.
            batch_size: texts at once.
            kind: "query" or "document": puts the prompt of that kind before each text; None: the default prompt.
            windows: encode a longer text as the mean of its windows' vectors, each weighted by its tokens.
            show_progress: print a line after each tenth.

        Raises:
            ValueError: a single text in place of a list, something that is not text, or a text without tokens.
        """
        texts = self._with_prompt(texts, kind)
        if not texts:
            return np.zeros((0, self.features), dtype=np.float32)
        rows, owners = self._windows(texts) if windows else (self._rows(texts), list(range(len(texts))))
        lengths = np.array([len(row["input_ids"]) for row in rows])
        if not lengths.all():
            raise ValueError(f"text {owners[int(lengths.argmin())]} has no tokens; leave empty texts out")
        vectors = np.empty((len(rows), self.features), dtype=np.float32)
        order = np.argsort(-lengths, kind="stable")
        collate = DataCollatorWithPadding(self.tokenizer)
        with evaluation_mode(self):
            for start in range(0, len(rows), batch_size):
                places = order[start : start + batch_size]
                batch = collate([rows[place] for place in places])
                batch = {name: tensor.to(self.model.device) for name, tensor in batch.items()}
                vectors[places] = (self.pool if windows else self)(**batch).float().cpu().numpy()
                done = start + len(places)
                if show_progress and done * 10 // len(rows) > start * 10 // len(rows):
                    print(f"encoded {done:,} of {len(rows):,} {'windows' if windows else 'texts'}", flush=True)
        return self._average(vectors, np.array(owners), lengths) if windows else vectors

    def encode_queries(self, texts: Sequence[str], **options) -> np.ndarray:
        """Encode questions, see `encode`: (N, E)."""
        return self.encode(texts, kind="query", **options)

    def encode_passages(self, texts: Sequence[str], **options) -> np.ndarray:
        """Encode documents, see `encode`: (N, E)."""
        return self.encode(texts, kind="document", **options)

    def _average(self, vectors: np.ndarray, owners: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Average the windows of each text, weighted by their tokens: (W, E) → (N, E)."""
        sums = np.zeros((owners[-1] + 1, self.features))
        np.add.at(sums, owners, vectors * lengths[:, None])
        means = sums / np.bincount(owners, weights=lengths)[:, None]
        if self.settings.normalize:
            means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        return means.astype(np.float32)

    def _rows(self, texts: list[str]) -> list[dict]:
        if not texts:
            return []
        return _by_row(self.tokenizer(texts, truncation=True, max_length=self.settings.max_length))

    def _windows(self, texts: list[str]) -> tuple[list[dict], list[int]]:
        encoding, owners = tokenize_windows(self.tokenizer, texts, self.max_length, stride=0)
        return _by_row(encoding), owners

    def _with_prompt(self, texts: Sequence[str], kind: str | None) -> list[str]:
        """Check the texts, and put the prompt of their kind before each."""
        if isinstance(texts, str):
            raise ValueError(f"texts is the single text {texts[:40]!r}; give a list of texts")
        texts = list(texts)
        wrong = next((place for place, text in enumerate(texts) if not isinstance(text, str)), None)
        if wrong is not None:
            raise ValueError(f"text {wrong} is a {type(texts[wrong]).__name__}, {texts[wrong]!r:.40}; give texts")
        prompts = self.settings.prompts
        prompt = next((prompts[name] for name in PROMPTS[kind] if name in prompts), None)
        if prompt is None:
            prompt = prompts.get(self.settings.default_prompt or "", "")
        return [prompt + text for text in texts] if prompt else texts


def _by_row(encoding) -> list[dict]:
    """Turn columns of token ids into one dictionary per text."""
    names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in encoding]
    return [dict(zip(names, values, strict=True)) for values in zip(*(encoding[name] for name in names), strict=True)]


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Switch dropout and gradients off inside the block, and restore the mode of each part afterwards."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode
