"""Pretrain a MiniBert on plain text by masked words (and sentence pairs), then fill four blanks.

    python examples/pretrain_minibert.py

trains a WordPiece vocabulary and a small model on the stories of `examples/data/stories` (Indonesian and English,
written for this project), offline. On your own text, one document per line, or sentences on lines and a blank line
between documents; or on a data set with a column of text:

    python examples/pretrain_minibert.py --train_file corpus.txt --preset mini --output_dir out/mine
    python examples/pretrain_minibert.py --dataset_name stanfordnlp/imdb --train_split train+unsupervised
    python examples/pretrain_minibert.py --train_file part1.txt part2.txt --streaming true --max_steps 100000

The last line reads a corpus larger than memory during training: see "Past one machine" in examples/README.md.

The script writes the model with its code and tokenizer into `--output_dir`; fine-tune it with
`examples/finetune_classifier.py --model_name_or_path out/mine`. `--resume_from_checkpoint true` continues a stopped or
killed run and ends with the same weights, bit for bit. All arguments of `transformers.TrainingArguments` work;
`--bf16 true` is faster for larger models on a CPU with bfloat16 units. Its steps are in
`modeling_minibert/training/mlm.py`.
"""

from modeling_minibert.training.mlm import main
from modeling_minibert.training.script_arguments import run_script

if __name__ == "__main__":
    run_script(main, datasets_bars=True)
