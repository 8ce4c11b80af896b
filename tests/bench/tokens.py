"""Documents to tokens, beside datatrove's DocumentTokenizer and the loop of Megatron's preprocess_data.

All three read the same documents (sources of Python's library, and Chinese articles of the sample world) and encode
them with the same vocabulary. Their ids are compared. Rates are of processor time: tokens a second and core.

python -m tests.bench.tokens [--rounds 3] [--only one|two|memory] [--check]
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import os
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer
from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder

from stages.formats.documents import DocumentWriter
from stages.formats.tokenizer import Tokenizer
from stages.sample.chinese import article
from stages.sample.draw import Draw
from stages.sample.world import make_world
from stages.shared.contract import InputFile
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.hf import to_tokenizer_json
from stages.tokenizer.spm import train
from stages.tokens.config import TokensConfig
from stages.tokens.encode import PART, run
from tests.bench.compare import Comparison, add_options, alternate, one_core, show
from tests.bench.memory import grown_mb
from tests.stages.harness import make_task

MB = 32.0
VOCABULARY = 16_000
TRAINING = 300
"""Documents that the vocabulary is trained on."""
FASTER, SLOWER = 4.0, 5.0
"""Least ratios to the faster and to the slower of the two others."""
FLAT_MB = 80.0
"""Growth of the resident size that counts as flat; the table of known chunks takes 54 MB."""


def documents(mb: float) -> list[str]:
    """Return sources of Python's library, as many MB, with a Chinese article behind every fourth."""
    world, found, size = make_world(0), [], 0
    for number, path in enumerate(sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"))):
        if size >= mb * 1e6:
            break
        found.append(path.read_text(errors="replace"))
        size += len(found[-1])
        if number % 4 == 0:
            found.append("\n".join(article(world, Draw("bench", number))[1]))
    return [text for text in found if text]  # datatrove's reader drops empty ones


@functools.cache
def corpus(mb: float = MB) -> Path:
    """Write documents and tokenizer into a folder of this process and return it."""
    folder = Path(tempfile.mkdtemp(prefix="bench-tokens-"))
    texts = documents(mb)
    with DocumentWriter(folder / "documents.jsonl.zst") as writer, (folder / "documents.jsonl").open("w") as plain:
        for number, text in enumerate(texts):
            document = {"id": f"d{number}", "text": text}
            writer.write(document)
            plain.write(json.dumps(document, ensure_ascii=False) + "\n")
    lines = [line for text in texts[:: max(1, len(texts) // TRAINING)] for line in text.splitlines(keepends=True)]
    content = train(lines, TokenizerConfig(documents="unused", vocab_size=VOCABULARY))
    (folder / "tokenizer.model").write_bytes(content)
    (folder / "tokenizer.json").write_text(to_tokenizer_json(content))
    return folder


def ours(folder: Path, out: Path) -> np.ndarray:
    """Encode as the stage does; return the ids."""
    config = TokensConfig(documents="unused", tokenizer="unused", heldout=0.0)
    inputs = {
        "documents": (InputFile(folder / "documents.jsonl.zst", "s", mb=MB),),
        "tokenizer": (InputFile(folder / "tokenizer.model", ""),),
    }
    task = make_task(config, config.plan(inputs).steps[0], 0, inputs, out)
    run(task)
    return np.fromfile(task.out / PART, np.uint16)


def datatrove(folder: Path, out: Path) -> np.ndarray:
    """Encode with datatrove's block; return the ids."""
    end = Tokenizer(folder / "tokenizer.model").pieces()[2]
    LocalPipelineExecutor(
        [
            JsonlReader(str(folder), glob_pattern="documents.jsonl.zst", compression="zstd"),
            DocumentTokenizer(
                str(out / "tokens"), str(folder / "tokenizer.json"), eos_token=end, shuffle_documents=False
            ),
        ],
        logging_dir=str(out / "logs"),
    ).run()
    return np.fromfile(next((out / "tokens").glob("*.ds")), np.uint16)


def megatron(folder: Path, out: Path) -> np.ndarray:
    """Encode as preprocess_data does: a line, its JSON, SentencePiece, a document of the builder. Return the ids."""
    out.mkdir(parents=True)
    tokenizer = Tokenizer(folder / "tokenizer.model")
    builder = IndexedDatasetBuilder(str(out / "d.bin"), dtype=DType.optimal_dtype(tokenizer.vocab_size))
    with (folder / "documents.jsonl").open() as lines:
        for line in lines:
            ids = [*tokenizer.encode(json.loads(line)["text"]), tokenizer.eos_id]
            builder.add_document(ids, [len(ids)])
    builder.finalize(str(out / "d.idx"))
    return np.fromfile(out / "d.bin", np.uint16)


Way = Callable[[Path, Path], np.ndarray]


def timed(way: Way, processes: int) -> Callable[[], float]:
    """Return what encodes the corpus in so many processes at once and returns the number of tokens."""
    folder = corpus()

    def once() -> float:
        with tempfile.TemporaryDirectory() as made:
            outs = [Path(made) / str(place) for place in range(processes)]
            if processes == 1:
                return float(len(way(folder, outs[0])))
            fork = multiprocessing.get_context("fork")
            children = [fork.Process(target=way, args=(folder, out)) for out in outs]
            for child in children:
                child.start()
            for child in children:
                child.join()
                if child.exitcode:
                    raise AssertionError(f"a process ended with {child.exitcode}")
            return float(TOKENS[0] * processes)

    return once


TOKENS: list[int] = []
"""The number of the corpus' tokens, once all three ways have given the same ids."""


def check_ids() -> None:
    """Raise AssertionError unless all three ways give the same ids. Warms all of them up."""
    if TOKENS:
        return
    with tempfile.TemporaryDirectory() as made:
        found = [way(corpus(), Path(made) / way.__name__) for way in (ours, datatrove, megatron)]
    for other in found[1:]:
        if not np.array_equal(found[0], other):
            raise AssertionError(f"other ids: {len(found[0])} against {len(other)}")
    TOKENS.append(len(found[0]))


def compare(processes: int, rounds: int) -> list[Comparison]:
    """Compare with both others, the faster of which asks for less."""
    one_core()
    check_ids()
    rates = {
        way.__name__: alternate(timed(ours, processes), timed(way, processes), rounds) for way in (datatrove, megatron)
    }
    faster = max(rates, key=lambda name: rates[name][1])
    return [
        Comparison(f"{processes} process", "tokens", *rate, name, FASTER if name == faster else SLOWER)
        for name, rate in rates.items()
    ]


def compare_memory(_rounds: int) -> list[Comparison]:
    """Compare the growth of the resident size with the bound, on the corpus and on four times as much."""
    check_ids()
    with tempfile.TemporaryDirectory() as made:
        peak = grown_mb()
        ours(corpus(), Path(made) / "once")
        small = peak()
        peak = grown_mb()
        ours(corpus(4 * MB), Path(made) / "four")
        large = peak()
    return [
        Comparison(
            "memory", "MB", FLAT_MB, max(small, large), "growth", 1.0, f"{small:.0f} MB, four times: {large:.0f}"
        )
    ]


def main() -> int:
    """Measure and print."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    subjects: dict[str, Callable[[int], list[Comparison]]] = {
        "one": functools.partial(compare, 1),
        "two": functools.partial(compare, 2),
        "memory": compare_memory,
    }
    add_options(parser, subjects)
    return show(subjects, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
