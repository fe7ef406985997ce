"""An SMTP server in its own process that writes down every letter it took over: envelope recipient, Message-ID, time.

A line is written when the last dot was read, before the answer: what is on record here was delivered, whether or not the
client lived to hear of it. ``python sink.py FILE [DELAY_SECONDS]`` prints its port.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TextIO


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: TextIO, delay: float) -> None:
    writer.write(b"220 sink ready\r\n")
    recipient = ""
    while line := await reader.readline():
        verb = line[:4].upper()
        if verb == b"DATA":
            writer.write(b"354 go on\r\n")
            await writer.drain()
            name = await read_letter(reader)
            if name is None:
                return
            await asyncio.sleep(delay)
            record.write(f"{recipient} {name} {time.time():.3f}\n")
            record.flush()
        elif verb == b"EHLO":
            writer.write(b"250-sink\r\n250-PIPELINING\r\n250 SIZE 10000000\r\n")
            continue
        elif verb == b"RCPT":
            recipient = line.decode().partition("<")[2].partition(">")[0]
        writer.write(b"250 ok\r\n")
        await writer.drain()
        if verb == b"QUIT":
            return


async def read_letter(reader: asyncio.StreamReader) -> str | None:
    """The Message-ID of a whole letter; None when the line broke before the last dot."""
    name = ""
    while (line := await reader.readline()) != b".\r\n":
        if not line.endswith(b"\n"):
            return None
        if line.startswith(b"Message-ID: "):
            name = line.decode().split()[1]
    return name


async def serve(path: Path, delay: float) -> None:
    with path.open("a", encoding="utf-8") as record:

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await converse(reader, writer, record, delay)
            except OSError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=1 << 20)
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0))
