"""Train a tagger that finds names in sentences, from scratch or from a checkpoint, and try it in a pipeline.

    python examples/finetune_ner.py

On your own data:

    python examples/finetune_ner.py --train_file train.conll --test_file test.conll --output_dir out/mine
"""

from pathlib import Path

from modeling_minibert.training.script_arguments import run_script
from modeling_minibert.training.tagger import main

ENTITIES = {split: f"{Path(__file__).parent}/data/entities/{split}.conll" for split in ("train", "validation", "test")}

if __name__ == "__main__":
    run_script(lambda: main(bundled=ENTITIES))
