"""The steps of the web stage, their units and their costs. From these rates `launch.py plan` estimates core-hours,
memory, scratch space and the longest chain before anything runs.

The rates were measured on one core of an EPYC (Zen 4). README.md has the measurements and the growth of each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from stages.formats.kinds import KINDS
from stages.shared.contract import SAME, WHOLE, After, InputFile, Output, Step, Unit, file_key, parts, unique_keys
from stages.text.word_lists import word_lists_digest
from stages.web.settings import WebSettings
from stages.web.urls.lists import url_lists_digest

PAGES_PER_MB = 33.0
"""Pages in a MB of compressed WARC: a file of Common Crawl has 33,000 in one GB, of 140 kB of markup each."""
START_S = 3.0
"""Start of a process: Python, libraries, compiled functions."""

CHEAP_S = 3.2e-3
"""Core-seconds to read a page of 150 kB, check its URL, extract its text fast and measure it."""
SLOW_S = {"two-tier": 12e-3, "trafilatura": 12e-3, "justext": 16e-3, "resiliparse": 0.0}
"""Additional core-seconds if such a page reaches the slow extractor."""
REACHES = {True: 0.5, False: 0.9}
"""Share of the pages that reach it, by whether languages are chosen. Without two tiers all pages reach it."""
KEPT = {True: 0.25, False: 0.5}
"""Share of the pages that pass the filters. RefinedWeb keeps 23 % until after fuzzy deduplication (figure 2)."""
UNIQUE = 0.5
"""Share of those that remain after deduplication (figure 2: 12 % of the pages)."""
TEXT_KB = 4.0
"""Text of such a page, in kB; compressed it is a third."""
FILTER_S = 0.3e-3
DOCUMENTS_S = 0.3e-3
"""Core-seconds a page."""
SIGN_S = 0.1e-3
"""Core-seconds to read a page's words. A SimHash adds nothing measurable."""
HASH_S = 1.2e-8
"""Additional core-seconds for each hash function of MinHash, a page."""
BUCKET_S = 0.1e-6
"""Core-seconds a page and bucket."""
PAIRS = 2.0
"""Pairs that the buckets of one unit find for a page, without repeats."""
PAIR_S = 0.2e-6
SUBSTRINGS_MB_S = 20.0
"""MB of text a core-second, from tokens to cuts."""
SUBSTRINGS_MEMORY = 3.0
"""Bytes of memory a byte of a part's text."""
URL_S = 0.4e-6
URLS_A_PASS = 67e6
"""Pages whose URLs are compared at a time, at 70 bytes each."""


@dataclass(frozen=True)
class Load:
    """The amount of work, estimated from the sizes of the inputs."""

    units: tuple[Unit, ...]
    """The units of the steps that read, filter and write pages: a group of files each."""
    mb: float
    """MB of compressed input of one unit."""
    has_choice: bool
    """Whether languages are chosen. If not, all are kept."""

    @property
    def pages(self) -> float:
        """Pages read in a unit."""
        return self.mb * PAGES_PER_MB

    @property
    def kept(self) -> float:
        """Pages of a unit that pass the filters."""
        return self.pages * KEPT[self.has_choice]

    @property
    def all_kept(self) -> float:
        """Pages of all units that pass the filters."""
        return self.kept * len(self.units)

    @property
    def text_mb(self) -> float:
        """Text of a unit's filtered pages, in MB; a third of it when compressed."""
        return self.kept * TEXT_KB / 1e3


def unit_files(files: Sequence[InputFile], files_per_unit: int) -> list[tuple[InputFile, ...]]:
    """Return the files of each unit: neighbours of one source, in the order of the inputs."""
    groups: list[tuple[InputFile, ...]] = []
    for _, same_source in groupby(files, key=lambda file: file.source):
        run = tuple(same_source)
        groups += [run[start : start + files_per_unit] for start in range(0, len(run), files_per_unit)]
    return groups


def make_units(groups: Sequence[tuple[InputFile, ...]]) -> tuple[Unit, ...]:
    """Return one unit for each group of files, named after its first file."""
    keys = unique_keys(file_key(files[0]) for files in groups)
    return tuple(Unit(key=key, inputs={"inputs": files}) for key, files in zip(keys, groups, strict=True))


