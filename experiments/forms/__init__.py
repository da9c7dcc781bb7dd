"""Models as modules of plain tensors, for other programs and for explanations."""
