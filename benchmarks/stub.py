"""DynamoDB and SSM on loopback, in a process of its own: it answers from memory, at once.

``python -m benchmarks.stub ITEMS.json`` prints its port and serves until its standard input ends.
It keeps nothing of what is written: what is measured is the caller. GET / tells how many calls of
each operation there were.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

SIGNING_KEYS = {
    "current": "k1",
    "keys": {"k1": base64.b64encode(b"k" * 32).decode()},
    "address_secret": base64.b64encode(b"a" * 32).decode(),
    "coupon_secret": base64.b64encode(b"c" * 32).decode(),
}
_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n"


class Memory:
    """The items by table and key; ``counts`` says how often each operation was asked for."""

    def __init__(self, items: dict[str, list[dict[str, Any]]]) -> None:
        self.counts: Counter[str] = Counter()
        self._items = {
            (table, item["pk"]["S"], item["sk"]["S"]): item
            for table, held in items.items()
            for item in held
        }

    def answer(self, operation: str, body: bytes) -> dict[str, Any]:
        """What AWS would say, for the calls that a checkout makes."""
        self.counts[operation] += 1
        match operation:
            case "BatchGetItem":
                return self._found(json.loads(body)["RequestItems"])
            case "GetParameter":
                return {"Parameter": {"Value": json.dumps(SIGNING_KEYS)}}
            case "PutItem" | "UpdateItem" | "TransactWriteItems":
                return {}
            case _:
                raise ValueError(f"no checkout calls {operation}")

    def _found(self, asked: dict[str, Any]) -> dict[str, Any]:
        responses: dict[str, Any] = {}
        for table, keys in asked.items():
            named = ((table, key["pk"]["S"], key["sk"]["S"]) for key in keys["Keys"])
            responses[table] = [self._items[name] for name in named if name in self._items]
        return {"Responses": responses, "UnprocessedKeys": {}}


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as little of it as botocore speaks."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (for the types alone)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            body, self._buffer = rest[:length], rest[length:]
            target = _target_of(head)
            told = self._memory.answer(target, body) if target else dict(self._memory.counts)
            content = json.dumps(told).encode()
            if self._transport is not None:
                self._transport.write(_HEAD.format(len(content)).encode() + content)


def _target_of(head: bytes) -> str:
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == "x-amz-target":
            return value.rpartition(".")[2]
    return ""


async def serve(memory: Memory) -> None:
    """Serve on a free port of 127.0.0.1 until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(memory), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Memory(json.loads(Path(sys.argv[1]).read_text()))))
