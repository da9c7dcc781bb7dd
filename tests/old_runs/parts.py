"""Parts of make.sh: what no command of lit-sentiment does."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

TEXTS = [
    "A wonderful film, I loved every scene.",
    "A boring plot and an awful cast. It was a waste of an evening!",
    "The story isn't new<br />but the music is good, and so is her unheardof brother's joke.",
]


def encoder(folder):
    """A BERT of two layers, 8 wide, with word pieces of the corpus."""
    import csv

    import tokenizers
    import torch
    import transformers

    torch.manual_seed(0)
    texts = [row["review"] for row in csv.DictReader(open("corpus/train.csv", encoding="utf-8"))]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    pieces = tokenizers.trainers.WordPieceTrainer(
        vocab_size=200, special_tokens=special, show_progress=False
    )
    made.train_from_iterator(texts, pieces)
    made.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    assert made.get_vocab_size() == 200, made.get_vocab_size()
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.BertConfig(
        vocab_size=200, intermediate_size=8, max_position_embeddings=64, **sizes
    )
    transformers.BertModel(config).save_pretrained(folder)
    names = ("pad", "unk", "cls", "sep", "mask")
    named = {f"{n}_token": f"[{n.upper()}]" for n in names}
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, **named).save_pretrained(folder)


def shrink(run, share=0.02):
    """Leaves the largest weights of each tensor, with few digits, and deflates the file."""
    import torch

    file = Path(run) / "model.ckpt"
    state = torch.load(file, map_location="cpu", weights_only=True)
    for tensor in state["state_dict"].values():
        if tensor.is_floating_point() and tensor.numel() > 1000:
            kept = max(200, int(share * tensor.numel()))
            least = tensor.abs().flatten().topk(kept).values[-1]
            norm = tensor.norm()
            tensor[tensor.abs() < least] = 0
            tensor.mul_(norm / tensor.norm()).copy_(tensor.bfloat16().float())
    torch.save(state, file)
    deflate(file)


def deflate(file):
    """Writes a checkpoint's archive again, compressed, which torch reads as well."""
    with zipfile.ZipFile(file) as old:
        parts = [(entry.filename, old.read(entry)) for entry in old.infolist()]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name, content in parts:
            new.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def submissions(folder):
    """What the launcher for Slurm would have written of three jobs, with made-up numbers."""
    from experiments.results import read_row
    from experiments.slurm import SlurmLauncher, Submission

    launcher = object.__new__(SlurmLauncher)
    launcher.folder, launcher.place = Path(folder), Path(folder) / "slurm"
    runs = [f"/home/user/lit-sentiment/{folder}/{name}/seed-0" for name in ("bag", "cnn")]
    hashes = [read_row(Path(folder) / name / "seed-0").config_hash for name in ("bag", "cnn")]
    launcher.submissions = [
        Submission("lit-sentiment 0123456789ab", "4711", runs, hashes),
        Submission("lit-sentiment ba9876543210", "4712", runs[:1], hashes[:1]),
    ]
    launcher._write()


def official(*words):
    """A command of lit-sentiment whose evaluations go to a log here."""
    from experiments import evaluation_log
    from experiments.cli import main

    evaluation_log.LOG = Path("test_log.jsonl")
    assert main(list(words)) == 0


def stop(signs, run, *words):
    """A command of lit-sentiment that is asked to stop when it has written files, in this order."""
    command = [sys.executable, "-W", "ignore", "-m", "experiments", *words]
    files = [Path(run) / name for name in signs.split(",")]
    process = subprocess.Popen(command)
    while True:
        assert process.poll() is None, "it ended before it was asked to"
        try:
            times = [file.stat().st_mtime_ns for file in files]
        except FileNotFoundError:
            times = []
        if times and times == sorted(times):
            break
        time.sleep(0.002)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 130
    assert (Path(run) / "resume.ckpt").exists()


def elsewhere(value):
    """The same checkpoint, with a made-up place of the repository."""
    import torch

    if isinstance(value, str):
        return value.replace(f"{Path.cwd()}/", "/home/user/lit-sentiment/")
    if isinstance(value, torch.Tensor) or not isinstance(value, dict | list | tuple):
        return value
    if isinstance(value, dict):
        for key in list(value):  # in place: it may be an OrderedDict with metadata
            value[elsewhere(key)] = elsewhere(value.pop(key))
        return value
    return type(value)(elsewhere(one) for one in value)


def keep():
    """The vectors of the cache; of all else what is needed, without this machine's paths."""
    cache = Path(os.environ["LIT_SENTIMENT_CACHE"])
    for folder in sorted(cache.glob("vectors/*/")):
        meta = json.loads((folder / "meta.json").read_text())
        wanted = ("Word2Vec", "GloVe", "VectorFile", "FastText", None)
        if (kind := meta.get("settings", {}).get("class")) not in wanted:
            continue
        if kind == "Word2Vec" and meta["settings"]["architecture"] != "cbow":
            continue
        shutil.copytree(folder, Path("cache/vectors") / folder.name)
        if "source" in meta:
            store = Path("stores") / meta["source"]["store"]
            (Path("cache") / store).mkdir(parents=True, exist_ok=True)
            shutil.copy(cache / store / "tokenizer.json", Path("cache") / store)
    for pattern in ("log.txt", ".*.lock", "report*", "lightning_logs"):
        for file in Path("runs").rglob(pattern):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    for file in Path("runs").glob("*/results.jsonl"):
        if file.parts[1] != "bench":
            file.unlink()
    for trial in Path("runs").glob("sweep-*/trial-*/"):
        for file in trial.iterdir():
            if file.name not in ("row.json", "config.yaml"):
                file.unlink()
    here = re.escape(f"{Path.cwd()}/")
    for kind in ("*.yaml", "*.json", "*.journal"):
        for file in Path("runs").rglob(kind):
            text = file.read_text(encoding="utf-8")
            if (changed := re.sub(here, "", text)) != text:
                print("a path of this machine taken out of", file)
                file.write_text(changed, encoding="utf-8")
    import torch

    for file in Path("runs").rglob("resume.ckpt"):
        state = torch.load(file, map_location="cpu", weights_only=True)
        print(file, "stopped at step", state["global_step"], "of epoch", state["epoch"])
        torch.save(elsewhere(state), file)


def expected():
    """What each run predicts, and its row's hash; what its or kept word vectors answer."""
    from experiments.predictor import Predictor
    from experiments.results import read_row
    from experiments.word_table import answer

    found = {}
    for row in sorted(Path("runs").glob("*/*/seed-0/row.json")):
        told = Predictor(row.parent)(TEXTS)
        found[str(row.parent)] = {
            "config_hash": read_row(row.parent).config_hash,
            "probabilities": [[round(float(p), 6) for p in one] for one in told],
        }
    near = [Path("runs/old") / name / "seed-0" for name in ("cnn", "vector_average_logreg")]
    near += sorted(Path("cache/vectors").iterdir())
    answers = {str(place): answer("neighbours", place, ["film"]) for place in near}
    bag = "runs/old/centroids_logreg/seed-0"
    content = {"texts": TEXTS, "runs": found, "neighbours": answers}
    content["clusters"] = {bag: answer("clusters", Path(bag), ["film"])}
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
