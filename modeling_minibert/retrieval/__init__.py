"""Search: collections, BM25, dense indexes, rankers, and their measures."""
