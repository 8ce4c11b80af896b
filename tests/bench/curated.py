"""Readers of Wikipedia and Stack Exchange beside what a user would pick instead, and how both grow.

Wikipedia: the dump in gensim's wheel (206 pages of 2016, 6 MB, not ours) through our reducer, and through
mwparserfromhell page by page. It keeps references, captions of files and what tables hold, so words of it alone are
counted. Stack Exchange: a `Posts.xml` in the dumps' format, of texts and code of Python's library, through our reader;
a DOM of the whole file with BeautifulSoup for each post, as The Pile's tool has it; and with lxml for each post, which
puts no break between paragraphs: it is a bound on what a parser in C can do.

Growth: the whole step `read` on 1, 4 and 16 times an input, in a process of its own.

python -m tests.bench.curated [--rounds 3] [--only wiki|posts|growth] [--check]
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.sax.saxutils import quoteattr

import lxml.html

from stages.curated.stackexchange.config import StackExchangeConfig
from stages.curated.stackexchange.run import document
from stages.curated.wikipedia.config import WikipediaConfig
from stages.curated.wikipedia.dump import Page, read_pages, read_site
from stages.curated.wikipedia.languages import words_of
from stages.curated.wikipedia.wikitext import Style, plain_text
from stages.shared.contract import InputFile
from stages.text.markup.posts import Thread, read_threads
from tests.bench.compare import Comparison, add_options, alternate, one_core, show
from tests.stages.harness import run_unit

ROOT = Path(__file__).parents[2]
THEIRS = ("mwparserfromhell==0.7.2", "beautifulsoup4", "soupsieve", "typing_extensions")
GENSIM = "gensim==4.4.0"
DUMP = "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
ASKED = 3.0
SCALES = (1, 4, 16)
TOLERANCE = 0.15
FLAT_MB = 60.0
POSTS = 3_000
"""Threads of Posts.xml at scale 1, of two posts each."""
LIMIT = 100_000_000
WORD = re.compile(r"\w+")


def fetch(folder: Path) -> Path:
    """Return the dump of gensim's wheel; the other side's libraries are put on the path."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    target = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), *THEIRS], check=True)
    subprocess.run([*pip, "download", "--no-deps", "-d", str(folder), GENSIM], check=True)
    sys.path.append(str(target))
    (wheel,) = folder.glob("gensim-*.whl")
    path = folder / "enwiki.xml.bz2"
    with zipfile.ZipFile(wheel) as archive:
        path.write_bytes(archive.read(DUMP))
    return path


def wiki_pages(path: Path) -> list[Page]:
    """Return the articles of a dump."""
    found = (page for page in read_pages(path, LIMIT, lambda damage: None) if isinstance(page, Page))
    return [page for page in found if page.namespace == 0 and not page.is_redirect]


def stripped(source: str) -> str:
    """Return the text of a page by mwparserfromhell: a tree, and the words in it."""
    import mwparserfromhell  # noqa: PLC0415  (installed by this program)

    return str(mwparserfromhell.parse(source).strip_code())


def compare_wiki(path: Path, rounds: int) -> list[Comparison]:
    """Return how fast pages are reduced, and print how far the words agree."""
    pages = wiki_pages(path)
    style = Style(words_of("en")._replace(prefixes=words_of("en").prefixes | read_site(path).prefixes), tails=True)
    megabytes = sum(len(page.text.encode()) for page in pages) / 1e6

    def over(reduce: Callable[[str], str]) -> Callable[[], float]:
        def work() -> float:
            for page in pages:
                reduce(page.text)
            return megabytes

        return work

    def ours(text: str) -> str:
        return plain_text(text, style)

    same = only_ours = only_theirs = 0
    for page in pages:
        left, right = (
            Counter(WORD.findall(ours(page.text))),
            Counter(WORD.findall(stripped(page.text))),
        )
        same += (left & right).total()
        only_ours += (left - right).total()
        only_theirs += (right - left).total()
    note = f"{same:,} words of both, {only_ours:,} of ours alone, {only_theirs:,} of theirs alone"
    rates = alternate(over(ours), over(stripped), rounds)
    return [Comparison("wikitext to text", "MB", *rates, "mwparserfromhell", ASKED, note)]


def bodies() -> Iterator[str]:
    """Yield HTML of posts without end: doc strings as paragraphs, and code, of Python's library."""
    paths = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    while True:
        for path in paths:
            source = path.read_text(errors="replace")
            texts = re.findall(r'"""(.{80,1500}?)"""', source, re.DOTALL)
            codes = re.findall(r"\n    def .{60,600}?\n\n", source, re.DOTALL)
            for text, code in zip(texts, codes, strict=False):
                paragraphs = "".join(f"<p>{html.escape(part)}</p>\n\n" for part in text.split("\n\n"))
                link = '<p>See <a href="https://docs.python.org/3/" rel="nofollow">the <em>docs</em></a>.</p>\n'
                yield f"{paragraphs}<pre><code>{html.escape(code)}</code></pre>\n{link}"


def write_posts(path: Path, threads: int) -> Path:
    """Write a Posts.xml: questions first, so that every answer is far from its question."""
    source = bodies()
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
        for number in range(1, threads + 1):
            body = quoteattr(next(source)).replace("\n", "&#xA;")
            file.write(f'  <row Id="{number}" PostTypeId="1" Score="3" Title="Question {number}" Body={body} />\n')
        for number in range(1, threads + 1):
            body = quoteattr(next(source)).replace("\n", "&#xA;")
            head = f'Id="{threads + number}" PostTypeId="2" ParentId="{number}"'
            file.write(f'  <row {head} Score="{number % 9}" Body={body} />\n')
        file.write("</posts>\n")
    return path


