"""The forwarder: gives each node a loopback address of this machine and leaves the machine's network alone.

It listens on this machine, then moves into the fleet's network namespace: what it accepts still comes from
here, what it connects to is there. Run as `python -m glmprov.lab.forward NAMESPACE_PID NODE_DIRECTORY…`; the
first line that it prints is a JSON list with the listening address and ports of each node.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from glmprov.lab import namespaces, network
from glmprov.lab.processes import say_ready

PORTS = (80, 443, 4999, 5000, 8000, 8001, 8002, 8080, 8888, 9090, 9100, 9400, 9835, 30000, 30001)
"""Services that a GPU host may offer, besides SSH. A port that this machine itself uses is left out."""
SSH_PORTS = (22, 2222, 2022, 22022)
"""SSH is at the first of these that is free: where this machine runs sshd, that holds 22 on all addresses."""
LATENCY_FILE = "latency_ms"
"""In a node's directory: by how much each piece of data to it is delayed, in milliseconds."""

_CLAIM = 7
"""Never forwarded: whoever listens on it has the address, so that two fleets never share one."""
_CHUNK_BYTES = 1 << 16
_Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_Listening = tuple[socket.socket, int, int]


def main(namespace_pid: str, *directories: str) -> None:
    """Listen, say where, and forward until killed."""
    nodes = [Path(directory) for directory in directories]
    listening = _listen(len(nodes))
    namespaces.enter_network(int(namespace_pid))
    told = []
    for number in range(1, len(nodes) + 1):
        own = {port: bound for bound, of, port in listening if of == number}
        told.append(
            {
                "address": own[22].getsockname()[0],
                "ssh_port": own[22].getsockname()[1],
                "ports": [port for port in PORTS if port in own],
            }
        )
    say_ready(json.dumps(told))
    asyncio.run(_serve(listening, nodes))


def _listen(count: int) -> list[_Listening]:
    for block in range(1, 255):
        try:
            return [one for number in range(1, count + 1) for one in _listen_for(f"127.77.{block}", number)]
        except OSError:
            continue
    raise SystemExit("no free loopback addresses in 127.77.0.0/16")


def _listen_for(block: str, number: int) -> list[_Listening]:
    """Listen for one node. Raise OSError if its address is taken by another fleet."""
    address = f"{block}.{10 + number}"
    listening = [(_bound(address, _CLAIM), number, _CLAIM)]
    for port in SSH_PORTS:
        with suppress(OSError):
            listening.append((_bound(address, port), number, 22))
            break
    else:
        raise OSError(f"no free port for SSH on {address}")
    for port in PORTS:
        with suppress(OSError):
            listening.append((_bound(address, port), number, port))
    return listening


def _bound(address: str, port: int) -> socket.socket:
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen(128)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


async def _serve(listening: list[_Listening], nodes: list[Path]) -> None:
    for bound, number, port in listening:
        if port == _CLAIM:
            continue
        handler = _handler(network.address(number), port, nodes[number - 1] / LATENCY_FILE)
        await asyncio.start_server(handler, sock=bound)
    await asyncio.Event().wait()


def _handler(address: str, port: int, latency: Path) -> _Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(address, port)
        except OSError:
            _reset(writer)
            return
        there = _pump(reader, there_writer, delay_seconds=_read_ms(latency) / 1000)
        back = _pump(there_reader, writer, delay_seconds=0)
        await asyncio.gather(there, back)
        writer.close()
        there_writer.close()

    return handle


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay_seconds: float) -> None:
    try:
        while data := await source.read(_CHUNK_BYTES):
            if delay_seconds:
                await asyncio.sleep(delay_seconds)
            sink.write(data)
            await sink.drain()
        sink.write_eof()
    except OSError:
        _reset(sink)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection the hard way, so that the other side sees a failure and not an end."""
    ours = writer.get_extra_info("socket")
    with suppress(OSError):
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _read_ms(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
