import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.text.settings import DedupSettings
from stages.web import seen_settings
from stages.web.config import WebConfig
from stages.web.seen_settings import MADE, check_seen, made_by
from tests.stages.web.fuzzy import find_duplicates, write_filtered, write_index

OTHERS = ({"preset": "fineweb"}, {"seed": 2}, {"ngram": 4}, {"method": "simhash"})


@pytest.fixture
def index(tmp_path: Path) -> InputFile:
    write_filtered(tmp_path, [["a page"]])
    return InputFile(write_index(tmp_path, {}, find_duplicates(tmp_path, {})), "index")


def test_an_index_of_other_signatures_is_refused_by_name(index: InputFile) -> None:
    check_seen([index], DedupSettings(simhash_ngram=4, keep="longest"))
    check_seen([index], DedupSettings(enabled=False))  # URLs alone are compared
    for other in OTHERS:
        with pytest.raises(ConfigError, match=r"seen = .*index\.npz.*: must be an index made with "):
            check_seen([index], DedupSettings(**other))


def test_plan_refuses_it_before_anything_is_extracted(index: InputFile) -> None:
    files = {"inputs": (InputFile(Path("a.warc.gz"), "a"),), "seen": (index,)}
    assert WebConfig(inputs="x", seen=str(index.path)).plan(files).steps
    for other in OTHERS:
        with pytest.raises(ConfigError, match=r"index\.npz"):
            WebConfig(inputs="x", seen=str(index.path), dedup=other).plan(files)
    index.path.write_bytes(b"no index")
    with pytest.raises(DataError, match=r"index\.npz: not an index"):
        WebConfig(inputs="x", seen=str(index.path)).plan(files)


def test_an_index_that_the_run_itself_makes_may_be_missing_when_it_is_planned() -> None:
    seen = InputFile(Path("not/there/index.npz"), "index", section="web")
    files = {"inputs": (InputFile(Path("a.warc.gz"), "a"),), "seen": (seen,)}
    assert WebConfig(inputs="x", seen="from:web").plan(files).steps


def test_an_index_of_an_earlier_version_is_refused_for_its_urls_too(index: InputFile) -> None:
    with zipfile.ZipFile(index.path, "w") as archive:
        archive.writestr(
            MADE, json.dumps({**made_by(DedupSettings()), "version": seen_settings.SIGNATURES_VERSION - 1})
        )
    for enabled in (True, False):
        with pytest.raises(ConfigError, match="version=1"):
            check_seen([index], DedupSettings(enabled=enabled))


def test_this_module_is_light() -> None:
    assert np not in vars(seen_settings).values()
