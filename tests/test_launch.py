"""The command line: quick, light, and clear about mistakes."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import launch as door

ROOT = Path(__file__).resolve().parent.parent
LAUNCH = ROOT / "launch.py"
HEAVY = ("torch", "numpy", "transformers", "datatrove", "megatron", "lm_eval", "sentencepiece")


def launch(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, LAUNCH, *arguments],
        env={**os.environ, "STAGECOACH_ENV": "none", "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def cpu_of_children() -> float:
    """Return the CPU seconds of processes that have ended: a busy machine does not change them."""
    times = os.times()
    return times.children_user + times.children_system


def test_help_answers_at_once_without_any_environment() -> None:
    # -S -E -I: the standard library and nothing else, as on a login node where nothing has been installed yet.
    took = []
    for _ in range(3):
        began = cpu_of_children()
        done = subprocess.run([sys.executable, "-ISE", LAUNCH, "--help"], capture_output=True, text=True, check=False)
        took.append(cpu_of_children() - began)
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


def test_a_word_that_steers_a_terminal_is_refused_as_an_escape() -> None:
    done = launch("plan", "demo", "--\x1b[2J")
    assert (done.returncode, "\x1b" in done.stderr, r"--\x1b[2J" in done.stderr) == (2, False, True)


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


def test_ctrl_c_while_the_launcher_is_imported_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupting:
        @staticmethod
        def find_spec(name: str, *more: object) -> None:
            if name == "jobs.verbs":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "jobs.verbs", raising=False)
    monkeypatch.delattr("jobs.verbs", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting, *sys.meta_path])
    assert door.main(["status", "nothing"]) == 130
    assert capsys.readouterr().err == ""


def test_names_that_no_character_set_has_are_printed_as_escapes(tmp_path: Path) -> None:
    words = [sys.executable, str(LAUNCH), "plan", "demo", "--cluster=local", b"--name=\xff", "--runs", str(tmp_path)]
    environment = {**os.environ, "STAGECOACH_ENV": "none", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert rb"\udcff" in done.stdout


@pytest.mark.parametrize("runs", ["/dev/null", "/proc/none", "/etc/passwd/x"])
def test_an_unusable_folder_of_runs_is_a_sentence_with_its_name(runs: str) -> None:
    done = launch("run", "demo", "--cluster", "local", "--runs", runs)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith(f"launch.py run: {runs}")


def test_a_full_disk_is_a_sentence_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, data: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setenv("STAGECOACH_ENV", "none")  # no other Python takes the place of this one
    monkeypatch.setattr("stages.shared.files.write_atomic", full)
    assert door.main(["run", "demo", "--cluster", "local", "--runs", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"launch.py run: {tmp_path}/demo/run.json: the disk is full. Free some")
