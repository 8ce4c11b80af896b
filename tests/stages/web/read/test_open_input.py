import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.web.read.open_input import open_input

ROOT = Path(__file__).parents[4]


def test_a_file_is_read_from_front_to_back(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    with open_input(InputFile(tmp_path / "x", "s")) as stream:
        assert [stream.read(3), stream.read(3), stream.read(3)] == [b"123", b"45", b""]


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "below a file"])
def test_what_is_no_file_is_named_with_the_remedy_and_does_not_hang(tmp_path: Path, kind: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    name = "file/x" if kind == "below a file" else kind
    with (
        pytest.raises(DataError, match=rf"{name}: .*Set inputs to WARC or WET files"),
        open_input(InputFile(tmp_path / name, "")),
    ):
        pass


def test_a_file_without_permission_is_one_clear_line(tmp_path: Path) -> None:
    script = """if 1:
        import os, sys
        from pathlib import Path
        from stages.shared.contract import InputFile
        from stages.shared.errors import DataError
        from stages.web.read.open_input import open_input
        path = Path(sys.argv[1], "x.warc.gz")
        path.write_bytes(b"x")
        path.chmod(0)
        os.chdir(sys.argv[1])
        if os.geteuid() == 0:  # whom permissions do not stop
            os.setuid(65534)
        try:
            with open_input(InputFile(Path("x.warc.gz"), "")):
                print("opened")
        except DataError as error:
            print(error)
    """
    said = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "x.warc.gz: not a file that this user can read (Permission denied)" in said.stdout
