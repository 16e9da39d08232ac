"""MiniBert in NumPy: forward and backward passes of the encoder and its heads, with gradients derived by hand.

Outputs and gradients equal those of the torch model up to rounding. Nothing here imports torch. Read in this order:

    blocks.py      operations: linear, layer norm, softmax, scaled dot-product attention, pooling
    layers.py      embeddings, multi-head attention, feed-forward, one encoder layer
    encoder.py     the encoder, its heads, and the whole model
    training.py    cross-entropy, SGD, AdamW
    weights.py     initial weights; reading and writing model.safetensors

`examples/numpy_from_scratch.py` trains a classifier with it.
"""
