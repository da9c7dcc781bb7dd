"""Word vectors by gensim, from a file of texts to the vectors."""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path
from typing import Any


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Measure counting the words and learning the vectors.

    Args:
        job: `file`: a text in each line, its words divided by spaces; `settings`: arguments of
            `Word2Vec`; `seed`; `threads`.
    """
    from gensim.models import Word2Vec

    started = time.perf_counter()
    model = Word2Vec(
        corpus_file=job["file"],
        workers=job["threads"],
        seed=job["seed"],
        **job["settings"],
    )
    return {
        "seconds": time.perf_counter() - started,
        "parameters": int(model.wv.vectors.size),
        "words": len(model.wv),
    }


def versions() -> dict[str, str]:
    """Versions of what is measured."""
    import gensim
    import numpy as np

    found = {"gensim": gensim.__version__, "numpy": np.__version__}
    return {"python": platform.python_version(), **found}


def main() -> None:
    """Print the result as JSON on the last line."""
    word = sys.argv[1]
    result = versions() if word == "--versions" else measure(json.loads(Path(word).read_text()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
