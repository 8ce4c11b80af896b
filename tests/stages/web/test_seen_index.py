import zipfile
from pathlib import Path

import numpy as np
import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.text.settings import DedupSettings
from stages.web.seen_index import SeenIndex, open_index
from stages.web.seen_settings import check_seen
from tests.stages.web.fuzzy import find_duplicates, random_text, write_filtered, write_index


def opened(*paths: Path) -> SeenIndex:
    return open_index([InputFile(path, "index") for path in paths])


def texts(seed: int, count: int) -> list[list[str]]:
    random = np.random.default_rng(seed)
    return [random_text(random, 200) for _ in range(count)]


def test_an_index_holds_sorted_signatures_and_urls_of_what_was_kept(tmp_path: Path) -> None:
    pages = [" ".join(words) for words in texts(6, 30)]
    write_filtered(tmp_path, [pages[:20], [], [*pages[20:], *pages[:5]]])
    path = write_index(tmp_path, {"preset": "fineweb"}, find_duplicates(tmp_path, {"preset": "fineweb"}))
    index = opened(path)
    (bands,), (urls,) = index.bands, index.urls
    assert bands.shape == (14, 30) and (np.sort(bands, axis=1) == bands).all()
    assert len(urls) == 30 and (np.diff(urls) > 0).all()
    loaded = np.load(path)
    assert np.array_equal(loaded["bands"], bands) and np.array_equal(loaded["urls"], urls)
    assert index.knows_urls(urls).all() and not index.knows_urls(urls + np.uint64(1)).any()


def test_an_index_of_nothing_knows_nothing(tmp_path: Path) -> None:
    write_filtered(tmp_path / "a", [[]])
    path = write_index(tmp_path / "a", {}, find_duplicates(tmp_path / "a", {}))
    assert opened(path).bands[0].shape == (450, 0)
    assert not opened(path).knows_urls(np.array([1], np.uint64)).any()
    write_filtered(tmp_path / "b", [["a page"]])
    assert len(find_duplicates(tmp_path / "b", {}, seen=[path])) == 0
    assert not opened().knows_urls(np.array([1], np.uint64)).any()


def test_without_deduplication_an_index_has_the_urls(tmp_path: Path) -> None:
    write_filtered(tmp_path, [["a page", "another"]])
    path = write_index(tmp_path, {"enabled": False}, np.empty((0, 3), np.uint64))
    assert len(opened(path).urls[0]) == 2
    check_seen([InputFile(path, "index")], DedupSettings(enabled=False))
    with pytest.raises(ConfigError, match="method=none"):
        check_seen([InputFile(path, "index")], DedupSettings())


@pytest.mark.parametrize("kind", ["empty", "text", "other archive", "cut", "folder", "missing"])
def test_a_file_that_is_no_index_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "index.npz"
    if kind == "folder":
        path.mkdir()
    elif kind == "other archive":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("bands.npy", b"no array")
    elif kind == "cut":
        write_filtered(tmp_path, [["a page"]])
        find_duplicates(tmp_path, {})
        whole = write_index(tmp_path, {}, np.empty((0, 3), np.uint64)).read_bytes()
        path.write_bytes(whole[:-200])
    elif kind != "missing":
        path.write_bytes({"empty": b"", "text": b"a page\n"}[kind])
    with pytest.raises(DataError, match=r"index\.npz"):
        opened(path)