def make_steps(config: WebSettings, load: Load) -> tuple[Step, ...]:
    """Return the steps that these settings need, in order."""
    fuzzy = _fuzzy(config, load) if config.dedup.enabled else ()
    exact = (_substrings(config, load),) if config.exact.enabled else ()
    urls = (_urls(config, load),) if config.url_dedup.enabled else ()
    return (
        _extract(config, load),
        _filter(config, load),
        *fuzzy,
        *exact,
        *urls,
        _documents(config, load),
        *((_index(config, load),) if config.write_index else ()),
    )


# fmt: off
EXTRACTED = (
    "rejects_per_reason", "read", "url", "extraction",
    "language.sample_chars", "language.position", "quality.stop_words",
)
"""Settings that always change extracted pages and their measures."""
# fmt: on
SIGNED = ("method", "preset", "buckets", "hashes_per_bucket", "ngram", "simhash_ngram", "seed")
"""Settings of `dedup` that change signatures."""


def extraction_settings(config: WebSettings) -> tuple[str, ...]:
    """Return the settings that change extracted pages and their measures."""
    is_gated = config.extraction.extractor == "two-tier" and config.language.position == "before"
    return (*EXTRACTED, "language.languages") if is_gated else EXTRACTED


def _extract(config: WebSettings, load: Load) -> Step:
    two_tier = config.extraction.extractor == "two-tier"
    reaches = REACHES[load.has_choice] if two_tier else 1.0
    return Step(
        name="extract",
        run="stages.web.steps.extract:run",
        units=load.units,
        uses=extraction_settings(config),
        reads=("inputs", *_given(config, "url_lists", "language_model")),
        version=3,
        data=f"{url_lists_digest()} {word_lists_digest()}",
        core_seconds=START_S + load.pages * (CHEAP_S + reaches * SLOW_S[config.extraction.extractor]),
        disk_mb=reaches * load.pages * TEXT_KB / 3e3,
        mem_mb=800,
    )


def _filter(config: WebSettings, load: Load) -> Step:
    return Step(
        name="filter",
        run="stages.web.steps.filter:run",
        units=load.units,
        uses=("language", "repetition", "quality", "lines", "rejects_per_reason"),
        after=(After("extract", SAME),),
        version=2,
        data=word_lists_digest(),
        core_seconds=START_S + load.pages * REACHES[load.has_choice] * FILTER_S,
        disk_mb=load.text_mb / 3 + 0.02 * load.kept / 1e3,
        mem_mb=500,
    )


def _fuzzy(config: WebSettings, load: Load) -> tuple[Step, ...]:
    dedup = config.dedup
    signed = tuple(f"dedup.{name}" for name in SIGNED)
    units, rows, tables = dedup.bucket_units, dedup.num_rows, dedup.num_tables
    hashes = math.prod(dedup.shape) if dedup.method == "minhash" else 0
    by_dump = dedup.scope == "dump"
    signatures = Step(
        name="signatures",
        run="stages.web.steps.signatures:run",
        units=load.units,
        uses=signed,
        after=(After("filter", SAME),),
        core_seconds=START_S + load.kept * (SIGN_S + hashes * HASH_S),
        disk_mb=load.kept * rows * 8 / 1e6,
        mem_mb=400,
    )
    buckets = Step(
        name="buckets",
        run="stages.web.steps.buckets:run",
        units=parts(units),
        uses=(
            *signed,
            *(f"dedup.{name}" for name in ("simhash_distance", "simhash_blocks", "scope", "bucket_units")),
            *(("files_per_unit",) if by_dump else ()),
        ),
        reads=(*_given(config, "seen"), *(("inputs",) if by_dump else ())),  # the inputs say the dump of each unit
        after=(After("signatures"),),
        core_seconds=START_S + load.all_kept * tables / units * BUCKET_S,
        disk_mb=load.all_kept * PAIRS / units * 16 / 1e6,
        mem_mb=300 + min(dedup.memory_mb, load.all_kept * 80 / 1e6),
    )
    cluster = Step(
        name="cluster",
        run="stages.web.steps.cluster:run",
        units=WHOLE,
        uses=("dedup.keep",),
        after=(After("filter"), After("buckets")),
        core_seconds=START_S + load.all_kept * PAIRS * PAIR_S,
        disk_mb=load.all_kept * (1 - UNIQUE) * 24 / 1e6,
        mem_mb=300 + load.all_kept * 17 / 1e6,
    )
    return signatures, buckets, cluster


