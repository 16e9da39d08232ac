"""Fine-tune a text classifier, from scratch or from a checkpoint, and try it in a pipeline.

    python examples/finetune_classifier.py

trains a small MiniBert and its WordPiece vocabulary on the everyday opinions of `examples/data/sentiment` (Indonesian
and English, written for this project), offline. It prints the score on a test by other hands, beside that of a linear
model.
On your own data, two or more classes, a text or a pair of texts; several labels of a text, or a number:

    python examples/finetune_classifier.py --train_file train.csv --test_file test.csv --output_dir out/mine
    python examples/finetune_classifier.py --train_file ratings.csv --task regression --label_column_name score
    python examples/finetune_classifier.py --train_file tags.csv --task multi_label --label_column_name joy,fear,anger
    python examples/finetune_classifier.py --dataset_name stanfordnlp/imdb --model_name_or_path bert-base-uncased
    python examples/finetune_classifier.py --recipe examples/recipes/imdb_tiny.args --dataset_name stanfordnlp/imdb
    python examples/finetune_classifier.py --recipe examples/recipes/imdb_lecture.args
    python examples/finetune_classifier.py --recipe examples/recipes/imdb_two_phase.args --output_dir out/two
    python examples/finetune_classifier.py --model_name_or_path out/minigpt --auxiliary_lm_weight 0.5

The lecture's recipe trains our class; `--implementation stock` repeats it with the class of transformers.
`--freeze_epochs` trains the head first. A decoder (MiniGPT) reads `[START] text [EXTRACT]`. The last line adds the
next-token loss of the first GPT, on the training texts or on those of `--unlabelled_file`. The script writes the model
with its code and tokenizer, a model card and all_results.json into `--output_dir`, and takes all arguments of
`transformers.TrainingArguments`.
"""

from transformers import set_seed

from modeling_minibert.training import check_output_folder, end_processes, last_checkpoint, prepare_cpu
from modeling_minibert.training import script_arguments as base
from modeling_minibert.training.classifier import (
    build_model,
    build_tokenizer,
    build_trainer,
    encode,
    load_splits,
    load_unlabelled,
)
from modeling_minibert.training.classifier_arguments import parse_arguments
from modeling_minibert.training.classifier_results import judge, save_classifier, show_predictions


def main(arguments: list[str] | None = None) -> dict:
    """Train, score and save, with these flags or those of the command line; return the scores."""
    # 1. Arguments
    model_args, data_args, args, unfreezing = parse_arguments(arguments)
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Texts, tokenizer, model
    splits, labels = load_splits(data_args, args.data_seed or 0)
    tokenizer = build_tokenizer(model_args, splits, checkpoint)
    model = build_model(model_args, tokenizer, labels, data_args.task)
    check_output_folder(args.output_dir, model.config, overwrite=bool(checkpoint) or args.overwrite_output_dir)
    max_length = base.settle_length(tokenizer, model, data_args.max_seq_length)
    base.print_model(model, max_length, args.device)
    encoded = encode(splits, tokenizer, max_length)
    unlabelled = load_unlabelled(data_args, tokenizer, max_length)

    # 3. Training
    trainer = build_trainer(model, tokenizer, encoded, unlabelled, args, unfreezing, data_args.task)
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    trainer.save_state()

    # 4. Scores, and the saved folder in a pipeline
    results = judge(trainer, splits, encoded, labels, data_args)
    save_classifier(trainer, splits, labels, results, model_args, data_args)
    if trainer.is_world_process_zero():
        show_predictions(args.output_dir, splits[results["split"]], labels, data_args)
    end_processes()
    return results


if __name__ == "__main__":
    base.run_script(main)
