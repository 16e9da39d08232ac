"""Search a collection of texts, in Indonesian and English, and measure the rankings beside BM25 alone.

    python examples/search.py

indexes the passages of `examples/data/search` (written for this project), asks them a few questions, and shows which
words led to each answer. Then it trains a small encoder on the train questions, and prints MRR@10, nDCG@10 and recall
on the test questions, which use other words. On your own texts:

    python examples/search.py index FOLDER --index out/index
    python examples/search.py ask "Apakah piton berbisa?" --index out/index
    python examples/search.py evaluate FOLDER --encoder out/encoder --ranker out/ranker --results scores.json

FOLDER holds corpus, queries and qrels as the collections of BEIR, or plain .txt files; a table or a data set of the Hub
with a column of text works too. `train_sentence_encoder.py` trains the encoder, `train_ranker.py` the cross-encoder.
"""

from modeling_minibert.retrieval.search import main
from modeling_minibert.training.script_arguments import run_script

if __name__ == "__main__":
    run_script(main)
