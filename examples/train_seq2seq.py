"""Train a translator or a summarizer on pairs of texts, and try it in a pipeline.

    python examples/train_seq2seq.py

trains a small MiniSeq2Seq on 1,000 Indonesian sentences and their translations (`examples/data/translation`, written
for this project) and nine of the lectures, offline, in about a minute. Then it translates test sentences, whose pairs
of verb and object train does not have. On your own pairs, two columns of csv, json lines or parquet, or a data set:

    python examples/train_seq2seq.py --train_file train.csv --test_file test.csv --source_column id --target_column en
    python examples/train_seq2seq.py --recipe examples/recipes/multi30k.args --dataset_name multi30k
    python examples/train_seq2seq.py --model_name_or_path t5-small --source_prefix "summarize: " --train_file news.csv

After each epoch it translates the validation pairs greedily and scores them. At the end it translates the test pairs
once, by beam search. The scores are BLEU and chrF of sacreBLEU, ROUGE, and exact match.

The script writes the model with its code and its tokenizers into `--output_dir`, and takes all arguments of
`transformers.Seq2SeqTrainingArguments`. `--resume_from_checkpoint true` continues a stopped run; several processes:
`torchrun --nproc_per_node 2 examples/train_seq2seq.py`. Its steps are in
`modeling_minibert/training/translator.py`.
"""

from modeling_minibert.training.script_arguments import run_script
from modeling_minibert.training.translator import main

if __name__ == "__main__":
    run_script(main)
