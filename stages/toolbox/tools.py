"""Tools that run on this machine: a name, the schema of the arguments, and a function from arguments to a text.

A tool has one input or none. OpenAI's calls give it by name, Toolformer's as the text between the brackets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from stages.formats.calls.functions import Function
from stages.formats.chat.rejects import Reject
from stages.toolbox.calculator import calculate
from stages.toolbox.dates import today_is

if TYPE_CHECKING:
    from stages.toolbox.search import SearchIndex


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool. Its function must bound its own work by the size of its input, and be safe in any thread."""

    name: str
    description: str
    run: Callable[[str], str]
    """Returns the result of an input. Raises Reject for an input that it cannot take."""
    parameter: str | None = None
    """Name of the input; None: the tool takes none, and `run` gets ""."""
    meaning: str = ""
    """Description of the input."""

    @property
    def inline_name(self) -> str:
        """Name in Toolformer's notation: `Calculator` for `calculator`."""
        return self.name.capitalize()

    def answer(self, given: str) -> str:
        """Return the result of an input as Toolformer's notation gives it. Raises Reject as `run` does."""
        if given and not self.parameter:
            raise Reject("bad_input", f"the {self.name} takes no input, and got {given!r}")
        return self.run(given)

    @property
    def function(self) -> Function:
        """The tool as OpenAI's API declares it."""
        names = [self.parameter] if self.parameter else []
        properties = {name: {"type": "string", "description": self.meaning} for name in names}
        schema = {"type": "object", "properties": properties, "required": names, "additionalProperties": False}
        return Function(self.name, self.description, schema)


def calculator() -> Tool:
    """Return the tool that calculates exactly, with two decimals."""
    return Tool(
        name="calculator",
        description="Calculates with + - * / and brackets. The result has two decimals.",
        run=calculate,
        parameter="expression",
        meaning="A sum such as (3 + 4) * 2.",
    )


def calendar(today: Callable[[], date | None]) -> Tool:
    """Return the tool that tells the date; `today` gives None where none is known."""

    def run(_: str) -> str:
        day = today()
        if day is None:
            raise Reject("no_date", "no date is known here")
        return today_is(day)

    return Tool(name="calendar", description="Tells today's date and day of the week.", run=run)


def search(index: SearchIndex, count: int = 1) -> Tool:
    """Return the tool that finds passages by their words, the best first; `count` is the most."""

    def run(query: str) -> str:
        found = index.search(query, count)
        if not found:
            raise Reject("nothing_found", query)
        return "\n".join(each.text for each in found)

    return Tool(
        name="search",
        description="Finds passages of documents by their words.",
        run=run,
        parameter="query",
        meaning="Words that the passage has.",
    )


def question(ask: Callable[[str], str]) -> Tool:
    """Return the tool that answers a question of fact; `ask` gives the answer, or raises Reject."""
    return Tool(
        name="question",
        description="Answers a question of fact.",
        run=ask,
        parameter="question",
        meaning="A whole question.",
    )


def translation(translate: Callable[[str], str], language: Callable[[str], str]) -> Tool:
    """Return the tool that translates into English; `language` returns the code of a text's language."""

    def run(text: str) -> str:
        if (found := language(text)) == "en":
            raise Reject("is_english", text)
        if not found:
            raise Reject("no_language", text)
        return translate(text)

    return Tool(
        name="translation",
        description="Translates a text of any language into English.",
        run=run,
        parameter="text",
        meaning="The text to translate.",
    )
