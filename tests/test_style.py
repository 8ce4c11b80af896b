"""Limits of style, measured: `python -m tests.style` prints the whole table. The rules: .github/CONTRIBUTING.md."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from tests import style

MAX_P95, MAX_LINES, MAX_COMPLEXITY, MAX_MODULES = 25, 80, 10, 16


def none(found: Iterable[object]) -> None:
    """Fail with every finding on a line of its own."""
    lines = [str(each) for each in found]
    assert not lines, f"{len(lines)} found:\n" + "\n".join(lines)


def test_no_modules_import_each_other_in_a_circle() -> None:
    none(" <-> ".join(group) for group in style.cycles(style.imports()))


def test_no_function_body_stands_twice() -> None:
    none(" = ".join(group) for group in style.duplicates(style.functions()))


def test_functions_are_short() -> None:
    lengths = {function.where: function.code_lines for function in style.functions()}
    none(f"{where}: {count} lines" for where, count in lengths.items() if count > MAX_LINES)
    assert style.percentile(list(lengths.values()), 0.95) <= MAX_P95


def test_functions_are_simple() -> None:
    none(f"{where}: {count}" for where, count in style.complexities().items() if count > MAX_COMPLEXITY)


def test_no_folder_is_crowded() -> None:
    none(f"{folder}: {count} modules" for folder, count in style.folders().items() if count > MAX_MODULES)


def test_every_public_function_is_documented_and_typed() -> None:
    public = [function for function in style.functions() if function.is_public]
    none(f"{each.where}: no docstring" for each in public if ast.get_docstring(each.node) is None)
    none(f"{each.where}: not typed" for each in public if not each.is_typed)


def test_module_docstrings_start_with_a_noun_or_a_verb() -> None:
    none(style.headless_docstrings())


def test_prose_uses_plain_words() -> None:
    none(found for module in style.source() for found in style.forbidden_words(module))


def test_circles_are_found_through_lazy_imports_too() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert style.cycles(graph) == [["a", "b", "c"]]
    assert "envs.install" in style.imports()["envs.bootstrap"]  # imported in a function


def test_copies_are_found_under_other_variable_names() -> None:
    module = style.source()[0]
    body = "    {0} = 1\n    {0} += 2\n    {0} += 3\n    {0} += 4\n    {0} += 5\n    return {0}\n"
    tree = ast.parse("def one():\n" + body.format("x") + "def two():\n" + body.format("y"))
    found = [style.Function(module, node, True) for node in tree.body if isinstance(node, ast.FunctionDef)]
    (copies,) = style.duplicates(found)
    assert len(copies) == 2
