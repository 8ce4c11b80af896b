"""Names of files that hold no pages, whatever their content: refused by `plan`, before anything is queued."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

REFUSED = (
    (r"wat(\.gz)?", "WAT files have metadata alone"),
    (r"(cdx|cdxj)(\.gz)?", "CDX files are indexes"),
    (r"arc(\.gz)?", "ARC is the format before WARC"),
    (r"(paths|list)(\.gz)?", "a list of paths is read where it is named in `inputs` alone"),
    (r"(warc|wet)?\.?(bz2|xz|lzma|lz4|lzo|z|7z|rar|zip|tar|tgz|br|sz)", "WARC files are plain, gzip or zstd"),
    (r"(jsonl?|ndjson|csv|tsv|parquet|arrow|html?|xml|pdf|epub|md|docx?|xlsx?|npz|npy|bin|yaml)(\.(gz|zst))?", ""),
    (r"(png|jpe?g|gif|webp|mp[34]|wav|flac)", ""),
)
"""Endings, and why such a file is none."""
ENDINGS = [(re.compile(rf".*\.{ending}", re.IGNORECASE), why) for ending, why in REFUSED]


def check_names(files: Sequence[InputFile]) -> None:
    """Raise ConfigError for the first file whose ending says that it is no WARC or WET file."""
    for file in files:
        for ending, why in ENDINGS:
            if ending.fullmatch(file.path.name):
                wanted = "WARC or WET files (for example pages.warc.gz, pages.warc.zst)"
                raise ConfigError("inputs", file.where, f"{wanted}; {why}" if why else wanted)
