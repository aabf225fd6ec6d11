"""The REST API behind all servers: one answer of 2.6 kB, or so many rows, at next to no cost.

`python -m benchmarks.peers.upstream PORT [ROWS]`. `/served` says how many calls came, so that no
server can answer from a cache unnoticed.
"""

import asyncio
import json
import sys
from typing import Any

HEAD_END = b"\r\n\r\n"


ROWS = 9


def workflows(number_of_rows: int = ROWS) -> dict[str, Any]:
    """As Wiv lists them, made up."""
    names = (
        "Idle volumes",
        "Right-size databases",
        "Budget alert",
        "Tag audit",
        "Snapshot clean-up",
    )
    rows = [
        {
            "id": f"wf_{number:04x}",
            "name": names[number % len(names)],
            "description": f"Looks at {names[number % len(names)].lower()} of all accounts.",
            "space_id": f"spc_{number % 3}",
            "folder_id": f"fld_{number % 4}",
            "is_active": number % 3 != 0,
            "tags": ["finops", names[number % len(names)].split()[0].lower()],
            "last_run": {"id": f"exec_{number:08x}", "status": "COMPLETED", "cost": 12.5 * number},
            "updated_at": f"2026-11-{number % 28 + 1:02}T08:30:00Z",
        }
        for number in range(number_of_rows)
    ]
    return {"items": rows, "total": len(rows), "limit": 50, "offset": 0}


def response(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + HEAD_END + body


NOT_FOUND = response(b'{"detail":"no such path"}', "404 Not Found")


class Upstream(asyncio.Protocol):
    """Keep-alive and pipelined GETs without a body."""

    served = 0
    answer_to_list = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while HEAD_END in self.received:
            head, _, self.received = self.received.partition(HEAD_END)
            self.transport.write(self.answer(head))

    def answer(self, head: bytes) -> bytes:
        if head.startswith((b"GET /workflows ", b"GET /workflows?")):
            Upstream.served += 1
            return self.answer_to_list
        if head.startswith(b"GET /served "):
            return response(json.dumps(Upstream.served).encode())
        return NOT_FOUND


async def serve(port: int, rows: int = ROWS) -> None:
    body = json.dumps(workflows(rows), separators=(",", ":")).encode()
    Upstream.answer_to_list = response(body)
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:])))
