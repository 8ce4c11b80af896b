"""`matrix:` in a section: a section for each combination of settings, and what reads the section reads all of them.

    pretrain:
      matrix: {lr: [1e-3, 2e-3], model.dim: [128, 256]}     pretrain-lr-1e-3-dim-128, pretrain-lr-1e-3-dim-256, ...
    release:
      matrix: {checkpoints: from:pretrain}                  release-lr-1e-3-dim-128, ...: one along each combination

An axis is a setting, with the path below the section, and a list of values; a mapping in place of the list names the
values. `from:pretrain` elsewhere becomes a mapping from each combination's name to it, so that sources differ by name.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from stages.shared.contract import FROM
from stages.shared.errors import ConfigError

MATRIX = "matrix"
MAX_NAME = 100
"""Characters of a section's name; it becomes part of names of folders, jobs and files."""
NAMED = "a short name that no other section has: name the values, as in {lr: {small: 1e-4, large: 1e-3}}"
Section = dict[str, Any]


def expand(sections: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """Return the sections with combinations in place of swept ones, and the names of each swept one's combinations.

    Raises ConfigError for a matrix that gives no sections or two of one name.
    """
    sweep = _Sweep(sections)
    expanded: dict[str, Any] = {}
    for name, body in sections.items():
        for section, made in sweep.combinations(name, ()).items() if is_swept(body) else [(name, body)]:
            if section in expanded or (section != name and section in sections):
                raise ConfigError(f"{name}.{MATRIX}", section, NAMED)
            expanded[section] = sweep.resolved(section, made)
    return expanded, {name: tuple(found) for name, found in sweep.found.items()}


def is_swept(body: Any) -> bool:
    """Return whether a section's body has a matrix."""
    return isinstance(body, Mapping) and MATRIX in body


class _Sweep:
    def __init__(self, sections: Mapping[str, Any]) -> None:
        self.sections = sections
        self.found: dict[str, dict[str, Section]] = {}

    def combinations(self, name: str, above: tuple[str, ...]) -> dict[str, Section]:
        """Return the combinations of a swept section by name."""
        if name in above:
            raise ConfigError(f"{name}.{MATRIX}", FROM + name, f"no circle ({' -> '.join([*above, name])})")
        if name not in self.found:
            body = self.sections[name]
            axes = body[MATRIX]
            if not isinstance(axes, Mapping) or not axes:
                raise ConfigError(f"{name}.{MATRIX}", axes, "a mapping from settings to lists of values")
            choices = [list(self._choices(name, path, axes, above)) for path in axes]
            found: dict[str, Section] = {}
            for choice in itertools.product(*choices):
                section = "-".join([name, *(label for label, _ in choice)])
                if section in found or len(section) > MAX_NAME:
                    raise ConfigError(f"{name}.{MATRIX}", section, NAMED)
                found[section] = _with(name, body, dict(zip(axes, (value for _, value in choice), strict=True)))
            self.found[name] = found
        return self.found[name]

    def _choices(
        self, name: str, path: str, axes: Mapping[str, Any], above: tuple[str, ...]
    ) -> Iterator[tuple[str, Any]]:
        """Yield the name and the value of each choice of an axis."""
        values = axes[path]
        if (upstream := self.swept(values)) is not None:
            for section in self.combinations(upstream, (*above, name)):
                yield section.removeprefix(f"{upstream}-"), FROM + section
            return
        if not isinstance(values, (list, Mapping)) or not values:
            raise ConfigError(f"{name}.{MATRIX}.{path}", values, "a list of values, or a mapping from names to values")
        last = path.rpartition(".")[2]
        is_unique = sum(other.rpartition(".")[2] == last for other in axes) == 1
        label = last if is_unique else path
        named = values.items() if isinstance(values, Mapping) else [(_name_of(value), value) for value in values]
        for choice, value in named:
            yield _safe(f"{label}-{choice}"), value

    def swept(self, value: Any) -> str | None:
        """Return the swept section that `from:NAME` names, else None."""
        name = value.removeprefix(FROM) if isinstance(value, str) and value.startswith(FROM) else ""
        return name if is_swept(self.sections.get(name)) else None

    def resolved(self, section: str, body: Any) -> Any:
        """Return a body in which each `from:` of a swept section names its combinations."""
        if not isinstance(body, Mapping):
            return body
        return {field: self._field(f"{section}.{field}", value) for field, value in body.items()}

    def _field(self, setting: str, value: Any) -> Any:
        if (upstream := self.swept(value)) is not None:
            return {section: FROM + section for section in self.combinations(upstream, ())}
        if isinstance(value, Mapping):
            return dict(pair for source, item in value.items() for pair in self._source(setting, source, item))
        self._refuse_in_list(setting, value)
        return value

    def _source(self, setting: str, source: str, value: Any) -> Iterator[tuple[str, Any]]:
        """Yield the entries of a mapping of sources that stand for one of its entries."""
        if (upstream := self.swept(value)) is not None:
            for section in self.combinations(upstream, ()):
                yield source + section.removeprefix(upstream), FROM + section
        else:
            self._refuse_in_list(f"{setting}.{source}", value)
            yield source, value

    def _refuse_in_list(self, setting: str, value: Any) -> None:
        for item in value if isinstance(value, list) else ():
            if (upstream := self.swept(item)) is not None:
                wanted = f"a mapping, such as {{{upstream}: {item}}}: names tell the combinations of {upstream} apart"
                raise ConfigError(setting, value, wanted)


def _with(name: str, body: Mapping[str, Any], chosen: Mapping[str, Any]) -> Section:
    """Return the body of one combination: the section's own, with the chosen settings."""
    made = copy.deepcopy({key: value for key, value in body.items() if key != MATRIX})
    made.setdefault("stage", name)
    for path, value in chosen.items():
        *groups, last = path.split(".")
        here = made
        for group in groups:
            here = here.setdefault(group, {})
            if not isinstance(here, dict):
                raise ConfigError(f"{name}.{MATRIX}.{path}", value, f"a path through mappings; {group!r} is {here!r}")
        here[last] = copy.deepcopy(value)
    return made


def _name_of(value: Any) -> str:
    """Return a value as part of a section's name: 0.001 is 1e-3, 0.95 is 0_95, {dim: 128} is dim-128."""
    if isinstance(value, Mapping):
        return "-".join(f"{key}-{_name_of(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "-".join(map(_name_of, value))
    if isinstance(value, float):
        return _float_name(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _float_name(value: float) -> str:
    sign, digits, _ = Decimal(repr(value)).normalize().as_tuple()
    exponent = Decimal(repr(value)).adjusted()
    if -2 <= exponent <= 4 or not value:
        return repr(value).removesuffix(".0")
    return f"{'-' * sign}{digits[0]}{'.' * (len(digits) > 1)}{''.join(map(str, digits[1:]))}e{exponent}"


def _safe(name: str) -> str:
    """Return a name of letters, digits, _ and -, as names of sections and folders are."""
    return re.sub(r"[^\w-]+", "-", name.replace(".", "_")).strip("-")
