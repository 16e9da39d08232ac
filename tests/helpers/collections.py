"""A collection for tests: questions name a topic by another word than its documents do; filling words are shared."""

import json

import numpy as np

FILLING = [f"isi{number}" for number in range(12)]


def write_collection(folder, topics=6, train=60, test=24, seed=0):
    """Write a folder in the layout of BEIR: 3 · `topics` documents, of which each question has 3 relevant ones."""
    random = np.random.default_rng(seed)
    (folder / "qrels").mkdir(parents=True)
    corpus = [
        {"_id": f"d{row}", "title": "", "text": f"topik{row % topics} {' '.join(random.choice(FILLING, 3))}"}
        for row in range(3 * topics)
    ]
    queries = []
    for split, count in {"train": train, "test": test}.items():
        rows = ["query-id\tcorpus-id\tscore\n"]
        for number in range(count):
            topic, name = number % topics, f"{split}{number}"
            queries.append({"_id": name, "text": f"tanya{topic} {' '.join(random.choice(FILLING, 3))}"})
            rows += [f"{name}\td{row}\t1\n" for row in range(topic, 3 * topics, topics)]
        (folder / "qrels" / f"{split}.tsv").write_text("".join(rows), encoding="utf-8")
    for name, table in {"corpus": corpus, "queries": queries}.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    return folder
