import os
import shutil
import subprocess
import sys
from pathlib import Path

from stages.web.kernels import sources_digest

ROOT = Path(__file__).parents[3]
SCRIPT = """
from stages.web.kernels import kernel
from mod import double
print(double(21), sum(double.stats.cache_hits.values()))
"""
MODULE = "from stages.web.kernels import kernel\n\n\n@kernel\ndef double(x):\n    return x + x\n"


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


def test_a_change_in_any_source_of_the_folder_is_another_digest(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    before = sources_digest(tmp_path)
    sources_digest.cache_clear()
    (tmp_path / "b.py").write_text("2")
    assert sources_digest(tmp_path) != before
