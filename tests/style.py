"""Measures of style: `python -m tests.style` prints the table; tests/test_style.py holds the source to its limits.

Reads source as text and as syntax trees and imports none of it. Complexity is ruff's own count (C901).
"""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("jobs", "stages", "envs")
LAYOUT = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER, tokenize.COMMENT)
MIN_DUPLICATE = 6
"""Statements in the shortest function body that counts as a copy of another."""
FORBIDDEN = ("told", "said", "of which", "but for", "nobody", "whoever", "seldom", "lest", "save for")
"""Words that engineers must decode: the field has a plain word for each."""
HEADLESS = ("What", "Which", "How", "Where", "Whether", "Who")
"""First words of a module docstring that is a clause without a subject."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file."""

    path: Path

    @property
    def name(self) -> str:
        """Path below the root, as messages show it."""
        return str(self.path.relative_to(ROOT))

    @property
    def dotted(self) -> str:
        """Name in an import."""
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def text(self) -> str:
        """Source text."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """Syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def tokens(self) -> list[tokenize.TokenInfo]:
        """Tokens, comments included."""
        return list(tokenize.generate_tokens(io.StringIO(self.text).readline))

    @cached_property
    def docstrings(self) -> list[ast.Constant]:
        """Strings that stand alone: docstrings, and notes below fields and constants."""
        alone = (node.value for node in ast.walk(self.tree) if isinstance(node, ast.Expr))
        return [node for node in alone if isinstance(node, ast.Constant) and isinstance(node.value, str)]

    @cached_property
    def docstring_lines(self) -> set[int]:
        """Numbers of the lines that docstrings take."""
        return {line for node in self.docstrings for line in _lines(node)}

    @cached_property
    def code_lines(self) -> set[int]:
        """Numbers of the lines that hold code: neither blank nor comment nor docstring."""
        code = (token for token in self.tokens if token.type not in LAYOUT)
        held = {line for token in code for line in range(token.start[0], token.end[0] + 1)}
        return held - self.docstring_lines

    @cached_property
    def comments(self) -> list[tokenize.TokenInfo]:
        """Comments."""
        return [token for token in self.tokens if token.type == tokenize.COMMENT]

    @cached_property
    def functions(self) -> list[Function]:
        """All functions and methods, nested ones too."""
        return list(_functions(self, self.tree, is_public=True))


@dataclass(frozen=True)
class Function:
    """One function or method."""

    module: Module
    node: FunctionNode
    is_public: bool
    """Neither it nor what holds it has a name that starts with an underscore; no function holds it."""

    @property
    def where(self) -> str:
        """`path:line name`, as messages show it."""
        return f"{self.module.name}:{self.node.lineno} {self.node.name}"

    @property
    def code_lines(self) -> int:
        """Number of lines of code, the signature included."""
        return len(self.module.code_lines.intersection(_lines(self.node)))

    @property
    def body(self) -> list[ast.stmt]:
        """Statements after the docstring."""
        return self.node.body[1:] if ast.get_docstring(self.node, clean=False) is not None else self.node.body

    @property
    def arguments(self) -> list[ast.arg]:
        """Parameters without `self` and `cls`."""
        given = self.node.args
        more = [each for each in (given.vararg, given.kwarg) if each]
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *more]
        return [each for each in every if each.arg not in ("self", "cls")]

    @property
    def is_typed(self) -> bool:
        """Whether every parameter and the return value has a type."""
        return self.node.returns is not None and all(each.annotation for each in self.arguments)


def _lines(node: ast.AST) -> range:
    return range(getattr(node, "lineno", 0), (getattr(node, "end_lineno", None) or 0) + 1)


def _functions(module: Module, above: ast.AST, is_public: bool) -> Iterator[Function]:
    for node in ast.iter_child_nodes(above):
        if isinstance(node, FunctionNode):
            own = is_public and not node.name.startswith("_")
            yield Function(module, node, own)
            yield from _functions(module, node, is_public=False)
        elif isinstance(node, ast.ClassDef):
            yield from _functions(module, node, is_public and not node.name.startswith("_"))
        else:
            yield from _functions(module, node, is_public)


