"""How the ranks of a job find each other: rank 0 writes its address to a file that the others read.

No guess from the node list: node names need not resolve (they do not on the testbed), a fixed port may be taken.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from pathlib import Path

from stages.shared.errors import NodeError
from stages.shared.files import read_json, write_json

WAIT_S = 300.0


def meet(file: Path, leads: bool) -> tuple[str, int]:
    """Return (address, port) of rank 0. Raises NodeError if rank 0 does not show up in time."""
    if leads:
        address, port = own_address(), free_port()
        write_json(file, {"address": address, "port": port})
        return address, port
    deadline = time.monotonic() + WAIT_S
    while not file.exists():
        if time.monotonic() > deadline:
            raise NodeError(
                f"rank 0 did not appear within {WAIT_S:.0f} s ({file}): is the run folder shared between the nodes?"
            )
        time.sleep(0.05)
    record = read_json(file)
    return record["address"], record["port"]


def own_address() -> str:
    """Return an address under which the other nodes reach this one."""
    node = os.environ.get("SLURMD_NODENAME")
    if node is None:
        return "127.0.0.1"
    for name in (node, _node_addr(node), socket.gethostname()):
        try:
            return socket.gethostbyname(name)
        except OSError:
            continue
    raise NodeError(f"neither {node} nor {socket.gethostname()} resolves to an address on this node")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _node_addr(node: str) -> str:
    try:
        shown = subprocess.run(
            ["scontrol", "show", "node", node], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"NodeAddr=(\S+)", shown)
    return found.group(1) if found else ""
