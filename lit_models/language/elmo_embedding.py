"""ElmoEmbedding: word vectors and the mixed layers of a frozen ELMo, for classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor, nn

from lit_models.elmo import ELMo, words_hash
from lit_models.language.pretrained import Pretrained, pretrained
from lit_models.layers.embedding import WordEmbedding

if TYPE_CHECKING:
    from lit_models.base.classifier import LitClassifier

Elmo = Pretrained


class ElmoEmbedding(WordEmbedding):
    """[e_t; γ Σ_j s_j h_{t,j}] with s = softmax(w), of word t (Peters et al. 2018).

    e_t is the word vector and h_{t,j} layer j of the language model, which stays as it is: of its
    part only w and γ are learnt. Features are computed for each batch, by reading whole texts.

    Args:
        vocab_size: V.
        embedding_dim: E.
        word_dropout: see `WordEmbedding`; it drops words from the word vectors alone.
        dropout: probability of dropping a dimension of a text, of both parts.
        language_model: the language model, whose weights are frozen.

    Raises:
        ValueError: the language model has another number of words.
    """

    reads_texts: ClassVar[bool] = True

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        word_dropout: float,
        dropout: float,
        language_model: ELMo,
    ) -> None:
        super().__init__(vocab_size, embedding_dim, word_dropout, dropout)
        if language_model.vocab_size != vocab_size:
            raise ValueError(
                f"model.elmo has {language_model.vocab_size:,} words and the classifier "
                f"{vocab_size:,}; give both the same --data.vocab_size"
            )
        self.language_model = language_model.requires_grad_(False).eval()
        self.weights = nn.Parameter(torch.zeros(language_model.num_features))  # w
        self.scale = nn.Parameter(torch.ones(()))  # γ
        self.width += language_model.width

    def train(self, mode: bool = True) -> Self:
        """Switch all but the language model, whose dropouts stay off."""
        super().train(mode)
        self.language_model.eval()
        return self

    def check_vocabulary(self, words: Sequence[str]) -> None:
        """Refuse a language model that was fitted to other words.

        Raises:
            ValueError: it was.
        """
        if not torch.equal(self.language_model.vocabulary.cpu(), words_hash(words)):
            raise ValueError(
                f"model.elmo was fitted to another vocabulary than the {len(words):,} words of "
                "this corpus, so its rows are those of other words; fit it to the same corpus, "
                "with the same tokenizer and vocab_size: lit-sentiment fit -c elmo"
            )

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """float[B, T, E + 2H] from int64[B, T] tokens and int64[B] lengths."""
        assert lengths is not None, "ELMo reads each text from both of its ends"
        words = super().forward(tokens)  # [B, T, E]
        with torch.no_grad():
            layers = self.language_model.layers(tokens, lengths)  # L + 1 of [B, T, 2H]
        shares = self.scale * self.weights.softmax(dim=0)
        mixed = sum(share * layer for share, layer in zip(shares, layers, strict=True))
        return torch.cat([words, self.dropout(mixed)], dim=2)


def word_embedding(
    model: LitClassifier,
    vocab_size: int,
    embedding_dim: int,
    word_dropout: float,
    dropout: float,
    elmo: Elmo | None,
) -> WordEmbedding:
    """Embedding of a classifier, with a language model's features if `elmo` is given.

    The hyper-parameter `elmo` of the classifier becomes the settings of the language model. Its
    weights are saved with the classifier's, so that `load` needs no other folder.

    Raises:
        ValueError: the folder has no finished run of `elmo`, or one of another vocabulary's size.
    """
    sizes = vocab_size, embedding_dim, word_dropout, dropout
    if elmo is None:
        return WordEmbedding(*sizes)
    language_model, model.hparams["elmo"] = pretrained(ELMo, elmo, "model.elmo", "elmo")
    return ElmoEmbedding(*sizes, language_model)