@lru_cache
def source() -> tuple[Module, ...]:
    """Return all modules of the project except tests."""
    paths = [ROOT / "launch.py", *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
    return tuple(Module(path) for path in sorted(paths))


def functions() -> list[Function]:
    """Return all functions of the source."""
    return [function for module in source() for function in module.functions]


def imports() -> dict[str, set[str]]:
    """Return each module's imports of other modules: lazy ones, and those for type checkers alone, included."""
    known = {module.dotted for module in source()}
    return {module.dotted: set(_imported(module, known)) - {module.dotted} for module in source()}


def _imported(module: Module, known: set[str]) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{each.name}" for each in node.names]
            yield from (name if name in known else node.module for name in whole if {name, node.module} & known)


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or not."""
    reached = {name: _reached(graph, name) for name in graph}
    groups = {frozenset(other for other in reached[name] if name in reached[other]) for name in graph}
    return sorted(sorted(group) for group in groups if group)


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(graph[name])
    return found


def duplicates(among: Iterable[Function]) -> list[list[str]]:
    """Return the groups of functions whose bodies are equal except for variable names."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for function in among:
        size = sum(isinstance(node, ast.stmt) for statement in function.body for node in ast.walk(statement))
        if size >= MIN_DUPLICATE:
            groups[_normalised(function)].append(function.where)
    return sorted(group for group in groups.values() if len(group) > 1)


def _normalised(function: Function) -> str:
    """Return a body's text with its variables numbered in order of appearance. Attributes and literals stay."""
    numbers: dict[str, str] = {}
    tree = ast.parse(ast.unparse(ast.Module(function.body, [])))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = numbers.setdefault(node.id, f"v{len(numbers)}")
        elif isinstance(node, ast.arg):
            node.arg = numbers.setdefault(node.arg, f"v{len(numbers)}")
    return ast.dump(tree)


@lru_cache
def complexities() -> dict[str, int]:
    """Return the McCabe complexity of every function by `path:line`, as ruff counts it."""
    command = ["ruff", "check", "--select=C901", "--config=lint.mccabe.max-complexity=0", "--output-format=json"]
    command += ["--exit-zero", "launch.py", *ROOMS]
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=True)
    found = {}
    for finding in json.loads(done.stdout):
        path = Path(finding["filename"]).relative_to(ROOT)
        (count,) = re.findall(r"too complex \((\d+) > 0\)", finding["message"])
        found[f"{path}:{finding['location']['row']}"] = int(count)
    return found


def folders() -> dict[str, int]:
    """Return the number of modules in each folder; `__init__.py` and `__main__.py` do not count."""
    named = (module.path for module in source() if not module.path.name.startswith("__"))
    return dict(Counter(str(path.parent.relative_to(ROOT)) for path in named))


def prose(module: Module) -> Iterator[tuple[int, str]]:
    """Yield docstrings, comments and the texts of errors with their lines."""
    for docstring in module.docstrings:
        yield docstring.lineno, str(docstring.value)
    for comment in module.comments:
        yield comment.start[0], comment.string
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Raise) and node.exc:
            for part in ast.walk(node.exc):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.lineno, part.value


def forbidden_words(module: Module) -> Iterator[str]:
    """Yield `path:line word` for each forbidden word in a module's prose."""
    pattern = re.compile(rf"\b({'|'.join(FORBIDDEN)})\b", re.IGNORECASE)
    for line, text in prose(module):
        for match in pattern.finditer(re.sub(r"\s+", " ", text)):
            yield f"{module.name}:{line} {match.group()}"


def headless_docstrings() -> Iterator[str]:
    """Yield the modules whose docstring starts with a relative word in place of a noun or verb."""
    for module in source():
        first = (ast.get_docstring(module.tree) or "").partition(" ")[0].strip(",:")
        if first in HEADLESS:
            yield f"{module.name} {first} ..."


