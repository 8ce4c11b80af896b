"""Strikes: two in a day and the node is avoided, by what is submitted next; they expire and can be cleared."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.paths import RunPaths
from jobs.submit.strikes import (
    Strike,
    bad_nodes,
    clear_strikes,
    in_force,
    read_strikes,
    strike_lines,
    without_bad_nodes,
    write_strike,
)
from stages.shared.files import write_json
from tests.jobs import made

NOW = 1_000_000.0


def strike(node: str, hours_ago: float = 0.0) -> Strike:
    return Strike(node=node, job="a.x", reason="no GPU", when=NOW - hours_ago * 3600)


def test_a_node_is_bad_from_two_strikes_on_until_they_expire() -> None:
    found = [strike("n1"), strike("n2", 30), strike("n1", 3), strike("n2", 2), strike("n3")]
    assert bad_nodes(in_force(found, NOW, 24), 2) == ("n1",)
    assert bad_nodes(in_force(found, NOW, 48), 2) == ("n1", "n2")
    assert bad_nodes(in_force(found, NOW, 2.5), 1) == ("n1", "n2", "n3")


def test_the_graph_avoids_bad_nodes_beside_those_of_the_recipe(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    graph = made.graph(made.job("a", exclude="n[7-8]"), made.job("b"))
    cluster = made.slurm_cluster()
    assert without_bad_nodes(graph, paths, cluster) is graph
    for number in range(2):
        write_strike(paths, f"k.{number}.0", replace(strike("n1"), when=time.time()))
    found = without_bad_nodes(graph, paths, cluster)
    assert [job.resources.exclude for job in found.jobs.values()] == ["n[7-8],n1", "n1"]
    assert clear_strikes(paths, ["n1"]) == 2
    assert without_bad_nodes(graph, paths, cluster) == graph


@pytest.mark.parametrize("node", ["n[1-2]", "", "n1,n2", "n1 --wrap", "$(touch x)", "-x"])
def test_what_is_no_single_node_is_not_blamed(tmp_path: Path, node: str) -> None:
    paths = RunPaths(tmp_path)
    write_strike(paths, "k.0.0", strike(node))
    write_json(paths.strikes / "forged.json", {"node": node, "job": "a", "reason": "", "when": time.time()})
    (paths.strikes / "half.json").write_text("{")
    assert read_strikes(paths) == []


def test_strikes_are_told_by_node() -> None:
    lines = list(strike_lines([strike("n2", 5), strike("n1", 4), strike("n1", 1)], 2, NOW))
    assert lines == [
        "n1: 2 strikes, avoided; the last 1.0 h ago by a.x: no GPU",
        "n2: 1 strike, avoided from 2 strikes on; the last 5.0 h ago by a.x: no GPU",
    ]