def read_chunks(path: Path) -> Iterator[bytes]:
    """Yield a file in pieces."""
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk


def our_threads(path: Path, work: Path) -> list[str]:
    """Return the texts of all threads by our reader."""
    config = StackExchangeConfig(files="x")
    found = (
        document(each, "x", config) for each in read_threads(read_chunks(path), work, LIMIT) if isinstance(each, Thread)
    )
    return [each.text for each in found]


def dom_threads(path: Path, text_of: Callable[[str], str]) -> list[str]:
    """Return the texts of all threads from a tree of the whole file."""
    questions: dict[str, tuple[str, str]] = {}
    answers: dict[str, list[tuple[int, str]]] = {}
    for row in ET.parse(path).getroot():
        if row.attrib["PostTypeId"] == "1":
            questions[row.attrib["Id"]] = (row.attrib["Title"], row.attrib["Body"])
        else:
            answers.setdefault(row.attrib["ParentId"], []).append((-int(row.attrib["Score"]), row.attrib["Body"]))
    return [
        "\n\n".join([f"Q: {title}\n\n{text_of(body)}", *(f"A: {text_of(text)}" for _, text in sorted(answers[key]))])
        for key, (title, body) in questions.items()
    ]


def compare_posts(folder: Path, rounds: int) -> list[Comparison]:
    """Return how fast a site is read, and how many threads have the same text, white space aside."""
    import bs4  # noqa: PLC0415  (installed by this program)

    path = write_posts(folder / "Posts.xml", POSTS)
    megabytes = path.stat().st_size / 1e6

    def soup(body: str) -> str:
        return str(bs4.BeautifulSoup(body, "html.parser").get_text())

    def tree(body: str) -> str:
        return str(lxml.html.fromstring(body).text_content())

    found = []
    ours = our_threads(path, folder)
    for name, text_of, asked in (("BeautifulSoup", soup, ASKED), ("lxml", tree, 0.3)):
        theirs = dom_threads(path, text_of)
        same = sum("".join(a.split()) == "".join(b.split()) for a, b in zip(ours, theirs, strict=True))

        def work_ours() -> float:
            our_threads(path, folder)
            return megabytes

        def work_theirs(text_of: Callable[[str], str] = text_of) -> float:
            dom_threads(path, text_of)
            return megabytes

        rates = alternate(work_ours, work_theirs, rounds)
        note = f"{same:,} of {len(ours):,} threads have the same text"
        found.append(Comparison("Posts.xml to threads", "MB", *rates, f"DOM and {name}", asked, note))
    return found


def growth(dump: Path, folder: Path) -> list[Comparison]:
    """Return how linear and how flat the step is: time a MB at the largest scale over that at the middle one."""
    found = []
    one = dump.read_bytes()
    for stage in ("wikipedia", "stackexchange"):
        rows = []
        for scale in SCALES:
            path = folder / f"{stage}-{scale}.xml{'.bz2' if stage == 'wikipedia' else ''}"
            if stage == "wikipedia":
                path.write_bytes(one * scale)  # several streams, as a multistream dump has
            else:
                write_posts(path, POSTS * scale)
            command = [sys.executable, "-m", "tests.bench.curated", "--step", stage, str(path)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            answer = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
            rows.append(json.loads(answer.stdout.splitlines()[-1]))
            path.unlink()
        seconds, megabytes = zip(*rows, strict=True)
        shown = ", ".join(f"{second:.2f} s {mb:.0f} MB" for second, mb in rows)
        per = [SCALES[at] / seconds[at] for at in (2, 1)]
        found.append(Comparison(f"growth, {stage}, 16x", "1x", *per, "4x", 1 - TOLERANCE, shown))
        flat = 1.0 if megabytes[2] - megabytes[1] < FLAT_MB else 0.0
        note = f"{megabytes[2] - megabytes[1]:.0f} MB more at 16x than at 4x"
        found.append(Comparison(f"memory, {stage}", "flat", flat, 1.0, f"{FLAT_MB:.0f} MB", 1.0, note))
    return found


def one_step(stage: str, path: Path) -> tuple[float, float]:
    """Return processor seconds and peak MB of the step on a file, after a warm-up on nothing of it."""
    config = (WikipediaConfig if stage == "wikipedia" else StackExchangeConfig).model_validate({"files": "x"})
    inputs = {"files": (InputFile(path, "x", 1.0),)}
    (step,) = config.plan(inputs).steps
    with tempfile.TemporaryDirectory() as name:
        small = write_posts(Path(name) / "warm.xml", 20)
        warm = StackExchangeConfig(files="x")
        given = {"files": (InputFile(small, "x", 1.0),)}
        run_unit(warm, warm.plan(given).steps[0], 0, given, Path(name) / "warm")
        Path("/proc/self/clear_refs").write_text("5")
        start = os.times()
        run_unit(config, step, 0, inputs, Path(name) / "run")
        end = os.times()
    status = Path("/proc/self/status").read_text()
    peak = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1e3
    return end.user + end.system - start.user - start.system, peak


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    subjects = ("wiki", "posts", "growth")
    add_options(parser, subjects)
    parser.add_argument("--step", nargs=2, metavar=("STAGE", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(one_step(options.step[0], Path(options.step[1]))))
        return 0
    one_core()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dump = fetch(folder)
        compare: dict[str, Callable[[int], list[Comparison]]] = {
            "wiki": lambda rounds: compare_wiki(dump, rounds),
            "posts": lambda rounds: compare_posts(folder, rounds),
            "growth": lambda rounds: growth(dump, folder),
        }
        return show(compare, options)


if __name__ == "__main__":
    sys.exit(main())
