"""The command line: quick, light, and clear about mistakes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAUNCH = ROOT / "launch.py"
HEAVY = ("torch", "numpy", "transformers", "datatrove", "megatron", "lm_eval", "sentencepiece")


def launch(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, LAUNCH, *arguments],
        env={**os.environ, "STAGECOACH_ENV": "none", "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_answers_at_once_without_any_environment() -> None:
    # -S -E -I: the standard library and nothing else, as on a login node where nothing has been installed yet.
    took = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-ISE", LAUNCH, "--help"], capture_output=True, text=True, check=False)
        took.append(time.perf_counter() - began)
        assert done.returncode == 0, done.stderr
        assert "launch.py demo" in done.stdout
    assert min(took) < 0.5


def test_no_arguments_at_all_are_met_with_help() -> None:
    done = launch()
    assert done.returncode == 0
    assert "start here" in done.stdout


@pytest.mark.parametrize(
    "module", ["launch", "jobs.verbs", "jobs.run.worker", "jobs.run.attempt_end", "jobs.run.ranks"]
)
def test_the_launcher_and_the_wrappers_of_a_task_import_nothing_heavy(module: str) -> None:
    probe = f"import sys, {module}; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.parametrize(
    "verb", ["plan", "run", "status", "logs", "heal", "cancel", "report", "doctor", "demo", "test"]
)
def test_every_verb_explains_itself(verb: str) -> None:
    done = subprocess.run([sys.executable, LAUNCH, verb, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert f"launch.py {verb}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan", "dmeo", "--cluster", "local"), "did you mean 'demo'"),
        (("plan", "demo", "--cluster", "locla"), "did you mean 'local'"),
        (("plan", "demo", "--cluster", "local", "--set", "web.dedupe=1"), "did you mean 'dedup'"),
        (("plan", "demo", "--cluster", "local", "--set", "pretrain.steps"), "section.key=value"),
        (("plan", "demo", "--cluster", "local", "--set", "tokens.documents=from:wbe"), "did you mean 'web'"),
        (("plan", "demo", "--cluster", "local", "--name", "a/b"), "--name = 'a/b': must be a folder name"),
        (("run", "demo", "--cluster", "local", "--fault", "boom"), "pretrain@120:kill"),
        (("status", "nothing"), "there is none yet"),
        (("heal", "nothing"), "there is none yet"),
    ],
)
def test_a_mistake_is_one_line_without_a_traceback(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = launch(*arguments, STAGECOACH_RUNS=str(tmp_path))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith(f"launch.py {arguments[0]}: ")
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_verb_is_refused() -> None:
    done = launch("conquer")
    assert done.returncode == 2
    assert "invalid choice: 'conquer'" in done.stderr


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    words = [sys.executable, str(LAUNCH), "plan", "demo", "--cluster", "local", "--runs", str(tmp_path), "--sbatch"]
    command = f"{shlex.join(words)} | head -1; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "STAGECOACH_ENV": "none"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "#!/bin/bash\n"
    assert done.returncode in (0, 141)
    assert "Traceback" not in done.stderr
