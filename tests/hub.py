"""Hugging Face hub with one tiny BERT, served by a thread of this process."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPOSITORY = "bert-base-uncased"
_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"word{i}" for i in range(60)]


def make_bert(folder: Path) -> Path:
    """Writes a BERT with one layer of width 32 and a tokenizer of whole words."""
    import tokenizers
    import transformers

    folder.mkdir(parents=True)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(
        vocab_size=len(_WORDS), intermediate_size=48, max_position_embeddings=512, **sizes
    )
    transformers.BertModel(config).save_pretrained(folder)
    numbers = {word: number for number, word in enumerate(_WORDS)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = ("pad", "unk", "cls", "sep", "mask")
    special = {f"{n}_token": f"[{n.upper()}]" for n in names}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.save_pretrained(folder)
    return folder


@contextmanager
def hub(folder: Path, port: int) -> Iterator[list[str]]:
    """Serves a folder as `bert-base-uncased` on a port; yields the requested paths."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            prefix = f"/{REPOSITORY}/resolve/"
            if self.path.startswith(f"/api/models/{REPOSITORY}"):
                files = [{"rfilename": file.name} for file in sorted(folder.iterdir())]
                info = {"id": REPOSITORY, "sha": _COMMIT, "siblings": files, "tags": []}
                if "/tree/" not in self.path:  # there are no folders
                    self._answer(json.dumps(info).encode(), "application/json")
                    return
            file = folder / self.path.removeprefix(prefix).partition("/")[2].partition("?")[0]
            if not self.path.startswith(prefix) or not file.is_file():
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("X-Repo-Commit", _COMMIT)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._answer(file.read_bytes(), "application/octet-stream")

        do_HEAD = do_GET

        def _answer(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", _COMMIT)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, format: str, *values: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield paths
    finally:
        server.shutdown()
        server.server_close()
