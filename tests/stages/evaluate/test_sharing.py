import errno
import fcntl
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.evaluate import sharing
from stages.evaluate.config import EvaluateConfig, PerplexityConfig
from stages.evaluate.sharing import answers_file, model_digest
from stages.formats.documents import DocumentWriter
from stages.formats.results import read_results
from stages.shared.contract import InputFile
from stages.shared.errors import Checkpointed
from stages.shared.task import Task
from tests.stages.evaluate.tiny import TEXT, make_checkpoint, train_tokenizer
from tests.stages.harness import make_task, run_unit

ROOT = Path(__file__).parents[3]
Inputs = dict[str, tuple[InputFile, ...]]
CONFIG = EvaluateConfig(heldout="from:tokens", perplexity=PerplexityConfig(documents=3), batch_tokens=100)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Return checkpoints `final` and `best` with the weights of seed 0, `best` with those of an earlier step's state,
    and `other` with those of seed 1.
    """
    folder = tmp_path_factory.mktemp("made")
    tokenizer = train_tokenizer(folder / "tok")
    with DocumentWriter(folder / "heldout.jsonl.zst") as writer:
        for number, text in enumerate(TEXT.splitlines()):
            writer.write({"id": str(number), "text": text})
    make_checkpoint(folder / "final", tokenizer)
    make_checkpoint(folder / "best", tokenizer, step=7)
    make_checkpoint(folder / "other", tokenizer, seed=1)
    return {
        "checkpoints": tuple(InputFile(folder / name, name) for name in ("final", "best", "other")),
        "tokenizer": (InputFile(tokenizer, ""),),
        "heldout": (InputFile(folder / "heldout.jsonl.zst", "dump"),),
    }


def answers(folder: Path) -> list[list[str]]:
    """Return the lines of each file of answers, the fullest first."""
    files = sorted((folder / "shared").rglob("answers.jsonl"), key=lambda path: -path.stat().st_size)
    return [path.read_text().splitlines() for path in files]


def test_checkpoints_with_equal_weights_are_asked_once_and_have_results_of_their_own(
    inputs: Inputs, tmp_path: Path
) -> None:
    *_, step = CONFIG.plan(inputs).steps
    run_unit(CONFIG, step, 0, inputs, tmp_path)
    (once,) = answers(tmp_path)
    run_unit(CONFIG, step, 1, inputs, tmp_path)
    assert answers(tmp_path) == [once]
    run_unit(CONFIG, step, 2, inputs, tmp_path)
    assert len(answers(tmp_path)) == 2
    final, best, other = (read_results(tmp_path / f"steps/step/0000{place}/results.json") for place in range(3))
    assert [each.key.source for each in (final, best, other)] == ["final", "best", "other"]
    assert final.key.checkpoint != best.key.checkpoint  # each the identity of its own folder
    assert final.scores == best.scores != other.scores


def test_weights_apart_from_model_and_tokenizer_are_not_equal(inputs: Inputs, tmp_path: Path) -> None:
    final, best, other = (file.path for file in inputs["checkpoints"])
    assert model_digest(final) == model_digest(best) != model_digest(other)
    for name, value in (("tokenizer_sha256", "other"), ("model", None)):
        copy = shutil.copytree(final, tmp_path / name)
        state = json.loads((copy / "state.json").read_text())
        state[name] = value or {**state["model"], "rope_theta": 5e5}
        (copy / "state.json").write_text(json.dumps(state))
        assert model_digest(copy) != model_digest(final)


@pytest.fixture
def unit(inputs: Inputs, tmp_path: Path) -> Task[Any]:
    *_, step = CONFIG.plan(inputs).steps
    return make_task(CONFIG, step, 0, inputs, tmp_path)


HOLDER = """
import signal, sys
from pathlib import Path
from stages.evaluate.sharing import answers_file
from stages.shared.contract import StageConfig
from stages.shared.task import Task
here = Path(sys.argv[1])
places = {name: here for name in ("out", "work", "shared", "run_dir")}
task = Task(config=StageConfig(), step="", unit="final/facts", inputs={}, **places)
with answers_file(task, "weights", "facts") as path:
    path.write_text("answered\\n")
    print("holds", flush=True)
    signal.pause()
"""


def test_a_unit_waits_for_the_answers_of_another_and_takes_over_when_that_is_killed(unit: Task[Any]) -> None:
    command = [sys.executable, "-c", HOLDER, str(unit.shared)]
    found: list[str] = []

    def second() -> None:
        with answers_file(unit, "weights", "facts") as path:
            found.append(path.read_text())

    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "holds\n"
        with answers_file(unit, "weights", "perplexity"), answers_file(unit, "other weights", "facts"):
            pass  # these are others' answers
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(2 * sharing.WAIT_S)
        assert found == []
        first.send_signal(signal.SIGKILL)
        waiting.join(timeout=30)
    assert found == ["answered\n"]


def test_a_unit_that_waits_can_be_stopped(unit: Task[Any]) -> None:
    stopping = replace(unit, should_stop=lambda: True)
    with (
        answers_file(unit, "weights", "facts"),
        pytest.raises(Checkpointed),
        answers_file(stopping, "weights", "facts"),
    ):
        pass


def test_where_the_file_system_has_no_locks_each_unit_answers_by_itself(
    unit: Task[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with answers_file(unit, "weights", "facts") as path:
        assert path == unit.work / "answers.jsonl"
