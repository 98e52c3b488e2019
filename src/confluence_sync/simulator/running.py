"""Runs the simulator for people: from the command line, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path

from confluence_sync.errors import SettingsError
from confluence_sync.simulator.access import Access
from confluence_sync.simulator.faults import read_rules
from confluence_sync.simulator.sample import SAMPLE
from confluence_sync.simulator.server import Simulator
from confluence_sync.simulator.site import Options


def run_simulator(
    path: Path | None,
    host: str,
    port: int,
    latency_ms: float,
    faults: str,
    token: str | None,
    *,
    control: bool = False,
    as_pages: bool = False,
) -> int:
    """Serves until SIGINT or SIGTERM, after printing the settings that make a sync use it. Without a path: the sample space.

    `faults` is in the notation of `read_rules`; `token` replaces all three of the simulator's own; `control` opens /_control;
    `as_pages` serves comments, drafts and the like as current pages, too.
    """
    access = Access(token=token, site_token=token, pat=token) if token else Access()
    options = Options(access=access)
    simulator = Simulator(
        path or SAMPLE,
        options,
        host=host,
        port=port,
        as_pages=as_pages,
        latency_ms=latency_ms,
        faults=read_rules(faults),
        control=control,
    )
    return asyncio.run(_until_told(simulator))


def serve(path: Path, host: str = "127.0.0.1", port: int = 0, latency_ms: float = 0, faults: str = "") -> int:
    """`run_simulator` with the simulator's own tokens."""
    return run_simulator(path, host, port, latency_ms, faults, None)


async def _until_told(simulator: Simulator) -> int:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    try:
        server = await simulator.start()
    except OSError as error:
        raise SettingsError(f"cannot serve on {simulator.host}:{simulator.port}: {error.strerror}; choose another --port") from error
    print(what_to_set(simulator), flush=True)
    await told.wait()
    await simulator.stop(server)
    simulator.wiki.close()
    print(f"served {len(simulator.lines)} requests", flush=True)
    return 0


def what_to_set(simulator: Simulator) -> str:
    """The lines a person pastes into .env (or a shell) for each of the three shapes."""
    access, pages = simulator.options.access, [c for c in simulator.wiki.contents.values() if c.type == "page" and c.status == "current"]
    held = Counter(c.space_key for c in pages)
    spaces = [f"#   {count:>6} pages  {key:<12} {simulator.wiki.spaces[key].name}" for key, count in held.most_common(12)]
    more = [f"#   and {len(held) - 12} more"] if len(held) > 12 else []
    name = simulator.wiki.spaces[held.most_common(1)[0][0]].name if held else ""
    user, quoted = access.user, f'SPACE_NAME="{name}"'
    lines = [
        f"# A simulated Confluence serves {len(pages)} current pages in {len(held)} spaces on {simulator.url}",
        *spaces,
        *more,
        *note(simulator),
        "# As Confluence Cloud through Atlassian's gateway:",
        f"CONF_GATEWAY_URL={simulator.gateway_url}",
        f"CONF_CLOUD_ID={simulator.cloud_id}",
        f"CONF_USER={user}",
        f"CONF_API_TOKEN={access.token}",
        quoted,
        f"# or as the site itself: CONF_BASE_URL={simulator.site_url} CONF_USER={user} CONF_API_TOKEN={access.site_token} {quoted}",
        f"# or as Data Center: CONF_BASE_URL={simulator.data_center_url} CONF_PAT={access.pat} {quoted}",
        "# Ctrl-C stops it.",
    ]
    return "\n".join(lines)


def note(simulator: Simulator) -> list[str]:
    number = simulator.wiki.renumbered
    return [f"# {number} objects came with an id that was taken and got another one"] if number else []
