"""Train a sentence encoder, from scratch or from a checkpoint, and show the nearest sentences of a few queries.

    python examples/train_sentence_encoder.py

trains a small MiniBert and its WordPiece vocabulary on the everyday sentences of `examples/data/everyday` (Indonesian
and English, written for this project), offline. Sentences of one topic belong together, in either language. It prints
the scores on sentences that train does not have, beside tf-idf. On your own data:

    python examples/train_sentence_encoder.py --train_file pairs.csv --text_column_name id --text_pair_column_name en
    python examples/train_sentence_encoder.py --train_file sts.csv --score_column_name score --score_scale 5
    python examples/train_sentence_encoder.py --objective simcse --train_file text.txt --model_name_or_path out/minibert
    python examples/train_sentence_encoder.py --objective dpr --collection folder --two_encoders --similarity dot
    python examples/train_sentence_encoder.py --objective dpr --per_device_train_batch_size 512 --gradient_cache 32
    python examples/train_sentence_encoder.py --recipe examples/recipes/facqa_dpr.args --collection folder

`dpr` reads a collection in the layout of BEIR (corpus, queries, qrels) and adds hard negatives from BM25; `simcse`
needs text alone. The script writes the encoder with its code and tokenizer, a model card and all_results.json into
`--output_dir`, where `SentenceEncoder.load` and sentence-transformers open it. It takes all arguments of
`transformers.TrainingArguments`.
"""

from modeling_minibert.retrieval.train_encoder import main
from modeling_minibert.training.script_arguments import run_script

if __name__ == "__main__":
    run_script(main)
