"""The script that trains sentence encoders: its three objectives on small data, and what it leaves behind."""

import csv
import json
import random

import numpy as np
import pytest
from helpers.sentences import WORDS, make_encoder

from modeling_minibert.retrieval.dual_encoder import DualEncoder
from modeling_minibert.retrieval.encoder_trainer import ContrastiveCollator
from modeling_minibert.retrieval.sentence_encoder import SentenceEncoder

ANIMALS, FOODS = ["kucing", "ular", "ayam", "ikan", "kuda"], ["nasi", "kopi", "roti", "telur", "pisang"]
TINY = [
    "--config_overrides", "hidden_size=32,intermediate_size=64,num_hidden_layers=1,max_position_embeddings=16",
    "--tokenizer_options", "kind=wordpiece,vocab_size=300,min_frequency=1",
    "--num_train_epochs", "2", "--per_device_train_batch_size", "4",
]  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # bm25s builds its index with an older scipy call


@pytest.fixture
def train(load_example, tmp_path, monkeypatch):
    """Runs the script with small sizes; returns the results, and the folder."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path / "metrics"))
    script = load_example("train_sentence_encoder")

    def run(*arguments):
        results = script.main([*TINY, "--output_dir", str(tmp_path / "out"), *map(str, arguments)])
        assert json.loads((tmp_path / "out" / "all_results.json").read_text()) == json.loads(json.dumps(results))
        return results, tmp_path / "out"

    return run


def write_table(path, columns, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def write_collection(folder):
    folder.mkdir()
    words = [*ANIMALS, *FOODS]
    write_table(folder / "corpus.csv", ["_id", "text"], [(f"d{i}", f"ini {word} itu") for i, word in enumerate(words)])
    queries = [(f"{split}{i}", f"{ask} {word}") for split, ask in (("train", "cari"), ("test", "mana"))
               for i, word in enumerate(words)]  # fmt: skip
    write_table(folder / "queries.csv", ["_id", "text"], queries)
    for split in ("train", "test"):
        rows = [(f"{split}{i}", f"d{i}", 1) for i in range(len(words))]
        write_table(folder / f"qrels_{split}.csv", ["query-id", "corpus-id", "score"], rows)
    return folder


@pytest.mark.slow
@pytest.mark.lecture("S5-36")
@pytest.mark.parametrize("two_encoders", [False, True])
def test_dpr_on_a_collection_with_hard_negatives_and_gradient_caching(train, tmp_path, capsys, two_encoders):
    folder = write_collection(tmp_path / "collection")
    flags = ["--two_encoders", "--similarity", "dot"] if two_encoders else []
    results, out = train("--objective", "dpr", "--collection", folder, "--gradient_cache", 3, *flags)
    assert set(results) >= {"tf-idf", "BM25", "before training", "trained", "trained minus BM25"}
    assert results["BM25"]["recall@20"] == 1.0 and 0 <= results["trained"]["recall@20"] <= 1
    low, high = results["trained minus BM25"]["nDCG@10"]["interval"]
    assert low <= results["trained minus BM25"]["nDCG@10"]["difference"] <= high
    encoder = DualEncoder.load(out)
    assert encoder.is_shared != two_encoders and encoder.similarity == ("dot" if two_encoders else "cosine")
    printed = capsys.readouterr().out
    assert "9 questions to train on, 1 validation, 10 test" in printed and "trained against BM25: nDCG@10" in printed
    card = (out / "README.md").read_text()
    assert ("SentenceTransformer(" in card) != two_encoders and "nDCG@10" in card


@pytest.mark.slow
def test_pairs_of_texts(train, tmp_path, capsys):
    rows = [(f"saya melihat {a} dan {b}", f"i see {a} and {b}") for a in ANIMALS for b in FOODS]
    table = write_table(tmp_path / "pairs.csv", ["id", "en"], rows)
    results, out = train(
        "--train_file", table, "--text_column_name", "id", "--text_pair_column_name", "en", "--symmetric",
        "--num_train_epochs", 3,
    )  # fmt: skip
    assert results["trained"]["nDCG@10"] > 0 and "BM25" not in results
    assert SentenceEncoder.load(out).encode(["saya melihat ular"]).shape == (1, 32)
    assert "validation split" in capsys.readouterr().out


@pytest.mark.slow
def test_groups_of_texts(train, tmp_path, capsys):
    rows = [(f"{word} {end}", group) for group, words in (("animal", ANIMALS), ("food", FOODS)) for word in words
            for end in ("itu", "ini", "baru")]  # fmt: skip
    files = {name: write_table(tmp_path / f"{name}.csv", ["text", "kind"], rows[place::3])
             for place, name in enumerate(("train", "validation", "test"))}  # fmt: skip
    flags = [part for name, path in files.items() for part in (f"--{name}_file", path)]
    results, _ = train(*flags, "--group_column_name", "kind", "--num_train_epochs", 15, "--learning_rate", 5e-3)
    # A test text shares its word with a train text, and the group of the other words is learned.
    assert results["trained"]["nDCG@10"] > 0.9 > results["before training"]["nDCG@10"]
    assert "✓" in capsys.readouterr().out


@pytest.mark.slow
def test_pairs_with_a_similarity(train, tmp_path):
    rows = [(a, b, 5.0 if (a in ANIMALS) == (b in ANIMALS) else 0.0)
            for a in [*ANIMALS, *FOODS] for b in [*ANIMALS, *FOODS] if a != b]  # fmt: skip
    table = write_table(tmp_path / "scored.csv", ["text", "text_pair", "score"], rows)
    scored = ["--train_file", table, "--score_column_name", "score"]
    results, _ = train(*scored, "--score_scale", 5, "--learning_rate", 5e-3)
    assert results["trained"]["spearman"] > results["before training"]["spearman"]
    with pytest.raises(ValueError, match="has the similarity 5.0 in row .*: set it to the largest one"):
        train(*scored)


@pytest.mark.slow
def test_text_alone_tested_on_a_collection(train, tmp_path, capsys):
    folder = write_collection(tmp_path / "collection")
    text = tmp_path / "text.txt"
    draw = random.Random(0)
    words = [f"{first}{second}" for first in ("ka", "bo", "ri", "su", "te") for second in [*ANIMALS, *FOODS]]
    text.write_text("\n".join(" ".join(draw.sample(words, 9)) for _ in range(100)))
    simcse = ["--objective", "simcse", "--train_file", text]
    sizes = ["--config_overrides", "hidden_size=8,num_attention_heads=2"]
    results, _ = train(*simcse, "--collection", folder, "--word_vectors", "--crops", *sizes)
    assert results["trained minus before training"]["nDCG@10"]["better"] >= 0
    assert "99 texts without labels; halves of 1 validation texts; tested on" in capsys.readouterr().out
    with pytest.raises(ValueError, match="without dropout a text has no second view to learn from"):
        overrides = TINY[1] + ",hidden_dropout_prob=0,attention_probs_dropout_prob=0"
        train(*simcse, "--config_overrides", overrides, "--output_dir", tmp_path / "other")


@pytest.mark.slow
def test_a_checkpoint_is_trained_further_and_its_settings_stay(train, tmp_path):
    rows = [(f"saya melihat {a} dan {b}", f"i see {a} and {b}") for a in ANIMALS for b in FOODS]
    table = write_table(tmp_path / "pairs.csv", ["id", "en"], rows)
    columns = ["--train_file", table, "--text_column_name", "id", "--text_pair_column_name", "en"]
    _, first = train(*columns, "--pooling", "max", "--max_seq_length", 12)
    first = first.rename(tmp_path / "first")
    start = SentenceEncoder.load(first)
    results, out = train(*columns, "--model_name_or_path", first, "--config_overrides", "", "--learning_rate", 1e-3)
    loaded = SentenceEncoder.load(out)
    assert loaded.settings == start.settings and loaded.settings.pooling == "max" and loaded.settings.max_length == 12
    assert np.abs(loaded.encode(["saya"]) - start.encode(["saya"])).max() > 1e-4
    assert results["before training"]["nDCG@10"] >= 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--word_vectors", "--model_name_or_path", "someone/words"], "--word_vectors would replace the word vectors"),
        (["--objective", "mlm"], "invalid choice: 'mlm'"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(train, flags, message, capsys):
    with pytest.raises((ValueError, SystemExit)) as error:
        train(*flags)
    assert message in str(error.value) + capsys.readouterr().err


@pytest.mark.slow
def test_the_bundled_sentences_stand_in_one_file_each(repository):
    folder, seen = repository / "examples" / "data" / "everyday", {}
    for split in ("train", "validation", "test"):
        with open(folder / f"{split}.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len({row["topic"] for row in rows}) == 40 and {row["language"] for row in rows} == {"id", "en"}
        for row in rows:
            assert seen.setdefault(row["text"], split) == split
    assert len(seen) == 400


def test_crops_are_parts_of_their_text_and_a_text_is_no_negative_of_itself():
    encoder = DualEncoder(make_encoder())
    texts = [" ".join(WORDS), " ".join(reversed(WORDS)), "kopi"]
    rows = [{"query": text, "positives": [text], "negatives": []} for text in [*texts, texts[0]]]
    collate, lengths = ContrastiveCollator(encoder, crops=True, seed=1), set()
    for _ in range(40):
        batch = collate(rows)
        assert batch["not_negative"].nonzero().tolist() == [[0, 3], [3, 0]]
        for side in ("queries", "passages"):
            for ids, text in zip(batch[side]["input_ids"], [*texts, texts[0]], strict=True):
                part = encoder.query_encoder.tokenizer.decode(ids, skip_special_tokens=True)
                assert part in text and len(part)
                lengths.add(len(part.split()))
    assert lengths == set(range(1, 1 + round(0.5 * len(WORDS))))


@pytest.mark.slow
def test_a_stopped_training_goes_on_from_its_checkpoint(train, tmp_path, capsys):
    folder = write_collection(tmp_path / "collection")
    dpr = ["--objective", "dpr", "--collection", folder, "--two_encoders"]
    train(*dpr, "--num_train_epochs", 1)
    capsys.readouterr()
    train(*dpr, "--num_train_epochs", 2, "--resume_from_checkpoint", "true")
    printed = capsys.readouterr().out
    assert "epoch 2 of 2" in printed and "epoch 1 of 2" not in printed
    with pytest.raises(ValueError, match="already holds a finished model; choose another --output_dir"):
        train(*dpr)
