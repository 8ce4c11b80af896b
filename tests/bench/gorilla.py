"""Published AST matching of answers with APIs, beside one tree-sitter query an API a row.

python -m tests.bench.gorilla DATA [--rounds 3] [--check]      DATA: APIBench's files (torchhub_api.jsonl, responses/)
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tree_sitter import Query, QueryCursor

from stages.formats.calls.apis import read_apis
from stages.tools.gorilla.code import LANGUAGE, parse, text_of
from stages.tools.gorilla.published import PublishedMatcher, answered_code
from tests.bench.compare import Comparison, add_options, alternate, one_core, show

ASKED = 5.0


def compare_matching(data: Path, rounds: int) -> list[Comparison]:
    """Compare rows a second over all published answers."""
    one_core()
    calls = [api.api_call for api in read_apis(data / "torchhub_api.jsonl")]
    texts = [json.loads(line)["text"] for path in sorted((data / "responses").iterdir()) for line in path.open()]
    codes = [code for text in texts if (code := answered_code(text, "torchhub")) is not None]
    names = [call.partition("(")[0] for call in calls]
    queries = [Query(LANGUAGE, f'((call function: (_) @name) @call (#eq? @name "{name}"))') for name in names]

    def ours() -> float:
        matcher = PublishedMatcher(calls, "torchhub")
        for code in codes:
            matcher.match(code)
        return len(codes)

    def theirs() -> float:
        few = codes[::10]
        for code in few:
            root = parse(code.encode())
            for query in queries:
                for node in QueryCursor(query).captures(root).get("call", ()):
                    text_of(node)
        return len(few)

    rates = alternate(ours, theirs, rounds)
    note = f"{len(codes)} rows, {len(calls)} APIs"
    return [Comparison("AST matching", "rows", *rates, "a query an API", ASKED, note)]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    add_options(parser, ["matching"])
    options = parser.parse_args()
    return show({"matching": lambda rounds: compare_matching(options.data, rounds)}, options)


if __name__ == "__main__":
    sys.exit(main())
