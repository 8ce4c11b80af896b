"""Completion in a real bash: verbs, flags, recipes, clusters, and runs as they are at each TAB."""

from __future__ import annotations

import subprocess
from pathlib import Path

import launch
from jobs.upkeep.completion import script


def complete(folder: Path, *words: str) -> set[str]:
    """Return what bash offers for the last of some words."""
    text = script(launch.make_parser(), "launch.py", ["demo", "web"], ["local", "north"])
    (folder / "completion").write_text(text)
    line = " ".join(f"'{word}'" for word in ("launch.py", *words))
    lines = f"source ./completion; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _stagecoach"
    done = subprocess.run(
        ["bash", "-c", f'{lines}; printf "%s\\n" "${{COMPREPLY[@]}}"'],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        check=True,
    )
    assert not done.stderr
    return set(done.stdout.split())


def test_words_fit_the_place(tmp_path: Path) -> None:
    for run in ("mine", "other"):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "run.json").touch()
    assert {"status", "adjust", "doctor"} <= complete(tmp_path, "")
    assert complete(tmp_path, "stat") == {"status"}
    assert complete(tmp_path, "run", "we") == {"web"}
    assert complete(tmp_path, "run", "web", "--cluster", "") == {"local", "north"}
    assert complete(tmp_path, "status", "") >= {"mine", "other", "--json", "--watch"}
    assert complete(tmp_path, "status", "mi") == {"mine"}
    assert complete(tmp_path, "adjust", "mine", "--thr") == {"--throttle"}
    assert complete(tmp_path, "runs", "x") == set()
