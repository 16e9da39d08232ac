"""Train a cross-encoder (mini monoBERT) that re-ranks the results of BM25, and score it beside BM25 alone.

    python examples/train_ranker.py

trains a small MiniBert and its WordPiece vocabulary on the questions of `examples/data/search` (Indonesian and English,
written for this project), offline. On your own collection, a folder with corpus, queries and qrels as those of BEIR:

    python examples/train_ranker.py --collection FOLDER --model_name_or_path bert-base-uncased --implementation mini
    python examples/train_ranker.py --collection FOLDER --loss sigmoid --negatives 8 --depth 100
    python examples/train_ranker.py --collection FOLDER --train_split all --folds 5
    python examples/train_ranker.py --recipe examples/recipes/facqa_ranker.args --collection FOLDER

`--loss softmax` trains two classes, `sigmoid` one logit. `--folds` scores every question with a model that has not seen
it. The script writes the model with its code and tokenizer, a model card, all_results.json and the rankings (as TREC
writes them) into `--output_dir`, and takes all arguments of `transformers.TrainingArguments`.
`pipeline("text-ranking", folder)` and `search.py --ranker` open it.
"""

from modeling_minibert.retrieval.train_ranker import main
from modeling_minibert.training.script_arguments import run_script

if __name__ == "__main__":
    run_script(main)
