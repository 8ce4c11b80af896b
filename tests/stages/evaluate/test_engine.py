"""Units on several ranks against one process, on real ranks."""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.evaluate.config import EvaluateConfig
from stages.formats.documents import DocumentWriter
from stages.formats.kinds import KINDS
from stages.formats.results import read_results
from stages.model.config import MoEConfig
from stages.shared.contract import InputFile
from tests.stages.evaluate.tiny import TEXT, make_checkpoint, train_tokenizer
from tests.stages.evaluate.units import KILLED, STOPPED, Inputs, flat, run_units
from tests.stages.evaluate.world import CHOICE, GENERATED, define, questions
from tests.stages.gloo import run_ranks
from tests.stages.model.folders import random_release

TASKS: list[dict[str, Any]] = [
    {"task": "perplexity"},
    {"task": "choices", "num_fewshot": 1, "limit": 5},
    {"task": "texts", "limit": 5},
    {"task": "texts", "limit": 5, "tools": "used"},
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Return the inputs of a cell of each kind of request, for a dense model, one with experts, and a folder of
    transformers' with one key/value head for all ranks and one table for embedding and head.
    """
    folder = tmp_path_factory.mktemp("made")
    tokenizer = train_tokenizer(folder / "tok")
    with DocumentWriter(folder / "heldout.jsonl.zst") as writer:
        for number in range(3):
            words = random.Random(number).choices(TEXT.split(), k=200)
            writer.write({"id": str(number), "text": " ".join(words)})
    make_checkpoint(folder / "dense", tokenizer)
    make_checkpoint(folder / "experts", tokenizer, moe=MoEConfig(num_experts=4))
    random_release(folder / "release", {"num_kv_heads": 1, "tied_embeddings": True, "seq_len": 48}, vocab_size=400)
    shutil.copy(tokenizer, folder / "release")
    splits = {"test": questions(6), "train": questions(9, "t")}
    own = [path for name, keys in (("choices", CHOICE), ("texts", GENERATED)) for path in
           define(folder / "own", name, splits, **keys)]  # fmt: skip
    return {
        "checkpoints": tuple(InputFile(folder / name, name) for name in ("dense", "experts", "release")),
        "tokenizer": (InputFile(tokenizer, ""),),
        "heldout": (InputFile(folder / "heldout.jsonl.zst", "dump"),),
        "definitions": tuple(InputFile(path, path.name) for path in own),
    }


def config_of(layout: Mapping[str, int]) -> EvaluateConfig:
    settings = {"tasks": TASKS, "heldout": "x", "perplexity": {"documents": 3}, "batch_tokens": 16, "layout": layout}
    settings["toolbox"] = ["calculator", "calendar"]
    return EvaluateConfig.model_validate(settings)


def of(inputs: Inputs, source: str, **others: tuple[InputFile, ...]) -> Inputs:
    return {**inputs, "checkpoints": tuple(file for file in inputs["checkpoints"] if file.source == source), **others}


@pytest.fixture(scope="module")
def alone(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what one process makes of all units."""
    folder = tmp_path_factory.mktemp("alone")
    assert run_ranks(1, run_units, config_of({}), inputs, folder) == [0]
    return folder


def samples(folder: Path, unit: str) -> list[dict[str, Any]]:
    lines = (folder / unit / KINDS.samples.file).read_text().splitlines()
    return [json.loads(line) for line in lines]


def require_equal(folder: Path, alone: Path, source: str) -> None:
    """Require the results of one process: keys and texts equal, log-likelihoods to 1e-4."""
    for name in (f"{source}-perplexity", f"{source}-choices@1-shot,first5", f"{source}-texts@first5"):
        one, other = (read_results(each / name / KINDS.results.file) for each in (folder, alone))
        assert one.key == other.key
        assert [score.metric for score in one.scores] == [score.metric for score in other.scores]
        for ours, theirs in zip(one.scores, other.scores, strict=True):
            assert ours.value == pytest.approx(theirs.value, rel=1e-4)
        for ours_, theirs_ in zip(samples(folder, name), samples(alone, name), strict=True):
            assert flat(ours_["resps"]) == pytest.approx(flat(theirs_["resps"]), abs=1e-4)


@pytest.mark.parametrize(
    ("layout", "source"),
    [({"tp": 2}, "release"), ({"pp": 2}, "dense"), ({"pp": 2}, "release"), ({"ep": 2}, "experts")],
    ids=str,
)
def test_a_layout_gives_the_results_of_one_process(
    layout: dict[str, int], source: str, inputs: Inputs, alone: Path, tmp_path: Path
) -> None:
    assert run_ranks(2, run_units, config_of(layout), of(inputs, source), tmp_path) == [0, 0]
    require_equal(tmp_path, alone, source)


def test_a_unit_goes_on_where_its_rank_was_killed_or_asked_to_stop(inputs: Inputs, alone: Path, tmp_path: Path) -> None:
    dense, layout, unit = of(inputs, "dense"), {"tp": 2}, "dense-perplexity"
    codes = run_ranks(2, run_units, config_of(layout), dense, tmp_path, KILLED)
    assert codes[1] == -signal.SIGKILL
    assert codes[0] not in (None, 0), "the first rank ends when it loses the other one"
    assert not (tmp_path / unit / KINDS.results.file).exists()
    assert len(kept(tmp_path)) == 2
    shutil.rmtree(tmp_path / unit)
    assert run_ranks(2, run_units, config_of(layout), dense, tmp_path, STOPPED) == [0, 0]
    assert [(tmp_path / f"{unit}-{rank}").read_text() for rank in range(2)] == [STOPPED] * 2
    before = kept(tmp_path)
    assert len(before) == 3
    assert run_ranks(2, run_units, config_of(layout), dense, tmp_path) == [0, 0]
    assert kept(tmp_path)[:3] == before
    require_equal(tmp_path, alone, "dense")


def kept(folder: Path) -> list[str]:
    """Return the lines of the fullest file of answers."""
    files = sorted((folder / "shared").rglob("answers.jsonl"), key=lambda path: path.stat().st_mtime)
    return files[0].read_text().splitlines()


def test_a_unit_that_cannot_work_ends_on_all_ranks_and_the_next_ones_begin(inputs: Inputs, tmp_path: Path) -> None:
    with DocumentWriter(tmp_path / "empty.jsonl.zst") as writer:
        writer.write({"id": "1", "text": " \n"})
    empty = of(inputs, "dense", heldout=(InputFile(tmp_path / "empty.jsonl.zst", ""),))
    assert run_ranks(2, run_units, config_of({"tp": 2}), empty, tmp_path) == [0, 0]
    assert "no held-out document has a text" in (tmp_path / "dense-perplexity-0").read_text()
    assert not (tmp_path / "dense-perplexity-1").exists()
    assert (tmp_path / "dense-texts@first5" / KINDS.results.file).exists()
