"""What several test modules share: random models, comparisons, fresh processes."""
