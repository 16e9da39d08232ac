"""Train a tagger that finds names in sentences, from scratch or from a checkpoint, and try it in a pipeline.

    python examples/finetune_ner.py

trains a small MiniBert and its WordPiece vocabulary on the sentences of `examples/data/entities` (Indonesian and
English, written for this project), offline. It prints the scores on names and sentence frames that train does not have,
beside two simple taggers, and marks the entities of a few other sentences. On your own data, words with any tags:

    python examples/finetune_ner.py --train_file train.conll --test_file test.conll --output_dir out/mine
    python examples/finetune_ner.py --train_file spans.jsonl               {"text": …, "entities": [[0, 4, "PER"]]}
    python examples/finetune_ner.py --train_file id_gsd-ud-train.conllu    parts of speech
    python examples/finetune_ner.py --dataset_name leondz/wnut_17 --model_name_or_path bert-base-cased
    python examples/finetune_ner.py --recipe examples/recipes/wnut_17_minilm.args --dataset_name leondz/wnut_17

Files are CoNLL (a word per line, its tag last), CoNLL-U, json lines or parquet with words and tags, or json lines with
a text and its entities. `--label_all_pieces` trains on all pieces of a word, `--repair_tags` corrects faulty tags, and
a long sentence is read in windows (`--doc_stride`). A decoder may be the checkpoint too; it does not see the words to
the right. The script writes the model with its code and tokenizer, all_results.json, and the tags of the test split as
predictions.conll into `--output_dir`, and takes all arguments of `transformers.TrainingArguments`. Its steps are in
`modeling_minibert/training/tagger.py`.
"""

from modeling_minibert.training.script_arguments import run_script
from modeling_minibert.training.tagger import main

if __name__ == "__main__":
    run_script(main)
