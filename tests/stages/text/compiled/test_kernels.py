import os
import shutil
import subprocess
import sys
from pathlib import Path

from stages.text.compiled.kernels import ROOM, kernel_digest, sources_digest

ROOT = Path(__file__).parents[4]
SCRIPT = """
from stages.text.compiled.kernels import kernel
from mod import double
print(double(21), sum(double.stats.cache_hits.values()))
"""
MODULE = "from stages.text.compiled.kernels import kernel\n\n\n@kernel\ndef double(x):\n    return x + x\n"


def call(folder: Path, cache: Path) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}", "STAGECOACH_CACHE": str(cache)}
    answer = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    return answer.stdout.split()


def test_a_copy_of_the_code_in_another_folder_uses_what_was_compiled(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mod.py").write_text(MODULE)
    assert call(tmp_path / "a", tmp_path / "cache") == ["42", "0"]
    shutil.copytree(tmp_path / "a", tmp_path / "b", ignore=shutil.ignore_patterns("__pycache__"))
    assert call(tmp_path / "b", tmp_path / "cache") == ["42", "1"]
    (tmp_path / "b" / "mod.py").write_text(MODULE.replace("x + x", "x + x + 1"))
    assert call(tmp_path / "b", tmp_path / "cache") == ["43", "0"]


def test_a_cache_folder_that_cannot_be_made_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "mod.py").write_text(MODULE)
    (tmp_path / "file").write_text("no folder")
    assert call(tmp_path, tmp_path / "file")[0] == "42"


def test_a_change_in_any_source_of_the_folder_or_below_is_another_digest(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "below").mkdir()
    digests = [sources_digest(tmp_path)]
    for name in ("b.py", "below/c.py"):
        (tmp_path / name).write_text("2")
        sources_digest.cache_clear()
        digests.append(sources_digest(tmp_path))
    assert len(set(digests)) == 3


def test_an_edit_in_another_folder_of_the_room_compiles_again(tmp_path: Path) -> None:
    """`measure` is compiled from rules/counts.py, which calls kernels of words/tokens.py and compiled/hash_table.py."""
    room = tmp_path / "stages" / "text"
    shutil.copytree(ROOM, room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("shared", "formats"):
        (tmp_path / "stages" / name).symlink_to(ROOM.parent / name)
    script = (
        "from stages.text.rules import counts, measures;"
        "print(measures.measure('# the of')['number_signs'], sum(counts.count.stats.cache_hits.values()))"
    )

    def measured() -> list[str]:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "STAGECOACH_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, "-P", "-c", script]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert measured() == ["1", "0"]
    assert measured() == ["1", "1"]
    tokens = room / "words" / "tokens.py"
    tokens.write_text(tokens.read_text() + "\n")
    assert measured() == ["1", "0"]


def test_a_kernel_outside_of_the_room_depends_on_its_own_folder_too(tmp_path: Path) -> None:
    inside = kernel_digest(ROOM / "words" / "tokens.py")
    assert inside == kernel_digest(ROOM / "rules" / "counts.py") == sources_digest(ROOM)
    assert kernel_digest(tmp_path / "mod.py") == f"{inside}-{sources_digest(tmp_path)}"
