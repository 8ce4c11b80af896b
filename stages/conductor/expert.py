"""The interface of experts: a function from arguments to a text and files, with its entry in the catalogue.

An expert returns, or raises Reject with a reason, in bounded time. It sees the files that its arguments name and no
others. Its text is data: no later step reads it as an instruction or a reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stages.conductor.artefacts import Artefacts
from stages.conductor.selection import Entry
from stages.formats.chat.rejects import Reject
from stages.formats.conducted.records import Performed

PASSING = frozenset(("killed", "timed_out", "no_answer"))
"""Reasons for which another attempt may succeed."""
MAX_RESULT = 20_000
"""Characters of a result; more are cut off."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """Arguments of a task."""

    texts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)

    def text(self, *names: str) -> str:
        """Return the first of these arguments that is there, else the only text. Raises Reject(`bad_argument`)."""
        found = next((self.texts[name] for name in names if name in self.texts), None)
        if found is None and len(self.texts) == 1:
            (found,) = self.texts.values()
        if found is None:
            raise Reject("bad_argument", f"no `{names[0]}` among {', '.join(self.texts) or 'no arguments'}")
        return found

    def file(self, name: str) -> Path:
        """Return the file of an argument. Raises Reject(`bad_argument`) if there is none."""
        if name not in self.files:
            raise Reject("bad_argument", f"no `{name}` among {', '.join(self.files) or 'no files'}")
        return self.files[name]


@dataclass(frozen=True, kw_only=True)
class Made:
    """The result of a call."""

    text: str = ""
    files: tuple[tuple[str, bytes], ...] = ()
    """Suffix and content of each."""
    asked: str = ""
    """As Performed.asked."""


@dataclass(frozen=True, kw_only=True)
class Expert:
    """Something that does one kind of task."""

    entry: Entry
    run: Callable[[Call], Made]
    """Called from several threads at once."""


def performer(
    artefacts: Artefacts, attempts: int
) -> Callable[[int, Expert, Mapping[str, str], Mapping[str, str]], Performed]:
    """Return the function by which a Conductor has experts do tasks. Files are artefacts of one folder."""

    def have_done(_number: int, expert: Expert, texts: Mapping[str, str], files: Mapping[str, str]) -> Performed:
        call = Call(texts=texts, files={name: artefacts.path(file) for name, file in files.items()})
        return perform(expert, call, artefacts.add, attempts)

    return have_done


def perform(expert: Expert, call: Call, keep: Callable[[bytes, str], str], attempts: int) -> Performed:
    """Return the outcome of a call, after more attempts where one may succeed. `keep` stores a file.

    Never fails: an expert that raises an error of its own has failed, and the request goes on without it.
    """
    reason = detail = ""
    number = 0
    for number in range(1, attempts + 1):
        try:
            made = expert.run(call)
            files = tuple(keep(data, suffix) for suffix, data in made.files)
            return Performed(text=_cut(made.text), files=files, attempts=number, asked=made.asked)
        except Reject as reject:
            reason, detail = reject.reason, reject.detail
        except (ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
            reason, detail = "failed", f"{type(error).__name__}: {error}"
        if reason not in PASSING:
            break
    return Performed(reason=reason, detail=_cut(detail), attempts=number)


def _cut(text: str) -> str:
    """Return a text of bounded length without half characters, which no file in UTF-8 can hold."""
    whole = text.encode("utf-8", "replace").decode()
    return whole if len(whole) <= MAX_RESULT else f"{whole[:MAX_RESULT]} [{len(whole) - MAX_RESULT} characters more]"
