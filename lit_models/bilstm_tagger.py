"""BiLSTM tagger: each word's tag on its own, from what is before and behind it."""

from __future__ import annotations

from lit_models.tagging.recurrent import RecurrentTagger


class BiLSTMTagger(RecurrentTagger):
    """Graves & Schmidhuber 2005, "Framewise Phoneme Classification with Bidirectional LSTM".

    With word vectors e_t = E[x_t], each word has the distribution
        p(y_t | x) = softmax(W [→h_t; ←h_t] + b),
    and tags are independent given the words. To put punctuation back after Tilk & Alumäe 2015,
    "LSTM for Punctuation Restoration in Speech Transcripts", here with both directions.
    Shapes: tokens [B, T] → e [B, T, 128] → states [B, T, 384] → scores [B, T, 15].
    At the default size 4,340,367 parameters: 30,000 × 128 word vectors, 494,592 in the BiLSTM
    (2 × (768 × (128 + 192) + 2 × 768)), 384 × 15 + 15 of the output.

    Args: see `RecurrentTagger`.
    """