def _substrings(config: WebSettings, load: Load) -> Step:
    count = min(config.exact.parts, len(load.units))
    mb = load.text_mb * len(load.units) * UNIQUE / count
    return Step(
        name="substrings",
        run="stages.web.steps.substrings:run",
        units=parts(count),
        uses=("exact",),
        after=_after(config, "filter", "cluster"),
        core_seconds=START_S + mb / SUBSTRINGS_MB_S,
        disk_mb=0.01 * mb,
        mem_mb=300 + mb * SUBSTRINGS_MEMORY,
    )


def _urls(config: WebSettings, load: Load) -> Step:
    return Step(
        name="urls",
        run="stages.web.steps.urls:run",
        units=WHOLE,
        uses=("url_dedup",),
        reads=_given(config, "seen"),
        after=_after(config, "filter", "cluster", "substrings"),
        core_seconds=START_S + load.all_kept * URL_S,
        disk_mb=load.all_kept * 0.02 * 8 / 1e6,
        mem_mb=300 + min(load.all_kept, URLS_A_PASS) * 70 / 1e6,
    )


def _documents(config: WebSettings, load: Load) -> Step:
    return Step(
        name="documents",
        run="stages.web.steps.documents:run",
        units=load.units,
        uses=("rejects_per_reason", "dedup.enabled", "exact", "url_dedup", "language"),
        after=(
            After("extract", SAME),
            After("filter", SAME),
            *_after(config, "cluster", "substrings", "urls"),
        ),
        core_seconds=START_S + load.kept * DOCUMENTS_S,
        disk_mb=load.text_mb / 3 * UNIQUE,
        mem_mb=400,
    )


def _index(config: WebSettings, load: Load) -> Step:
    rows = config.dedup.num_rows if config.dedup.enabled else 0
    return Step(
        name="index",
        run="stages.web.steps.index:run",
        units=WHOLE,
        uses=tuple(f"dedup.{name}" for name in SIGNED),
        after=_after(config, "filter", "signatures", "documents"),
        core_seconds=START_S + load.all_kept * UNIQUE * (rows + 1) * BUCKET_S,
        disk_mb=load.all_kept * UNIQUE * (rows + 1) * 8 / 1e6,
        mem_mb=300 + load.all_kept * 32 / 1e6,
    )


def _given(config: WebSettings, *fields: str) -> tuple[str, ...]:
    """Return those of the optional input fields that are set."""
    return tuple(field for field in fields if getattr(config, field) is not None)


def _after(config: WebSettings, *steps: str) -> tuple[After, ...]:
    """Return all units of those of the steps that these settings have."""
    off = set()
    if not config.dedup.enabled:
        off |= {"signatures", "buckets", "cluster"}
    if not config.exact.enabled:
        off.add("substrings")
    if not config.url_dedup.enabled:
        off.add("urls")
    return tuple(After(step) for step in steps if step not in off)


def outputs(config: WebSettings, load: Load) -> tuple[Output, ...]:
    """Return the files that the finished stage offers, kind by kind in order of unit."""
    kinds = (
        (KINDS.documents, load.text_mb / 3 * UNIQUE),
        (KINDS.funnel, 0.0),
        (KINDS.rejects, 0.0),
        (KINDS.tables, 0.0),
    )
    found = [
        Output(step="documents", unit=unit.key, kind=kind, source=unit.inputs["inputs"][0].source, mb=mb)
        for kind, mb in kinds
        for unit in load.units
    ]
    if config.write_index:
        found.append(Output(step="index", unit=WHOLE[0].key, kind=KINDS.index, source="index"))
    return tuple(found)
