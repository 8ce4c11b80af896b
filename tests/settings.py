"""Tables of settings in READMEs, generated from the fields of configs: `python -m tests.settings` writes them.

A README holds `<!-- settings: stages/web/config.py -->` and `<!-- end of settings -->`; the table goes between them.
tests/test_settings.py fails if a table is not current.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stages.shared.contract import Reads, ReadsRun

ROOT = Path(__file__).resolve().parent.parent
PLACE = re.compile(r"(<!-- settings: (stages/[\w/]+/config\.py) -->\n).*?(<!-- end of settings -->)", re.DOTALL)
HEAD = "| setting | value | default | |\n|---|---|---|---|\n"
BOUNDS = {
    annotated_types.Ge: "from {ge}",
    annotated_types.Gt: "above {gt}",
    annotated_types.Le: "to {le}",
    annotated_types.Lt: "below {lt}",
}


def updated(readme: str) -> str:
    """Return the text of a README with current tables."""
    return PLACE.sub(lambda found: f"{found[1]}\n{table(found[2])}\n{found[3]}", readme)


def table(config: str) -> str:
    """Return the table of all settings of a config module, as Markdown."""
    module = importlib.import_module(config.removesuffix(".py").replace("/", "."))
    return HEAD + "\n".join(rows(module.Config, ""))


def rows(config: type[BaseModel], above: str) -> Iterator[str]:
    """Yield a line for each setting; those of a nested section follow it under their dotted names."""
    notes = field_notes(config)
    for name, field in config.model_fields.items():
        section = _section(field.annotation)
        value = "section" if section else _value(field)
        cells = (f"`{above}{name}`", value, _default(field, section is not None), notes.get(name, ""))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        if section:
            yield from rows(section, f"{above}{name}.")


def field_notes(config: type[BaseModel]) -> dict[str, str]:
    """Return the docstring below each field, bases first, as one line."""
    found: dict[str, str] = {}
    for base in reversed(config.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            found.update(_notes(body))
    return found


def _notes(body: ast.stmt) -> Iterator[tuple[str, str]]:
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for field, note in itertools.pairwise(statements):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(note, ast.Expr):
            yield field.target.id, " ".join(str(ast.literal_eval(note.value)).split())


def _section(annotation: Any) -> type[BaseModel] | None:
    """Return the nested section that a field holds, if it holds one."""
    kinds = [kind for kind in (annotation, *get_args(annotation)) if inspect.isclass(kind)]
    return next((kind for kind in kinds if issubclass(kind, BaseModel)), None)


def _value(field: FieldInfo) -> str:
    """Return the values that a field takes: an input's kind, a list of words, or a type with bounds."""
    for mark in field.metadata:
        if isinstance(mark, Reads):
            return f"input: {mark.kind.name}"
        if isinstance(mark, ReadsRun):
            return "`run` or sections"
    bounds = [text.format(**vars_of(mark)) for mark in field.metadata if (text := BOUNDS.get(type(mark)))]
    return " ".join([_type(field.annotation), *bounds])


def vars_of(mark: Any) -> dict[str, Any]:
    """Return the fields of a bound."""
    return {name: getattr(mark, name) for name in mark.__dataclass_fields__}


def _type(annotation: Any) -> str:
    """Return a type in the words of a recipe."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(parts[0])
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is dict:
        return f"mapping from {_type(parts[0])} to {_type(parts[1])}"
    if origin is tuple:
        return f"list of {_type(parts[0])}"
    if parts:  # a union
        return " or ".join(map(_type, parts))
    return "null" if annotation is type(None) else str(annotation.__name__)


def _default(field: FieldInfo, is_section: bool) -> str:
    if field.is_required():
        return "required"
    if field.default_factory_takes_validated_data:
        return "from other settings"
    default = field.get_default(call_default_factory=True)
    if is_section:
        return "" if default is not None else "null"
    return f"`{json.dumps(default, ensure_ascii=False, default=_plain)}`"


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, (set, frozenset)) else str(value)


def main() -> None:
    """Write the tables into all READMEs."""
    for path in sorted((ROOT / "stages").rglob("README.md")):
        text = path.read_text(encoding="utf-8")
        path.write_text(updated(text), encoding="utf-8")


if __name__ == "__main__":
    main()
