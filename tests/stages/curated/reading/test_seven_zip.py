"""7z archives in a child: the posts of a site, whole or damaged. The archives are written by py7zr itself."""

from __future__ import annotations

from pathlib import Path

import py7zr

from stages.curated.items import Damaged
from stages.curated.reading.streams import chunks

POSTS = b"".join(b'<row Id="%d" />\n' % number for number in range(200_000))


def archive(path: Path, **files: bytes) -> Path:
    with py7zr.SevenZipFile(path, "w") as writer:
        for name, data in files.items():
            writer.writestr(data, f"{name}.xml")
    return path


def read(path: Path) -> tuple[bytes, list[str]]:
    damages: list[Damaged] = []
    data = b"".join(chunks(path, damages.append))
    return data, [each.reason for each in damages]


def test_the_posts_of_a_site_are_found_among_its_files(tmp_path: Path) -> None:
    assert read(archive(tmp_path / "a.7z", Badges=b"<badges/>", Posts=POSTS)) == (POSTS, [])
    assert read(archive(tmp_path / "b.7z", Other=b"x")) == (b"x", [])


def test_a_damaged_archive_gives_what_it_has(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.7z", Posts=POSTS)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    (tmp_path / "damaged.7z").write_bytes(data)
    content, reasons = read(tmp_path / "damaged.7z")
    assert content != POSTS and reasons == ["damaged_part"]
    (tmp_path / "cut.7z").write_bytes(data[:1000])
    assert read(tmp_path / "cut.7z") == (b"", ["damaged_part"])
