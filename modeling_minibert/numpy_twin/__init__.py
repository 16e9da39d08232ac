"""MiniBert in NumPy: the encoder and its heads, forward and backward, with every gradient derived by hand.

Read `blocks.py` (operations), `layers.py` (attention, feed-forward, one layer), `encoder.py` (the whole model), then
`training.py` (loss, SGD, AdamW). `weights.py` reads and writes the weights of a torch MiniBert. No file imports torch.
"""
