"""Ranks find each other through a file, on one machine and on several."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from jobs.run import rendezvous
from jobs.run.rendezvous import meet, own_address
from stages.shared.errors import NodeError
from tests.jobs.fakes import fake


def test_all_ranks_learn_where_rank_0_is_whoever_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "rendezvous.json"
    found: list[tuple[str, int, int | None]] = []
    early = threading.Thread(target=lambda: found.append(meet(file, leads=False)))
    early.start()
    address, port, listener = meet(file, leads=True)
    early.join(10)
    assert [*found, meet(file, leads=False)] == [(address, port, None)] * 2
    assert listener is not None
    os.close(listener)


def test_nobody_else_can_take_the_port_that_was_told(tmp_path: Path) -> None:
    _, port, listener = meet(tmp_path / "rendezvous.json", leads=True)
    assert listener is not None
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("", port))
    os.close(listener)


def test_a_leader_that_never_comes_is_this_nodes_trouble_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendezvous, "WAIT_S", 0.1)
    with pytest.raises(NodeError, match="is the run folder shared"):
        meet(tmp_path / "rendezvous.json", leads=False)


def test_without_slurm_the_address_is_this_machines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    assert own_address() == "127.0.0.1"


def test_a_node_whose_name_resolves_is_reached_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURMD_NODENAME", "localhost")
    assert own_address() == "127.0.0.1"


def test_a_node_whose_name_does_not_resolve_is_reached_as_slurm_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURMD_NODENAME", "n1.invalid")
    body = "echo 'NodeName=n1 Arch=x86_64'; echo '   NodeAddr=127.0.0.7 NodeHostName=localhost Version=22.05.8'"
    scontrol = fake(monkeypatch, tmp_path, "scontrol", body)
    assert own_address() == "127.0.0.7"
    assert scontrol.calls() == [["show", "node", "n1.invalid"]]
