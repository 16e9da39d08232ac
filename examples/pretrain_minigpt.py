"""Pretrain a MiniGPT on plain text, by characters or pieces of words, then let it write.

    python examples/pretrain_minigpt.py

learns the poem of `examples/data/poem` (Indonesian, written for this project) by heart, offline, in about a minute, and
recites it. On your own text, one document per line, or lines with a blank line between documents; or on a data set with
a column of text:

    python examples/pretrain_minigpt.py --train_file book.txt --max_steps 2000 --output_dir out/book
    python examples/pretrain_minigpt.py --dataset_name wikitext --preset mini --max_tokens 4096 --max_steps 20000 \
        --tokenizer_options kind=bpe,vocab_size=8000

Each document ends with an end token, and each window holds text of one document. The script writes the model with its
code and tokenizer into `--output_dir`, for `examples/generate.py`. `--resume_from_checkpoint true` continues a stopped
or killed run and ends with the same weights, bit for bit; `torchrun` trains one model with several processes. All
arguments of `transformers.TrainingArguments` work, among them `--bf16 true`. Its steps are in
`modeling_minibert/training/lm.py`.
"""

from modeling_minibert.training.lm import main
from modeling_minibert.training.script_arguments import run_script

if __name__ == "__main__":
    run_script(main, datasets_bars=True)
