"""LinearTransformer: the encoder of `transformer.py` with attention of linear cost."""

from __future__ import annotations

from typing import ClassVar

from lit_models.layers.self_attention import Kernel
from lit_models.transformer import Transformer


class LinearTransformer(Transformer):
    """Katharopoulos et al. 2020, "Transformers are RNNs", without the causal mask.

    As `Transformer`, but for each head
    A_h(X)_i = φ(q_i) S / (φ(q_i) · s), S = Σ_j φ(k_j)ᵀ v_j [d, d], s = Σ_j φ(k_j) [d],
    φ(x) = elu(x) + 1 > 0: weights φ(q_i) · φ(k_j) in place of exp(q_i · k_j / √d). S and s are
    computed once per text, so twice the words cost twice as much, not four times.
    At the default size 1,953,474 parameters, as `Transformer` has.

    Its settings are those of `Transformer`; attention_dropout is refused, as there are no attention
    weights to drop.
    """

    kernel: ClassVar[Kernel] = "linear"
