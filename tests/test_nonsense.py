"""The front door under nonsense: no hang, no traceback, and a refusal that names the setting as the user wrote it."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import launch
from jobs.plan.cluster import Cluster
from jobs.plan.recipe import make_recipe
from jobs.runs import plan_run
from tests.nonsense import Generator, Nonsense

SEED = int(os.environ.get("STAGECOACH_NONSENSE", "10"))
COMMANDS = 500
EVERY = 20
"""One command of so many runs in a process of its own."""
LIMIT_S = 60


@pytest.fixture
def generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # nobody waits for a server that is not there
    (tmp_path / "documents.zst").write_bytes(b"x")
    values = {"name": "words", "tokenizer": {"documents": str(tmp_path / "documents.zst"), "vocab_size": 300}}
    run = plan_run(make_recipe(values), Cluster(name="local", kind="local"), tmp_path / "good", None)
    run.paths.root.mkdir(parents=True, mode=0o700)
    run.save()
    (tmp_path / "documents.zst").write_bytes(b"changed")  # so that `heal` has a reason to refuse
    return Generator(SEED, tmp_path, run.paths.root)


@contextlib.contextmanager
def within(seconds: int, what: Nonsense) -> Iterator[None]:
    def late(signum: int, frame: object) -> None:
        raise AssertionError(f"hangs: {what.argv}")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def call(what: Nonsense) -> tuple[int, str]:
    """Return the exit code and stderr of a command, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with within(LIMIT_S, what), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = launch.main(list(what.argv))
        except SystemExit as exit_:  # argparse
            code = int(exit_.code or 0)
    return code, err.getvalue()


def check(what: Nonsense, code: int, said: str) -> None:
    """Check an answer: it is understood, or refused in words that name what is wrong."""
    assert code in (0, 1, 2), (what.argv, code, said)
    assert "Traceback" not in said, (what.argv, said)
    assert "\x1b" not in said, (what.argv, said)
    if code == 2:
        assert any(name in said for name in what.names), (what, said)


def test_nonsense_is_answered_in_a_sentence_that_names_the_setting(
    generator: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = 0
    for number, what in enumerate(generator.commands(COMMANDS)):
        if number % EVERY or any("\0" in word for word in what.argv):
            code, said = call(what)
        else:
            words = [os.fsencode(word) for word in (sys.executable, launch.__file__, *what.argv)]
            done = subprocess.run(words, capture_output=True, timeout=LIMIT_S, check=False)
            code, said = done.returncode, done.stderr.decode(errors="replace")
        check(what, code, said)
        refused += code == 2
    assert refused > COMMANDS / 2
    assert not list(generator.folder.rglob("pwned"))
