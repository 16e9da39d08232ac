"""Score a trained classifier, save what stands beside its weights, and show some answers of the saved folder."""

import textwrap
import time
from pathlib import Path

import numpy as np
from datasets import Dataset, DatasetDict
from huggingface_hub import upload_folder
from transformers import Trainer, pipeline
from transformers.pipelines import PIPELINE_REGISTRY

from tokenization import save_tokenizer

from ..data.classification import tokenize_windows
from ..data.labels import TASKS
from ..evaluation import (
    average_by_text,
    describe_scores,
    guess_without_reading,
    linear_text_classifier,
    score_outputs,
)
from .classifier_arguments import BUNDLED, DataArguments, ModelArguments
from .help_text import predict_command
from .implementation import OURS
from .model_card import write_model_card
from .output_folder import write_predict_results
from .trainers import predict_in_order
from .training_curves import plot_training_curve

PURPOSES = {"classification": "classify text", "multi_label": "label text", "regression": "rate text with a number"}
WINDOWED = "windowed-text-classification"
GUESSES = {
    "classification": "always guessing the largest class: {majority_accuracy:.1%}",
    "multi_label": "always guessing the commonest set of labels: {majority_accuracy:.1%} accuracy",
    "regression": "always guessing the mean: mean squared error {mean_mse:.4g}",
}


def judge(trainer: Trainer, splits: DatasetDict, encoded: DatasetDict, labels: list[str], args: DataArguments) -> dict:
    """Score the test split, which nothing else uses (validation if there is none), and print the scores.

    With --do_predict the answers to it are written to predict_results.txt.

    Returns:
        The scores, as in all_results.json.
    """
    judged = "test" if "test" in splits else "validation"
    test = splits[judged]
    outputs = predict_in_order(trainer, encoded[judged])
    results = score_test(trainer, test, outputs, args.window_average, args.task)
    print(f"{judged} split ({len(test):,} texts), {GUESSES[args.task].format_map(results)}")
    print("\n".join(f"  {name}: {text}" for name, text in describe_scores(results).items()))
    if args.baseline and args.task == "classification":
        results |= score_baseline(splits, judged)
    if trainer.args.do_predict and trainer.is_world_process_zero():
        write_predictions(trainer.args.output_dir, outputs, labels, args.task)
    seconds = next(log["train_runtime"] for log in reversed(trainer.state.log_history) if "train_runtime" in log)
    return results | {"split": judged, "seed": trainer.args.seed, "train_seconds": seconds}


def score_test(
    trainer: Trainer, test: Dataset, outputs: np.ndarray, windows: bool, task: str = "classification"
) -> dict:
    """Score the outputs of one pass over the test split and, if `windows`, their averages over windows.

    Args:
        trainer: for the windows, and for --auc.
        test: the rows.
        outputs: (rows, C), in their order.
        windows: whether to score the averages too.
        task: a key of `TASKS`.

    Returns:
        The scores, with bootstrap intervals.
    """
    references, options = list(test["label"]), {"interval": True, "auc": trainer.args.auc}
    results = guess_without_reading(references, task)
    results["single_pass"] = score_outputs(outputs, references, task, **options)
    if windows:
        texts, tokenizer = list(test["text"]), trainer.processing_class
        encoding, window_to_text = tokenize_windows(tokenizer, texts, tokenizer.model_max_length)
        outputs = predict_in_order(trainer, Dataset.from_dict(dict(encoding)))
        outputs = average_by_text(outputs, window_to_text, TASKS[task])
        results["window_average"] = score_outputs(outputs, references, task, threshold=0.5, **options)
    return results


def score_baseline(splits: DatasetDict, judged: str) -> dict:
    """Score a linear model of n-grams on the same split, and print its scores.

    Returns:
        "linear_baseline" → its scores, what validation chose, and the seconds; nothing if it cannot be fitted.
    """
    started = time.monotonic()
    columns = [name for name in ("text", "text_pair") if name in splits["train"].column_names]
    read = {
        name: ([list(rows[column]) for column in columns], np.array(rows["label"])) for name, rows in splits.items()
    }
    try:
        found, chosen = linear_text_classifier(read["train"], read["validation"], read[judged][0])
    except ValueError as reason:  # texts of one class, or without words
        print(f"  no linear model beside it: {reason}")
        return {}
    classes = 1 + max(int(labels.max()) for _, labels in read.values())
    scores = score_outputs(np.eye(classes)[found], list(splits[judged]["label"]), "classification", interval=True)
    seconds = round(time.monotonic() - started, 1)
    print(f"  a linear model of n-grams ({chosen}, {seconds:.0f} s): {baseline_scores(scores)}")
    return {"linear_baseline": scores | {"chosen": chosen, "seconds": seconds}}


def write_predictions(folder: str, outputs: np.ndarray, labels: list[str], task: str) -> None:
    """Write the answers to predict_results.txt: classes, labels with commas between them, or numbers."""
    if task == "regression":
        answers = [f"{output:.6g}" for output in outputs[:, 0]]
    elif task == "multi_label":
        names = np.array(labels, dtype=object)
        answers = [",".join(names[output > 0]) for output in outputs]  # a probability above one half
    else:
        answers = [labels[best] for best in outputs.argmax(-1)]
    write_predict_results(folder, answers)


