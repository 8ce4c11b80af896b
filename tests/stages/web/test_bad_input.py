"""Whatever a file holds: good pages around it are delivered, each loss is counted, and memory stays bounded.

The `extract` step runs in a process of its own, whose largest memory is asked of the system.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

from stages.shared.contract import InputFile
from stages.text.blocks.gate import step_count
from stages.web.read.reader import WarcPages
from tests.stages.web.warcs import flip, member, record

ROOT = Path(__file__).parents[3]
MAX_MB = 600
WORDS = "the old mill by the river had been turned into a small museum of clocks and people came to see it work"
GOOD = "<html><body><h1>A museum</h1>" + "".join(
    f"<p>In year {year} {WORDS}, and the keeper told them that number {year} was the best of all.</p>"
    for year in range(1900, 1908)
)
RUN = """if 1:
    import json, resource, sys
    from pathlib import Path
    from stages.shared.contract import InputFile
    from stages.formats.documents import read_documents
    from stages.formats.kinds import KINDS
    from stages.shared.errors import DataError
    from stages.formats.funnel import read_funnel
    from stages.web.config import WebConfig
    from tests.stages.harness import run_unit

    folder, extractor, *names = sys.argv[1:]
    extraction = {"extractor": extractor, "timeout_s": 20}
    language = {"languages": None}
    config = WebConfig(inputs="x", files_per_unit=99, extraction=extraction, language=language, exact={"parts": 1})
    files = tuple(InputFile(Path(name), "dump") for name in names)
    step = config.plan({"inputs": files}).steps[0]
    try:
        run_unit(config, step, 0, {"inputs": files}, Path(folder))
    except DataError as error:
        print(json.dumps({"error": str(error)}))
        sys.exit(error.exit_code)
    out = Path(folder) / "steps/extract/00000"
    status = Path("/proc/self/status").read_text().splitlines()
    peak = int(next(line.split()[1] for line in status if line.startswith("VmHWM")))  # ru_maxrss begins at the parent's
    (read, *rest) = read_funnel(out / KINDS.funnel.file)
    print(json.dumps({
        "urls": [row["url"] for row in read_documents(out / KINDS.documents.file)],
        "read": read.pages_in,
        "reasons": read.reasons,
        "later": {reason: count for step in rest for reason, count in step.reasons.items()},
        "mb": [peak / 1e3, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3],
    }))
