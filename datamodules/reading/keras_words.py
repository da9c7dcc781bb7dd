"""Words of the Keras models that this suite grew out of."""

from __future__ import annotations

import tokenizers as hf

Steps = tuple[hf.normalizers.Normalizer, hf.pre_tokenizers.PreTokenizer]

KERAS_PATTERN = r"[a-z]+"


def keras_steps() -> Steps:
    """Markup removed, words of the letters a to z in lower case, without stop words."""
    steps = [
        hf.normalizers.Replace(hf.Regex(r"</?[A-Za-z][^<>]*>"), " "),  # markup
        # Before case is folded: a few letters of other alphabets fold to these.
        hf.normalizers.Replace(hf.Regex(r"[^A-Za-z]+"), " "),
        hf.normalizers.Lowercase(),
    ]
    splits = [
        hf.pre_tokenizers.Split(hf.Regex(KERAS_PATTERN), behavior="removed", invert=True),
        hf.pre_tokenizers.Split(hf.Regex(rf"\A(?:{'|'.join(stop_words())})\z"), behavior="removed"),
    ]
    return hf.normalizers.Sequence(steps), hf.pre_tokenizers.Sequence(splits)


def stop_words() -> list[str]:
    """The 318 English stop words of scikit-learn."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return sorted(ENGLISH_STOP_WORDS)
