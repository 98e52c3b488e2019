"""Asks through litellm against a local endpoint that misbehaves; run in an environment that has litellm. Prints what came as JSON."""

import asyncio
import json
import os
import socket

from confluence_sync.errors import RemoteError
from confluence_sync.llm_litellm import Litellm
from confluence_sync.settings_kinds import Secret
from tests.llm_stub import llm_stub

abroad: list[str] = []
real = socket.socket.connect


def connect(self: socket.socket, address: object) -> None:
    if isinstance(address, tuple) and not str(address[0]).startswith("127."):
        abroad.append(str(address))
    real(self, address)  # type: ignore[arg-type]  # whatever the caller gave


async def answer(name: str) -> str:
    model = Litellm(name, Secret("s3cret"), 1.0)
    try:
        return "".join([piece async for piece in model.stream([{"role": "user", "content": "x"}])])
    except RemoteError as error:
        return f"{type(error).__name__}: {error}"


def main() -> None:
    socket.socket.connect = connect  # type: ignore[method-assign]  # every connection of this process is seen
    with llm_stub() as stub:
        stub.busy_for = 99
        os.environ["OPENAI_API_BASE"] = stub.url + "/v1"
        told = {name: asyncio.run(answer(f"openai/{name}")) for name in ("good", "nope", "hang", "broken", "busy", "garbage")}
    print(json.dumps({"told": told, "abroad": abroad}))


if __name__ == "__main__":
    main()
