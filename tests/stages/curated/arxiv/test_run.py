"""Papers: bulk tars, single files, includes, macros with bounds, cuts, old encodings, damage."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
from pathlib import Path

import pytest

from stages.curated.arxiv.config import ArxivConfig
from stages.curated.arxiv.latex import body_of, without_comments
from stages.curated.arxiv.macros import expand, without_definitions
from stages.curated.arxiv.sources import identifier_of
from tests.stages.curated.sources import run

MAIN = r"""\documentclass{article}
% a comment
\newcommand{\R}{\mathbb{R}}
\newcommand{\vect}[1]{\mathbf{#1}}
\def\eps{\varepsilon}
\title{A {\em short} title}
\begin{document}
\maketitle
\begin{abstract}We show 100\% of it. % why
\end{abstract}
\section{Introduction}
Let $x \in \R^n$ and $\eps>0$, $\vect{v}$.
\input{parts/two}
\begin{comment}
hidden
\end{comment}
\bibliographystyle{plain}
\bibliography{refs}
\appendix
\section{Proofs}
Proof text.
\end{document}
"""
BODY = "\\section{Introduction}\nLet $x \\in \\mathbb{R}^n$ and $\\varepsilon>0$, $\\vect{v}$.\nPart two, é."
PARTS = {"ms.tex": MAIN.encode(), "parts/two.tex": "Part two, é.\n% end\n".encode("latin-1"), "fig.eps": b"%!PS"}


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def bulk(path: Path) -> Path:
    single = b"\\documentstyle{article}\n\\begin{document}\n\\section{One}\nOld text.\n\\end{document}"
    members = {
        "2401/2401.00001.gz": gzip.compress(packed(PARTS)),
        "2401/hep-th9901001.gz": gzip.compress(single),
        "2401/2401.00003.pdf": b"%PDF-1.5",
        "2401/2401.00004.gz": gzip.compress(b"no latex at all"),
        "2401/2401.00005.gz": gzip.compress(single)[:-20],
        "2401/2401.00006.gz": gzip.compress(b"\\documentclass{x}\\begin{document}A letter.\\end{document}"),
        "2401/2401.00007.gz": gzip.compress(bytes(100_000_000)),
    }
    path.write_bytes(packed(members))
    return path


def test_papers_of_a_bulk_file_are_documents_and_all_others_are_counted(tmp_path: Path) -> None:
    found = run(ArxivConfig(files="x"), tmp_path, bulk(tmp_path / "arXiv_src_2401_001.tar"))
    assert found.texts == {"x/2401.00001": BODY, "x/hep-th/9901001": "\\section{One}\nOld text."}
    assert found.documents[0]["url"] == "https://arxiv.org/abs/2401.00001"
    wanted = {"no_source": 1, "no_latex": 1, "damaged_member": 1, "no_section": 1, "too_large": 1}
    assert found.reasons == wanted


def test_a_paper_of_its_own_is_read_in_every_shape(tmp_path: Path) -> None:
    (tmp_path / "2401.00001v2.tar.gz").write_bytes(gzip.compress(packed(PARTS)))
    (tmp_path / "plain.tex").write_bytes(MAIN.encode())
    found = run(ArxivConfig(files="x"), tmp_path, tmp_path / "2401.00001v2.tar.gz", tmp_path / "plain.tex")
    assert found.texts["x/2401.00001v2"] == BODY
    assert found.texts["x/plain.tex"] == BODY.removesuffix("\nPart two, é.")


def test_what_stands_around_the_body_is_a_choice() -> None:
    plain, macros = without_definitions(without_comments(MAIN))
    assert set(macros) == {"\\R", "\\eps"}
    abstract = body_of(plain, "abstract", False)
    assert abstract and abstract.startswith("A {\\em short} title\n\nWe show 100\\% of it.\n\n\\section{Introduction}")
    kept = body_of(plain, "cut", True)
    assert kept and kept.endswith("\\section{Proofs}\nProof text.") and "bibliography" not in kept


def test_comments_go_and_escaped_signs_stay() -> None:
    assert without_comments("a 5\\% b % c\n% d\n\\\\% e\nf") == "a 5\\% b \n\\\\\nf"


BOMBS = {
    "doubling": "".join(f"\\def\\a{chr(98 + n)}{{\\a{chr(97 + n)}\\a{chr(97 + n)}}}" for n in range(24))
    + "\\def\\aa{xxxxxxxxx}",
    "itself": "\\def\\aa{\\ab}\\def\\ab{\\aa}\\def\\ac{\\ac x}",
    "many": "\\def\\aa{" + "y" * 1900 + "}",
    "open": "\\def\\aa{" * 5_000,
    "wide": "\\def\\wa{" + "\\wb" * 600 + "}\\def\\wb{" + "z" * 1990 + "}",
}


@pytest.mark.parametrize("name", BOMBS)
def test_macros_that_grow_without_end_are_stopped(name: str) -> None:
    start = time.process_time()
    plain, macros = without_definitions(BOMBS[name] + "\\section{S} " + "\\aa \\ay \\wa " * 3_000)
    found = expand(plain, macros, 10_000, 1_000_000)
    assert len(found.text) < 3_000_000
    assert time.process_time() - start < 20  # without bounds these take hours or all memory


def test_identifiers_of_both_schemes_are_known() -> None:
    assert identifier_of("2401/2401.00001.gz") == "2401.00001"
    assert identifier_of("0001/math0001001.gz") == "math/0001001"
    assert identifier_of("paper.tex") == ""
