"""The layers of the Keras models that this suite grew out of, kept for comparison."""
