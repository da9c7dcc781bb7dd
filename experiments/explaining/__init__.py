"""Explanations: what each token of a text contributes to a prediction, and how faithful that is."""
