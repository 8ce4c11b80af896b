from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.web.config import WebConfig
from stages.web.read.names import check_names

GOOD = ["a.warc", "a.warc.gz", "A.WARC.GZ", "a.warc.zst", "a.warc.wet.gz", "a.wet", "a.warc.txt", "a", "a.gz", "a.open"]
BAD = {
    "a.warc.wat.gz": "metadata alone",
    "a.cdx.gz": "indexes",
    "a.arc.gz": "before WARC",
    "warc.paths.gz": "list of paths",
    "a.warc.bz2": "plain, gzip or zstd",
    "a.warc.xz": "plain, gzip or zstd",
    "a.zip": "plain, gzip or zstd",
    "a.tar": "plain, gzip or zstd",
    "documents.jsonl.zst": "WARC or WET",
    "a.parquet": "WARC or WET",
    "A.HTML": "WARC or WET",
    "a.pdf": "WARC or WET",
}


def test_files_with_pages_pass() -> None:
    check_names([InputFile(Path(name), "x") for name in GOOD])


@pytest.mark.parametrize("name", BAD)
def test_plan_refuses_what_holds_no_pages(name: str) -> None:
    files = (InputFile(Path("a.warc.gz"), "x"), InputFile(Path(name), "x"))
    with pytest.raises(
        ConfigError,
        match=f"inputs = '{name}': must be WARC or WET files.*{BAD[name] if BAD[name] != 'WARC or WET' else ''}",
    ):
        WebConfig(inputs="x").plan({"inputs": files})
