from __future__ import annotations

from pathlib import Path

import pytest

from stages.conductor.artefacts import Artefacts


def test_equal_files_are_one_file_with_the_name_of_its_content(tmp_path: Path) -> None:
    artefacts = Artefacts(tmp_path)
    first, again, other = artefacts.add(b"a", "png"), artefacts.add(b"a", "png"), artefacts.add(b"b", "png")
    assert first == again == "ca978112ca1bbdcafac231b39a23dc4d.png"
    assert first != other
    assert artefacts.path(first).read_bytes() == b"a"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("suffix", ["", "../x", "p/g", "PNG", "a" * 9, "png\n"])
def test_a_suffix_leads_to_no_other_folder(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ValueError, match="must be letters and digits"):
        Artefacts(tmp_path).add(b"a", suffix)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a.png", "", "0" * 32 + ".png\n"])
def test_a_name_that_is_no_digest_has_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no artefact"):
        Artefacts(tmp_path).path(name)