"""


def extract(folder: Path, *files: Path, extractor: str = "two-tier") -> dict[str, Any]:
    """Run the step over the files; return what it says."""
    command = [sys.executable, "-c", RUN, str(folder / "run"), extractor, *map(str, files)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def good(name: str) -> bytes:
    return member(GOOD.encode(), url=f"http://good.example/{name}")


def zeros(gigabytes: int) -> bytes:
    """Return deflated zeros, 1 MB of which are always the same thousand bytes."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflate.compress(b"x")
    deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(b"\0" * (1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return block * (gigabytes << 10) + b"\x03\x00"


def gzipped(head: bytes, deflated: bytes) -> bytes:
    """Return a gzip member of `head` and what is deflated already; its checksum is wrong."""
    deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
    first = deflate.compress(head) + deflate.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + first + deflated + b"\0" * 8


def bombs() -> dict[str, tuple[bytes, str]]:
    """Return what inflates to ten gigabytes, and the reason that each should have."""
    ten = zeros(10)
    head = record(b"", length=10 << 30)[:-4]
    other = head.replace(b"WARC-Type: response", b"WARC-Type: metadata")
    encoded = member(gzipped(b"<html>", ten), headers="Content-Encoding: gzip\r\n")
    return {
        "record": (gzipped(head, ten), "too_large"),
        "metadata": (gzipped(other, ten), "damaged_record"),
        "no record": (gzipped(b"", ten), "damaged_record"),
        "endless header": (gzipped(b"WARC/1.0\r\n", ten), "damaged_record"),
        "encoding": (encoded, "too_large"),
    }


def test_files_that_inflate_to_ten_gigabytes(tmp_path: Path) -> None:
    files, expected = [], {}
    for name, (bomb, reason) in bombs().items():
        files.append(tmp_path / f"{name}.warc.gz")
        files[-1].write_bytes(good(f"before-{len(files)}") + bomb + good(f"after-{len(files)}"))
        expected[reason] = expected.get(reason, 0) + 1
    found = extract(tmp_path, *files)
    assert len(found["urls"]) == 2 * len(files) and found["reasons"] == expected
    assert max(found["mb"]) < MAX_MB, found["mb"]


def test_pages_that_are_too_much_for_a_parser(tmp_path: Path) -> None:
    pages = {
        "nested": b"<html><body>" + b"<div>" * 100_000 + GOOD.encode() + b"</div>" * 100_000,
        "script": b"<html><body><script>" + b"var a = 1;" * 2_000_000 + b"</script>" + GOOD.encode(),
        "shorter script": b"<html><body><script>" + b"var a = 1;" * 700_000 + b"</script>" + GOOD.encode(),
        "rows": b"<html><body>" + b"<p>Row of a giant page with <a href='/a'>x</a> words.</p>" * 130_000,
        "attributes": b"<p " + b" ".join(b"a%d=1" % number for number in range(300_000)) + b">" + GOOD.encode(),
        "open": b"<table><tr><td>" * 30_000 + GOOD.encode(),
    }
    path = tmp_path / "pages.warc.gz"
    path.write_bytes(
        b"".join(member(page, url=f"http://bad.example/{name}") + good(name) for name, page in pages.items())
    )
    found = extract(tmp_path, path)
    delivered = {url for url in found["urls"] if "good.example" in url}
    assert len(delivered) == len(pages) and found["read"] == 2 * len(pages)
    assert found["reasons"] == {"too_deep": 2, "too_large": 1, "too_many_attributes": 1}
    assert len(found["urls"]) + sum(found["later"].values()) == found["read"] - 4
    assert max(found["mb"]) < MAX_MB, found["mb"]


def read(folder: Path, contents: dict[str, bytes]) -> tuple[list[str], dict[str, int]]:
    """Return the addresses of the pages in some files, and the losses by reason."""
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    reader = WarcPages([InputFile(folder / name, "dump") for name in contents])
    return [page.metadata["url"] for page in reader.run()], step_count(reader).reasons


def test_files_that_are_no_warc_files(tmp_path: Path) -> None:
    contents = {
        "empty": b"",
        "random": os.urandom(3_000_000),
        "plain": b"just some text\n" * 1_000,
        "zip": b"PK\x03\x04" + bytes(1_000),
        "gzip of text": gzipped(b"just some text", b"\x03\x00"),
        "zeros": bytes(5_000_000),
    }
    urls, reasons = read(tmp_path, {**contents, "good": good("one")})
    assert urls == ["http://good.example/one"] and reasons == {"unreadable_file": len(contents)}


def test_damage_of_every_kind_in_one_file(tmp_path: Path) -> None:
    damaged = good("damaged")
    parts = [
        *(good("1"), b"garbage" * 99, good("2"), flip(damaged, len(damaged) // 2), good("3"), damaged[:200]),
        *(good("4"), os.urandom(100_000), good("5"), bytes(70_000), good("6"), member(b""), good("7"), damaged[:-30]),
    ]
    urls, reasons = read(tmp_path, {"x.warc.gz": b"".join(parts)})
    assert urls == [f"http://good.example/{number}" for number in range(1, 8)]
    assert reasons == {"damaged_record": 4, "empty_body": 1, "truncated_record": 1}


def test_what_the_recipe_names_wrongly_is_one_clear_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.warc.gz")
    found = extract(tmp_path, tmp_path / "x.warc.gz", extractor="resiliparse")
    wanted = f"{tmp_path}/x.warc.gz: a folder, pipe or device instead of a file. Set inputs to WARC"
    assert found["error"].startswith(wanted)


def test_the_dirty_files_of_the_data_folder(tmp_path: Path, real_pages: Path) -> None:
    files = sorted((real_pages / "dirty").glob("*.gz"))
    found = extract(tmp_path, *files, extractor="resiliparse")
    assert len(files) == 7
    lost = {"damaged_record": 1, "no_url": 1, "not_html": 1, "too_large": 1, "truncated_record": 1}
    assert found["reasons"] == lost
    assert len(found["urls"]) + sum(found["later"].values()) == found["read"] - 5 == 71
    assert max(found["mb"]) < MAX_MB, found["mb"]
