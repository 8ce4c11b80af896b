"""Three of ten checkpoints are kept, evaluated as one array, and the others pruned; kills lose nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.formats.documents import DocumentWriter
from stages.formats.results import read_results
from tests.launching import attempts, launch, metrics
from tests.stages.train.corpus import write_corpus

LOCAL = ("--cluster", "local")
KEPT = {"step-0000008", "step-0000016", "step-0000020"}
"""Of a checkpoint every 2 of 20 steps: multiples of 8, and the last."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data and a recipe; its run has trained, was killed in between, and kept ten checkpoints."""
    home = tmp_path_factory.mktemp("ten checkpoints")
    data = write_corpus(home / "data")
    with DocumentWriter(data / "heldout.jsonl.zst") as writer:
        writer.write({"id": "0", "text": "bace difo gully ranmel toksip."})
    pretrain = {
        "tokens": {"large": f"{data}/tokens-large.bin"},
        "tokenizer": f"{data}/tokenizer.model",
        "model": {"num_layers": 1, "dim": 32, "num_heads": 2, "seq_len": 32},
        **{"steps": 20, "global_batch": 4, "microbatch": 4, "warmup_steps": 2},
        **{"checkpoint_every": 2, "checkpoint_keep_every": 2},
    }
    evaluate = {"tokenizer": f"{data}/tokenizer.model", "heldout": f"{data}/heldout.jsonl.zst"}
    (home / "ten.yaml").write_text(yaml.safe_dump({"pretrain": pretrain, "evaluate": evaluate}))
    run(home, "pretrain", "--fault", "pretrain@13:kill")
    return home


def run(home: Path, target: str, *arguments: str) -> str:
    return launch("run", str(home / "ten.yaml"), *LOCAL, "--set", f"targets=[{target}]", *arguments, runs=home).stdout


def published(home: Path) -> list[set[str]]:
    """Return the checkpoints that each identity of the training has, those with the fewest first."""
    folders = (home / "ten" / "steps" / "pretrain").glob("*/published/*")
    return sorted(({path.name for path in folder.iterdir()} for folder in folders), key=len)


def submitted(home: Path, job: str) -> list[dict[str, Any]]:
    """Return the arrays of a job."""
    return [json.loads(path.read_text()) for path in (home / "ten" / "ledger" / "submissions" / job).iterdir()]


def test_three_of_ten_are_kept_evaluated_as_one_array_and_the_others_pruned(home: Path) -> None:
    assert len(attempts(home / "ten", "pretrain")) == 2
    assert [row["step"] for row in metrics(home / "ten", "pretrain")] == [*range(1, 21)]
    assert published(home) == [{f"step-{step:07d}" for step in range(2, 21, 2)}]
    keep = ("--set", "pretrain.checkpoint_keep_every=8")
    assert "goes on after step 20 of what it did with earlier settings" in run(home, "pretrain", *keep)
    assert published(home)[0] == KEPT

    run(home, "evaluate", *keep, "--fault", "evaluate/step-16/perplexity:kill")
    (array,) = submitted(home, "evaluate")
    assert len(attempts(home / "ten", "evaluate")) == len(array["elements"]) + 1
    units = sorted(unit.rpartition("_")[0] for element in array["elements"] for unit in element)
    assert units == ["final", "step-16", "step-8", "untrained"]
    results = (home / "ten" / "steps" / "evaluate").glob("*/units/*/results.json")
    assert sorted(read_results(path).key.source for path in results) == units

    listed = launch("prune", "ten", runs=home).stdout
    (line,) = [line for line in listed.splitlines() if line.startswith("pretrain/all.")]
    gone = line.split()[-1]
    assert len(published(home)) == 2
    assert "removed" in launch("prune", "ten", "--yes", runs=home).stdout
    assert published(home) == [KEPT]
    assert not [*Path(gone).glob("units/*")]
    assert "Nothing to do" in run(home, "evaluate", *keep)


def test_a_kept_checkpoint_that_a_purge_took_is_named_and_made_again_from_the_one_before(home: Path) -> None:
    (folder,) = (home / "ten" / "steps" / "pretrain").glob("*/published/*")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    next((folder / "step-0000016").glob("*.distcp")).unlink()
    state = launch("status", "ten", runs=home, check=1).stdout
    assert "pretrain/all lost: its output is damaged: step-0000016/" in state
    launch("heal", "ten", runs=home)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    log = max((home / "ten" / "logs" / "pretrain").iterdir(), key=lambda path: path.stat().st_mtime)
    assert "continuing after step 8 of 20" in log.read_text()
