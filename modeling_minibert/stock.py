"""Stock twins: a checkpoint as plain `bert`, and back."""
