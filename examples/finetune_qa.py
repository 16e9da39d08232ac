"""Fine-tune a model that finds the answer to a question in a text, from scratch or from a checkpoint.

    python examples/finetune_qa.py

trains a small MiniBert and its WordPiece vocabulary on the questions of `examples/data/questions` (Indonesian and
English, written for this project), offline. It prints exact match and F1 on combinations that train does not have, and
three answers. On your own data, in the layout of SQuAD v1.1 or v2 (json, parquet or Hub), from any checkpoint:

    python examples/finetune_qa.py --dataset_name rajpurkar/squad --model_name_or_path bert-base-uncased
    python examples/finetune_qa.py --recipe examples/recipes/squad_lecture.args
    python examples/finetune_qa.py --recipe examples/recipes/squad_lecture.args --implementation stock
    python examples/finetune_qa.py --train_file train-v2.0.json --test_file dev-v2.0.json --output_dir out/squad2
    python examples/finetune_qa.py --dataset_name folder --test_fraction 0.25 --model_name_or_path out/pretrained

Missing splits are set apart by article. A BERT checkpoint is trained as our class, packed (`--implementation stock`: as
the class of transformers); any other as it was saved.
The script writes the model with its code and tokenizer, all_results.json, and predictions.json for the official SQuAD
scripts into `--output_dir`, and takes all arguments of `transformers.TrainingArguments`. Its
steps are in `modeling_minibert/training/qa.py`.
"""

from modeling_minibert.training.qa import main
from modeling_minibert.training.script_arguments import run_script

if __name__ == "__main__":
    run_script(main)
