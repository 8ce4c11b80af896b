"""Renders the rows of one task file: for each row and each style one example, whose wording is drawn.

Draws are functions of the seed, the unit, the row and the style, so no example depends on another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from stages.formats.chat.rejects import Reject, Rejects
from stages.formats.tokenizer import Tokenizer
from stages.instruct.config import STYLES, FewShot, InstructConfig, Style
from stages.instruct.leaks import Leaks
from stages.instruct.options import OptionFormat, OptionFormats, answered
from stages.instruct.rows import Row
from stages.instruct.templates import Template

BETWEEN = "\n"
"""Between the prompt and the target of a solved example."""
SPARE_SHOTS = 10
"""Rows that are looked at besides the solved examples: some cannot be rendered, or have the prompt of the question."""


@dataclass(frozen=True)
class Limits:
    """Lengths in tokens, and the items of evaluations."""

    tokenizer: Tokenizer
    leaks: Leaks
    max_prompt: int
    max_target: int
    few_shot: FewShot

    @classmethod
    def of(cls, config: InstructConfig, tokenizer: Tokenizer, leaks: Leaks) -> Limits:
        """Return the limits of the settings."""
        return cls(tokenizer, leaks, config.max_prompt, config.max_target, config.few_shot)

    def check(self, prompt: str, target: str) -> None:
        """Raise Reject for a prompt or a target that is too long, or if both together hold an evaluation's item."""
        for text, limit, reason in (
            (prompt, self.max_prompt, "prompt_too_long"),
            (target, self.max_target, "target_too_long"),
        ):
            if not self.fits(text, limit):
                raise Reject(reason, f"more than {limit} tokens: {text}")
        self.leaks.check(f"{prompt}\n{target}")

    def fits(self, text: str, limit: int) -> bool:
        """Return whether a text has at most so many tokens. No token has less than a byte; a space may stand first."""
        return len(text.encode("utf-8", "replace")) < limit or len(self.tokenizer.encode(text)) <= limit


@dataclass(frozen=True)
class Example:
    """A prompt and its target."""

    style: Style
    template: str
    row: int
    """Number of its row in the file, from 1."""
    prompt: str
    target: str
    shots: tuple[int, ...] = ()
    """Rows of the solved examples, in order."""


@dataclass(frozen=True)
class Renderer:
    """Renders rows of one file."""

    name: str
    """Of the unit: part of every draw."""
    seed: int
    templates: Sequence[Template]
    formats: OptionFormats
    limits: Limits

    def render(self, rows: Sequence[Row | None], rejects: Rejects) -> Iterator[Example]:
        """Yield the examples of a file by row, then by style, and count the others. None: an unreadable row."""
        by_form: dict[str, list[Template]] = {}
        for template in self.templates:
            by_form.setdefault(template.form, []).append(template)
        styles = [style for style in STYLES if form_of(style) in by_form]
        for place, row in enumerate(rows):
            for style in styles if row is not None else ():
                draw = Random(f"{self.seed}/{self.name}/{place}/{style}")
                wording = Wording(draw.choice(by_form[form_of(style)]), self.formats.draw(draw), draw)
                try:
                    yield self._example(rows, place, style, wording)
                except Reject as reject:
                    rejects.add(reject, row=place + 1, style=style, template=wording.template.name)

    def _example(self, rows: Sequence[Row | None], place: int, style: Style, wording: Wording) -> Example:
        prompt, target = wording.of(rows[place] or {})
        self.limits.check(prompt, target)
        name = wording.template.name
        if style.startswith("zero"):
            return Example(style, name, place + 1, prompt, target)
        delimiter = wording.draw.choice(self.limits.few_shot.delimiters)
        shots = self._shots(rows, place, prompt, wording)
        while shots:
            whole = delimiter.join((*(f"{asked}{BETWEEN}{answer}" for _, asked, answer in shots), prompt))
            if self.limits.fits(whole, self.limits.few_shot.max_prompt):
                return Example(style, name, place + 1, whole, target, tuple(each for each, _, _ in shots))
            shots.pop()
        raise Reject("no_solved_example_fits", prompt)

    def _shots(
        self, rows: Sequence[Row | None], place: int, question: str, wording: Wording
    ) -> list[tuple[int, str, str]]:
        """Return row, prompt and target of solved examples, without those whose prompt is the question."""
        wanted = wording.draw.randint(1, self.limits.few_shot.shots)
        shots: list[tuple[int, str, str]] = []
        for other in wording.draw.sample(range(len(rows)), min(len(rows), wanted + SPARE_SHOTS)):
            row = rows[other]
            if row is None or other == place or len(shots) == wanted:
                continue
            try:
                prompt, target = wording.of(row)
                self.limits.check(prompt, target)
            except Reject:
                continue  # counted where the row is the question
            if prompt != question:
                shots.append((other + 1, prompt, target))
        return shots


@dataclass(frozen=True)
class Wording:
    """The template and the format of options that an example and its solved examples have."""

    template: Template
    options: OptionFormat
    draw: Random

    def of(self, row: Row) -> tuple[str, str]:
        """Return prompt and target of a row. Raises Reject."""
        if self.template.is_shipped:
            row = answered(row)
        if self.template.shows_options:
            row = self.options.lay_out(row)
        return self.template.render(row, self.draw)


def form_of(style: Style) -> str:
    """Return the form of the templates of a style."""
    return style.partition("_")[2]
