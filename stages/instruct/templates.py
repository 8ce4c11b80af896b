"""Templates of instructions: Jinja in a sandbox, of promptsource's YAML files and of ours in `templates/flan`.

A template renders a row as `prompt ||| target`. What promptsource's `Template.apply` does is done here, with five
differences. Choices are drawn from the seed. A missing column, a negative label and an open-ended size are rejects. A
null is an empty text. `|||` in nested columns is protected, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, SupportsIndex, get_args

import jinja2
import yaml
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from stages.formats.chat.rejects import Reject
from stages.instruct.config import Form, shipped
from stages.instruct.rows import Row
from stages.shared.errors import DataError

SEPARATOR = "|||"
PROTECTED = "\x00\x01\x00"
"""Stands for a separator that is in a row."""
MAX_VALUE_CHARS = 2048
"""Characters of a value in a template of promptsource, which cuts longer ones (its TEXT_VAR_LENGTH)."""
LEEWAY, ELLIPSIS = 5, "..."
MAX_CHARS = 1 << 20
"""Characters that a template may write, and that a product may have."""
DRAW = "draw_of_this_row"
"""Variable with the random numbers of the row."""
BLOCK = "options_block"
_REMEDY = "Give the `templates.yaml` of a data set of promptsource"


class Choices(list[str]):
    """Answer choices; a negative number, which stands for an unknown label, has none."""

    def __getitem__(self, place: SupportsIndex | slice) -> Any:
        if not isinstance(place, slice) and place.__index__() < 0:
            raise IndexError(f"no answer choice {place}")
        return super().__getitem__(place)


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja without access to Python, unseeded randomness, or products of any size."""

    intercepted_binops = frozenset(("*", "**"))

    def __init__(self, cut: bool) -> None:
        super().__init__(undefined=jinja2.StrictUndefined, finalize=_cut if cut else _text)
        del self.globals["lipsum"]
        self.globals["zip"] = zip
        self.filters.update(choice=_choice, random=_choice, most_frequent=_most_frequent)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return a product of numbers, or of a text and a number if it is short; no powers."""
        sizes = [len(each) if isinstance(each, Sequence) else abs(each) for each in (left, right)]
        if operator == "**" or sizes[0] * sizes[1] > MAX_CHARS:
            raise jinja2.exceptions.SecurityError(f"{operator} makes more than {MAX_CHARS:,}")
        return super().call_binop(context, operator, left, right)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _cut(value: Any) -> str:
    """Return the text of a value, cut at a space as Jinja's `truncate` does."""
    text = _text(value)
    if len(text) <= MAX_VALUE_CHARS + LEEWAY:
        return text
    return text[: MAX_VALUE_CHARS - len(ELLIPSIS)].rsplit(" ", 1)[0] + ELLIPSIS


@jinja2.pass_context
def _choice(context: Context, items: Sequence[Any]) -> Any:
    return context[DRAW].choice(items)


def _most_frequent(items: Sequence[Any]) -> list[Any]:
    counts = Counter(items)
    return [item for item, count in counts.items() if count == max(counts.values())]


SANDBOXES = {cut: Sandbox(cut) for cut in (False, True)}


@dataclass(frozen=True)
class Template:
    """One wording of a task."""

    name: str
    form: Form
    text: jinja2.Template
    choices: jinja2.Template | None = None
    """Renders the answer choices, joined by `|||`."""
    is_shipped: bool = False
    """Whether its rows have options as texts, and the answer as one of them; promptsource's take rows as they are."""
    shows_options: bool = False
    """Whether it has the variable `options_block`, and the answer as that names it."""

    def render(self, row: Row, draw: Random) -> tuple[str, str]:
        """Return prompt and target, without white space around them. Raises Reject."""
        safe: dict[str, Any] = {**_protect(row), DRAW: draw}
        safe["answer_choices"] = Choices(_parts(self.choices, safe)) if self.choices else None
        parts = _parts(self.text, safe)
        if len(parts) != 2:
            raise Reject("not_prompt_and_target", f"{len(parts)} parts: {parts}")
        for part, reason in zip(parts, ("blank_prompt", "blank_target"), strict=True):
            if not part:
                raise Reject(reason, str(row))
        return parts[0], parts[1]


def _parts(template: jinja2.Template, values: Mapping[str, Any]) -> list[str]:
    pieces: list[str] = []
    length = 0
    try:
        for piece in template.generate(values):
            pieces.append(piece)
            length += len(piece)
            if length > MAX_CHARS:
                raise Reject("template_error", f"more than {MAX_CHARS:,} characters")
    except (jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Reject("template_error", f"{type(error).__name__}: {error}") from error
    return [part.replace(PROTECTED, SEPARATOR).strip() for part in "".join(pieces).split(SEPARATOR)]


def _protect(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(SEPARATOR, PROTECTED)
    if isinstance(value, dict):
        return {name: _protect(each) for name, each in value.items()}
    return [_protect(each) for each in value] if isinstance(value, list) else value


class _Loader(yaml.SafeLoader):
    """Reads `!Template` and `!TemplateMetadata` as mappings, and no other tag."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> Any:
    return loader.construct_mapping(node, deep=True)


for _tag in ("!Template", "!TemplateMetadata"):
    _Loader.add_constructor(_tag, _mapping)


def read_promptsource(path: Path) -> list[Template]:
    """Return the templates of a file of promptsource, by name. Raises DataError for a file that is none."""
    try:
        records = yaml.load(path.read_text(encoding="utf-8"), _Loader)["templates"].values()
        made = [_from_promptsource(record) for record in records]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"no templates of promptsource ({error!r})", _REMEDY) from error
    except jinja2.TemplateSyntaxError as error:
        raise DataError(path, f"a template is no Jinja ({error})", _REMEDY) from error
    return sorted(made, key=lambda template: template.name)


def _from_promptsource(record: Mapping[str, Any]) -> Template:
    form: Form = "options" if (record.get("metadata") or {}).get("choices_in_prompt") else "plain"
    choices = record.get("answer_choices")
    compiled = SANDBOXES[True].from_string(record["jinja"])
    return Template(record["name"], form, compiled, SANDBOXES[False].from_string(choices) if choices else None)


def read_shipped(name: str) -> list[Template]:
    """Return the templates of a file of `templates/flan`: form, name and Jinja text of each."""
    groups = yaml.safe_load(shipped(name).read_text(encoding="utf-8"))
    return [
        Template(
            f"{name}/{form}/{each}",
            form,
            SANDBOXES[False].from_string(text),
            is_shipped=True,
            shows_options=BLOCK in text,
        )
        for form in get_args(Form)
        for each, text in groups.get(form, {}).items()
    ]


def templates_of(names: Sequence[str], prompts: Sequence[Path], only: Sequence[str]) -> list[Template]:
    """Return a task's templates, those of `only` if it names any. Raises DataError for a name that none has."""
    made = [template for name in names for template in read_shipped(name)]
    made += [template for path in prompts for template in read_promptsource(path)]
    known = {template.name for template in made}
    if missing := [name for name in only if name not in known]:
        where = str(prompts[0]) if prompts else f"templates/flan/{names[0]}.yaml"
        raise DataError(where, f"no template {missing[0]!r}", f"Set `only` to some of {', '.join(sorted(known))}")
    return [template for template in made if not only or template.name in only]
