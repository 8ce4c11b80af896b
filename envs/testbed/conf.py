"""The testbed's slurm.conf: rendered from slurm.conf.in for one folder, one user and free ports."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from string import Template

TEMPLATE = Path(__file__).with_name("slurm.conf.in")
NODES = ("n1", "n2", "n3", "n4")
FIRST_PORT = 17000
"""First port to try; ports stay below the range of outgoing connections (32768 on Linux)."""


def render(template: str, folder: Path, user: str, ports: range, first_job: int) -> str:
    """Return the text of slurm.conf. `ports` are consecutive: the controller's, then one for each node."""
    return Template(template).substitute(
        folder=folder,
        user=user,
        socket=munge_socket(folder),
        first_job=first_job,
        controller_port=ports[0],
        node_ports=f"{ports[1]}-{ports[-1]}",
    )


def munge_socket(folder: Path) -> Path:
    """Return the path of the testbed's own munge socket."""
    return folder / "munge.socket"


def free_ports() -> range:
    """Return consecutive free ports: one for the controller and one for each node."""
    count = 1 + len(NODES)
    for first in range(FIRST_PORT, 32768 - count, count):
        ports = range(first, first + count)
        if _are_free(ports):
            return ports
    raise OSError(f"no {count} consecutive free ports between {FIRST_PORT} and 32768")


def _are_free(ports: range) -> bool:
    with ExitStack() as stack:
        try:
            for port in ports:
                probe = stack.enter_context(socket.socket())
                probe.bind(("", port))
        except OSError:
            return False
    return True
