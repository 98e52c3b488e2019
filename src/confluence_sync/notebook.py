"""What ingest_conf.ipynb needs beside the steps of a run: settings that work with nothing set, and plots with or without matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from html import escape
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from confluence_sync.config import Settings
from confluence_sync.html_report import html_report
from confluence_sync.model import Hit
from confluence_sync.report import Report
from confluence_sync.settings_files import read_settings
from confluence_sync.settings_kinds import Secret
from confluence_sync.simulator.sample import SAMPLE
from confluence_sync.simulator.server import Simulator
from confluence_sync.svg_plots import COLOURS, columns, stacked_bars


@dataclass(frozen=True, slots=True)
class Shown:
    """Something that a notebook shows as HTML."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


@dataclass
class Place:
    """Where the notebook works: a real Confluence, or `simulator` when no variable names one. Close it at the end."""

    settings: Settings
    simulator: Simulator | None
    cleanup: ExitStack

    def close(self) -> None:
        self.cleanup.close()


def open_place(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Place:
    """The settings of the environment and .env; without a Confluence in them, the sample space and a store in a temporary folder.

    A simulated Confluence is never written into a real destination.
    """
    settings = read_settings(environment=environment, folder=folder)
    cleanup = ExitStack()
    if settings.conf_cloud_id or settings.conf_base_url:
        return Place(settings, None, cleanup)
    simulator = cleanup.enter_context(Simulator(SAMPLE))
    state_dir = Path(cleanup.enter_context(TemporaryDirectory(prefix="confluence-sync-")))
    access = simulator.options.access
    return Place(
        Settings(
            conf_gateway_url=simulator.url,
            conf_cloud_id=simulator.cloud_id,
            conf_user=access.user,
            conf_api_token=Secret(access.token),
            space_name=("Known Issues",),
            state_dir=state_dir,
            vector_backend="sqlite",
            embedding_backend="none",
        ),
        simulator,
        cleanup,
    )


def search(settings: Settings, text: str, top_k: int = 5) -> list[Hit]:
    """The best hits for a question in the store that the settings name."""
    from confluence_sync.stores.detect import collection_name, open_store_backend

    backend, detection = open_store_backend(settings)
    with closing(backend), closing(backend.open(collection_name(settings, detection.variant))) as store:
        return store.query(text, top_k)


def bars(title: str, rows: Sequence[tuple[str, float]]) -> Shown:
    """One horizontal bar a row."""
    figure = _figure(8, 0.4 * len(rows) + 0.8)
    if figure is None:
        whole = [(label, [(label, round(value), COLOURS[0])]) for label, value in rows]
        return Shown(_headed(title, stacked_bars(whole, title)))
    axes = figure.subplots()
    axes.barh([label for label, _ in reversed(rows)], [value for _, value in reversed(rows)], color=COLOURS[0])
    axes.set_title(title)
    return Shown(_drawn(figure))


def histogram(title: str, values: Sequence[float], unit: str, bins: int = 20) -> Shown:
    """How often values of a size occur."""
    figure = _figure(8, 3)
    if figure is None:
        return Shown(_headed(f"{title} ({unit})", columns(_counted(values, bins), title)))
    axes = figure.subplots()
    axes.hist(values, bins=bins, color=COLOURS[0])
    axes.set_title(title)
    axes.set_xlabel(unit)
    return Shown(_drawn(figure))


def hits(found: Sequence[Hit]) -> Shown:
    """Hits as a list of links with the beginning of their text."""
    rows = [(hit.metadata.title, hit.metadata.url, hit) for hit in found if hit.metadata]
    items = "".join(
        f'<li><a href="{escape(url)}">{escape(title)}</a>: {escape(" ".join(hit.text.split())[:200])}</li>' for title, url, hit in rows
    )
    return Shown(f"<ol>{items}</ol>" if items else "<p>nothing found</p>")


def report_page(report: Report) -> Shown:
    """The HTML report of a run, in a frame of its own."""
    page = escape(html_report(report.as_json()))
    return Shown(f'<iframe srcdoc="{page}" style="width:100%;height:32rem;border:1px solid #ccc"></iframe>')


def _counted(values: Sequence[float], bins: int) -> list[tuple[str, float, str]]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    width = (high - low) / bins or 1.0
    counts = [0] * bins
    for value in values:
        counts[min(int((value - low) / width), bins - 1)] += 1
    return [(f"{low + i * width:.0f} to {low + (i + 1) * width:.0f}", float(count), COLOURS[0]) for i, count in enumerate(counts)]


def _headed(title: str, plot: str) -> str:
    return f"<h4>{escape(title)}</h4>{plot}"


def _figure(width: float, height: float) -> Any:
    """An empty matplotlib figure, in inches; None where matplotlib is not installed."""
    try:
        return import_module("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    except ModuleNotFoundError:
        return None


def _drawn(figure: Any) -> str:
    """A matplotlib figure as inline SVG."""
    out = io.StringIO()
    figure.savefig(out, format="svg")
    text = out.getvalue()
    return text[text.index("<svg") :]
