import subprocess
import sys
from dataclasses import fields
from pathlib import Path, PurePath

from stages.formats.kinds import KINDS

ROOT = Path(__file__).parents[3]
ALL = {field.name: getattr(KINDS, field.name) for field in fields(KINDS)}


def test_every_kind_has_the_name_under_which_it_stands_in_the_table() -> None:
    assert {kind.name: name for name, kind in ALL.items()} == {name: name for name in ALL}


def test_no_two_kinds_have_one_file_name() -> None:
    files = [kind.file for kind in ALL.values() if kind.file]
    assert len(files) == len(set(files))
    assert all(PurePath(file).name == file for file in files)


def test_the_table_is_light() -> None:
    heavy = "{'torch', 'numpy', 'zstandard', 'sentencepiece'}"
    probe = f"import sys, stages.formats.kinds; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0
