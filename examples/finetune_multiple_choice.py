"""Fine-tune a model that chooses one of several sentences, from scratch or from a checkpoint.

    python examples/finetune_multiple_choice.py

trains a small MiniBert on `examples/data/choices` (which sentence follows? Indonesian and English, written for this
project), offline, and prints its accuracy on situations that train does not have, beside a bag of words. Your own data:

    python examples/finetune_multiple_choice.py --train_file train.jsonl --test_file test.jsonl --output_dir out/mine
    python examples/finetune_multiple_choice.py --train_file swag.csv --context_column_name sent1
        --question_column_name sent2 --choices_column_name ending0,ending1,ending2,ending3
    python examples/finetune_multiple_choice.py --model_name_or_path out/minigpt --output_dir out/choices-gpt

A row has a context, its choices (a list in json lines or parquet, or a column each) and the number of the right one.
A decoder (MiniGPT) reads `[START] context [DELIMITER] choice [EXTRACT]`. The script writes the model with its code,
tokenizer and all_results.json into `--output_dir`, and takes all arguments of `transformers.TrainingArguments`.
"""

from modeling_minibert.training.multiple_choice import main
from modeling_minibert.training.script_arguments import run_script

if __name__ == "__main__":
    run_script(main)
