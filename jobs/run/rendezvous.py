"""Rendezvous of ranks: rank 0 writes its address to a file that the others read.

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


def meet(file: Path, leads: bool) -> tuple[str, int, int | None]:
    """Return rank 0's address and port, and to rank 0 itself the descriptor of the socket that holds the port.

    Raises NodeError if rank 0 does not show up in time.
    """
    if leads:
        listener = socket.create_server(("", 0), backlog=1024)
        address, port = own_address(), int(listener.getsockname()[1])
        write_json(file, {"address": address, "port": port})
        return address, port, listener.detach()
    deadline = time.monotonic() + WAIT_S
    while not file.exists():
        if time.monotonic() > deadline:
            raise NodeError(
                f"rank 0 did not appear within {WAIT_S:.0f} s ({file}): is the run folder shared between the nodes?"
            )
        time.sleep(0.05)
    record = read_json(file)
    return record["address"], record["port"], None


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


def _node_addr(node: str) -> str:
    try:
        shown = subprocess.run(
            ["scontrol", "show", "node", node], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"NodeAddr=(\S+)", shown)
    return found.group(1) if found else ""
