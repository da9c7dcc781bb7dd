"""Published word vectors: GloVe, fastText and character n-grams, under torchtext's names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from datamodules.reading.download import download_resumable, extract
from datamodules.store.cache import locked
from datamodules.vectors.files import VectorFile


class _Published(VectorFile):
    """File in the cache's `downloads`, downloaded if it is missing."""

    strict = False  # the large ones have a few words twice

    def __init__(self, name: str, url: str, dim: int | None) -> None:
        super().__init__(name, dim)
        self._url = url

    def place(self, downloads: Path) -> Path:
        """Path of the file, downloaded and extracted if it is missing.

        Raises:
            DataError: there is no network, or the archive is damaged; the message names the file
                to get by hand.
        """
        file = downloads / self.path
        archive = downloads / self._url.rpartition("/")[2]
        with locked(file):
            if not file.exists():
                if not archive.exists():
                    download_resumable(self._url, archive)
                if archive != file:
                    extract(archive, file)
        return file


class PretrainedGloVe(_Published):
    """GloVe (Pennington et al. 2014) as its authors trained it.

    Args:
        name: training text: Wikipedia and news (`6B`), the web (`42B`; `840B` with case), Twitter.
        dim: d, width of a vector: 50, 100, 200 or 300 for `6B`, 300 for the web, 25, 50, 100 or 200
            for Twitter.

    Raises:
        ValueError: there are no vectors of this width.
    """

    def __init__(
        self, name: Literal["6B", "42B", "840B", "twitter.27B"] = "6B", dim: int = 300
    ) -> None:
        from torchtext.vocab import GloVe

        widths = {"6B": (50, 100, 200, 300), "twitter.27B": (25, 50, 100, 200)}.get(name, (300,))
        if dim not in widths:
            raise ValueError(f"dim is {dim}; GloVe {name} has widths {widths}")
        super().__init__(f"glove.{name}.{dim}d.txt", GloVe.url[name], dim)


class PretrainedFastText(_Published):
    """fastText (Bojanowski et al. 2017) as its authors trained it on Wikipedia; d = 300.

    Args:
        language: code of the language, such as `en`.
    """

    def __init__(self, language: str = "en") -> None:
        from torchtext.vocab import FastText

        url = FastText.url_base.format(language)
        super().__init__(url.rpartition("/")[2], url, 300)


class PretrainedCharNGram(_Published):
    """Mean of the vectors of a word's character 2–4-grams (Hashimoto et al. 2017); d = 100."""

    def __init__(self) -> None:
        from torchtext.vocab import CharNGram

        super().__init__(CharNGram.name, CharNGram.url, 100)

    def look_up(
        self, words: Sequence[str], values: np.ndarray, vocabulary: Sequence[str]
    ) -> dict[int, np.ndarray]:
        from torchtext.vocab import CharNGram

        ngrams = CharNGram.__new__(CharNGram)  # its constructor would parse or unpickle a file
        ngrams.itos, ngrams.stoi = list(words), {word: row for row, word in enumerate(words)}
        ngrams.vectors, ngrams.dim = torch.from_numpy(values), values.shape[1]
        ngrams.unk_init = torch.Tensor.zero_
        vectors = ((place, ngrams[word][0].numpy()) for place, word in enumerate(vocabulary))
        return {place: vector for place, vector in vectors if vector.any()}
