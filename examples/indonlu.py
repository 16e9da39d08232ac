"""Train and score any checkpoint, or a small new model, on all twelve tasks of IndoNLU, in one table.

    python examples/indonlu.py --linear true                            # logistic regression, to compare with
    python examples/indonlu.py                                          # small nets from random weights
    python examples/indonlu.py --model_name_or_path indobenchmark/indobert-base-p1
    python examples/indonlu.py --model_name_or_path out/words --settings scratch --name word_vectors
    python examples/indonlu.py --tasks emot smsa --seeds 1 --num_train_epochs 4
    python examples/indonlu.py --table true                             # the table alone

The data are those of the benchmark (Wilie et al. 2020): a folder with emot, smsa, casa, hoasa, wrete, posp, bapos,
terma, keps, nergrit, nerp and facqa, each with train, validation and test as parquet; name it with --data_dir, or set
MINIBERT_DATA to the folder that holds `indonlu`. The scores are the paper's macro-F1. A second start skips the finished
runs, and a killed run goes on from its last epoch. Everything was chosen by validation; test is scored at the end.

`out/words` is a new net with word vectors that were counted by `pretrain_minibert.py --word_vectors true
--num_train_epochs 0`; `--settings scratch` trains it as a new net, not as a checkpoint that has learned more.
"""

from modeling_minibert.training.indonlu import main
from modeling_minibert.training.script_arguments import run_script

if __name__ == "__main__":
    run_script(main, stopped="stopped before the end; the same command skips the finished runs")
