"""The command `minibert`, the same as `python -m modeling_minibert`: one entry for the package's programs.

    minibert train tagger --train_file train.conll --output_dir out/tagger
    minibert search examples/data/search
    minibert explain out/classifier "filmnya bagus" --out page.html

`minibert` lists the commands; `minibert COMMAND --help` lists the arguments of one.
"""

import sys
from difflib import get_close_matches
from importlib import import_module

from .training.script_arguments import run_script

# What is typed: the function that reads the rest of the command line (module:function), and a line of help.
COMMANDS = {
    "train classifier": (".training.classifier:main", "train a classifier of texts, or rate texts with a number"),
    "train mlm": (".training.mlm:main", "pretrain an encoder on plain text, by masked words"),
    "train lm": (".training.lm:main", "pretrain a decoder on plain text, word by word"),
    "train translator": (".training.translator:main", "train a translator or summarizer on pairs of texts"),
    "train qa": (".training.qa:main", "train a model that finds answers in texts"),
    "train tagger": (".training.tagger:main", "train a token classifier: names, parts of speech"),
    "train choices": (".training.multiple_choice:main", "train a model that chooses between continuations or answers"),
    "train ranker": (".retrieval.train_ranker:main", "train a cross-encoder that re-ranks search results"),
    "train encoder": (".retrieval.train_encoder:main", "train a sentence encoder, or the two of dense retrieval"),
    "predict": (".commands.predict:main", "answer texts with a saved model, from arguments, files or a pipe"),
    "search": (".retrieval.search:main", "index texts, find and re-rank, measure against judgements"),
    "tokenizer": ("tokenization.__main__:run", "train, compare and inspect tokenizers"),
    "explain": (".explain.__main__:main", "show a text on its way through a model, as a page or in the console"),
    "to-stock": (".conversion.__main__:to_stock", "save a model as plain bert, gpt2, openai-gpt, marian or t5"),
    "from-stock": (".conversion.__main__:from_stock", "save such a model, or one of nanoGPT, as a model of ours"),
    "convert": (".conversion.__main__:main", "save a model as its stock twin, or a stock or nanoGPT model as ours"),
    "card": (".commands.card:main", "print or write the model card of a saved model"),
    "demo": (".commands.demo:main", "train the README's first model, and ask it six sentences"),
    "seeds": (".evaluation.seeds:main", "average the results of several runs"),
    "curves": (".training.training_curves:main", "draw the loss and the scores of a training"),
}


def split_command(words: list[str]) -> tuple[str, list[str]]:
    """Split a command line into the name of the command, of one or two words, and its arguments.

    Raises:
        ValueError: the command is unknown.
    """
    for length in (2, 1):
        if (name := " ".join(words[:length])) in COMMANDS:
            return name, words[length:]
    if words == ["train"]:
        models = [name.removeprefix("train ") for name in COMMANDS if name.startswith("train ")]
        raise ValueError(f"train needs a model: minibert train {'|'.join(models)}")
    typed = " ".join(words[:2] if words[0] == "train" else words[:1])
    near = get_close_matches(typed, COMMANDS, n=1)
    meant = f"did you mean {near[0]}" if near else f"the commands are {', '.join(COMMANDS)}"
    raise ValueError(f"there is no command {typed}; {meant}")


def usage() -> str:
    """List the commands, a line each."""
    lines = [f"  minibert {name:<17} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(["usage: minibert COMMAND ...", "", *lines, "", "minibert COMMAND --help lists its arguments."])


def run() -> None:
    """Run the command that the command line names."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return
    name, arguments = split_command(words)
    module, _, function = COMMANDS[name][0].partition(":")
    sys.argv = [f"minibert {name}", *arguments]
    getattr(import_module(module, package=__package__), function)()


def main() -> None:
    """Run the command; errors are one line, and show where they happened with --traceback."""
    run_script(run, datasets_bars=sys.argv[1:3] in (["train", "mlm"], ["train", "lm"]))  # long texts to encode


if __name__ == "__main__":
    main()