def save_classifier(
    trainer: Trainer,
    splits: DatasetDict,
    labels: list[str],
    results: dict,
    model_args: ModelArguments,
    data_args: DataArguments,
) -> None:
    """Save scores, tokenizer, pipeline, training curve and model card beside the weights, and push them if asked to."""
    trainer.save_metrics("all", results, combined=False)
    if not trainer.is_world_process_zero():
        return
    args, model, tokenizer = trainer.args, trainer.model, trainer.processing_class
    if data_args.window_average:
        pipeline(WINDOWED, model=model, tokenizer=tokenizer).save_pretrained(args.output_dir)
    save_tokenizer(tokenizer, args.output_dir)
    plot_training_curve(
        trainer.state.log_history, Path(args.output_dir) / "training_curve.png", trainer.state.best_global_step
    )
    example = {key: value for key, value in splits[results["split"]][0].items() if key != "label"}
    write_model_card(
        args.output_dir,
        f"A {type(model).__name__} with {model.num_parameters():,} parameters, fine-tuned to "
        f"{PURPOSES[data_args.task]}.",
        labels,
        example if "text_pair" in example else example["text"],
        describe_scores(results),
        {
            "start": model_args.model_name_or_path or f"from scratch, preset {model_args.preset}",
            "data": data_args.dataset_name or data_args.train_file or f"examples/data/{BUNDLED}",
            "train texts": f"{len(splits['train']):,}",
            **describe_baseline(results),
            "learning rate": args.learning_rate,
            "seed": args.seed,
            "seconds": f"{results['train_seconds']:.0f}",
        },
        tokenizer.model_max_length,
        pipeline_task(data_args),
        needs_code=model.config.model_type in OURS,
    )
    if args.push_to_hub:
        # trainer.push_to_hub would replace our model card.
        options = {"token": args.hub_token, "ignore_patterns": ["checkpoint-*", "training_args.bin"]}
        upload_folder(repo_id=trainer.hub_model_id, folder_path=args.output_dir, **options)


def describe_baseline(results: dict) -> dict[str, str]:
    """The line of the model card about the linear model, if there is one."""
    if "linear_baseline" not in results:
        return {}
    return {"a linear model of n-grams beside it": baseline_scores(results["linear_baseline"])}


def baseline_scores(scores: dict) -> str:
    """Format the scores of the linear model."""
    return ", ".join(f"{name} {scores[name]:.1%}" for name in ("accuracy", "macro_f1"))


def show_predictions(folder: str, test: Dataset, labels: list[str], args: DataArguments) -> None:
    """Load the saved model into a pipeline, and print its answers to a few texts of each class, or to the first."""
    task, pipeline_name = args.task, pipeline_task(args)
    # The folder has the same pipeline as code, for which transformers would ask for trust_remote_code.
    registered = PIPELINE_REGISTRY.check_task(WINDOWED)[1]["impl"] if args.window_average else None
    classifier = pipeline(pipeline_name, folder, pipeline_class=registered)
    options = {} if args.window_average else {"truncation": True}
    if task == "classification":
        references = np.array(test["label"])
        places = [np.flatnonzero(references == label) for label in range(min(len(labels), 5))]
        # From the beginning, the middle and the end: many files are sorted by something.
        rows = [row for found in places for row in sorted({*found[:1], *found[len(found) // 2 :][:1], *found[-1:]})]
    else:
        rows = list(range(min(len(test), 8)))
    for row in rows:
        inputs = {key: test[row][key] for key in ("text", "text_pair") if key in test.column_names}
        truth = test[row]["label"]
        text = textwrap.shorten(" | ".join(inputs.values()), 90, placeholder=" …")
        if task == "multi_label":
            found = {answer["label"] for answer in classifier(inputs, top_k=None, **options) if answer["score"] > 0.5}
            expected = {name for name, is_set in zip(labels, truth, strict=True) if is_set}
            print(f"  {'✓' if found == expected else '✗'} {', '.join(sorted(found)) or 'none':>20}   {text}")
            continue
        answer = classifier(inputs, **options)
        if task == "regression":
            print(f"  {answer['score']:8.3g} (in the data {truth:.3g})   {text}")
        else:
            mark = "✓" if answer["label"] == labels[truth] else "✗"
            print(f"  {mark} {answer['label']:>10} {answer['score']:4.0%}   {text}")
    trust = ", trust_remote_code=True" if args.window_average else ""
    print(f"saved to {folder}; use it: pipeline({pipeline_name!r}, {folder!r}{trust})")
    texts = [] if "text_pair" in test.column_names else [min((test[row]["text"] for row in rows), key=len)]
    print(f"try it yourself: {predict_command(folder, *texts)}")


def pipeline_task(args: DataArguments) -> str:
    """Return the name of the pipeline that the saved folder is for."""
    return WINDOWED if args.window_average else "sentiment-analysis"