def percentile(values: Sequence[int], share: float) -> int:
    """Return the value at a share of the sorted values."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _share(part: int, whole: int, decimals: int = 0) -> str:
    return f"{100 * part / max(1, whole):.{decimals}f} %"


def _lengths(modules: Sequence[Module]) -> str:
    found = [function.code_lines for module in modules for function in module.functions]
    return f"{percentile(found, 0.95)} / {max(found)}"


def _complex(modules: Sequence[Module]) -> str:
    names = {module.name for module in modules}
    found = [count for where, count in complexities().items() if where.partition(":")[0] in names]
    return f"{_share(sum(count > 10 for count in found), len(found), 1)} / {max(found)}"


def _public(modules: Sequence[Module]) -> str:
    public = [each for module in modules for each in module.functions if each.is_public]
    documented = sum(ast.get_docstring(each.node) is not None for each in public)
    return f"{_share(documented, len(public))} / {_share(sum(each.is_typed for each in public), len(public))}"


def _any(modules: Sequence[Module]) -> str:
    types = [
        ast.unparse(each.annotation)
        for module in modules
        for function in module.functions
        for each in function.arguments
        if each.annotation
    ]
    return _share(sum(re.search(r"\bAny\b", each) is not None for each in types), len(types), 1)


def _cycles(modules: Sequence[Module]) -> str:
    names = {module.dotted for module in modules}
    return str(sum(bool(names.intersection(group)) for group in cycles(imports())))


def _copies(modules: Sequence[Module]) -> str:
    return str(len(duplicates(function for module in modules for function in module.functions)))


def _values(modules: Sequence[Module]) -> str:
    nodes = [node for module in modules for node in ast.walk(module.tree)]
    raised = [node.exc for node in nodes if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    shown = [call for call in raised if not all(isinstance(each, ast.Constant) for each in call.args)]
    return _share(len(shown), len(raised), 1)


def _debts(modules: Sequence[Module]) -> str:
    nodes = [node for module in modules for node in ast.walk(module.tree)]
    swallowed = sum(isinstance(node, ast.ExceptHandler) and isinstance(node.body[0], ast.Pass) for node in nodes)
    swallowed += sum(isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress") for node in nodes)
    asserts = 1000 * sum(isinstance(node, ast.Assert) for node in nodes) / _code(modules)
    todos = sum("TODO" in comment.string for module in modules for comment in module.comments)
    return f"{swallowed} / {asserts:.1f} / {todos}"


def _code(modules: Iterable[Module]) -> int:
    return sum(len(module.code_lines) for module in modules)


def _notes(modules: Sequence[Module]) -> str:
    comments = sum(len(module.comments) for module in modules)
    docstrings = sum(len(module.docstring_lines) for module in modules)
    return f"{_share(comments, _code(modules), 1)} / {_share(docstrings, _code(modules), 1)}"


def _tested(modules: Sequence[Module]) -> str:
    folder = {module.name.partition("/")[0] for module in modules} if len(modules) < len(source()) else {"."}
    tests = [Module(path) for each in folder for path in (ROOT / "tests" / each).rglob("*.py")]
    return f"{_code(tests) / _code(modules):.2f}"


def _largest(modules: Sequence[Module]) -> str:
    names = {str(module.path.parent.relative_to(ROOT)) for module in modules}
    return str(max(count for folder, count in folders().items() if folder in names))


ROWS: Mapping[str, Callable[[Sequence[Module]], str]] = {
    "code lines": lambda modules: str(_code(modules)),
    "code lines of a function, p95 / max": _lengths,
    "functions of complexity > 10 / max": _complex,
    "public functions documented / typed": _public,
    "parameters that say Any": _any,
    "import cycles, lazy and type-only ones too": _cycles,
    "duplicated bodies": _copies,
    "errors that show the value": _values,
    "test lines for each source line": _tested,
    "swallowed errors / asserts per 1000 lines / TODO": _debts,
    "comment / docstring lines per 100 code lines": _notes,
    "modules in the largest folder": _largest,
}


def main() -> None:
    """Print the table."""
    columns = {room: [each for each in source() if each.name.startswith(f"{room}/")] for room in ROOMS}
    columns["all"] = list(source())
    width = max(map(len, ROWS))
    print(f"{'':{width}}", *(f"{name:>14}" for name in columns))
    for name, measure in ROWS.items():
        print(f"{name:{width}}", *(f"{measure(modules):>14}" for modules in columns.values()))


if __name__ == "__main__":
    main()
