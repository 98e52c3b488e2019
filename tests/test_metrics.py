"""Metrics and notices of a run, against real servers on 127.0.0.1."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from confluence_sync.announce import announce
from confluence_sync.config import Settings
from confluence_sync.errors import RemoteError, SettingsError
from confluence_sync.metrics import HELP, prometheus_text, write_textfile
from confluence_sync.notices import message, post
from confluence_sync.report import FailedPage, Held, PageCounts, Report, SpaceReport
from confluence_sync.settings_kinds import Secret
from confluence_sync.wires import RequestsWire

GOOD = Report(started="2026-11-21T02:00:00Z", seconds=12.3456, collection="confluence", spaces=[SpaceReport("KNOWN", "Known Issues", True)])
LAST_SUCCESS = "confluence_sync_last_success_timestamp_seconds"


class Listener(HTTPServer):
    """Keeps what it was sent and answers with `status`."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Keeper)
        self.status = status
        self.heard: list[tuple[str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Keeper(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append((self.path, self.headers["content-type"], body))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Quiet."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def failed_run() -> Report:
    space = SpaceReport("KNOWN", 'Known "Issues"', True, PageCounts(listed=3, new=2, failed=1))
    space.failed.append(FailedPage("17", "<!channel> & friends", "the body is damaged"))
    held = [Held("KNOWN", "more than 10 % would go", count=40)]
    return Report(
        "2026-11-21T02:00:00Z", 3.0, exit=4, collection="a/b", spaces=[space], held=held, oldest_unsynced="2026-11-20T00:00:00.000Z"
    )


def samples(text: str) -> dict[str, float]:
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if not line.startswith("#")}


def test_text_has_every_figure_once():
    """Counts, times and the exit code stand under their names, each family with HELP and TYPE before it."""
    text = prometheus_text(failed_run())
    found = samples(text)
    assert found['confluence_sync_pages{space="KNOWN",result="new"}'] == 2
    assert found['confluence_sync_pages{space="KNOWN",result="failed"}'] == 1
    assert found["confluence_sync_held_deletions"] == 40
    assert found["confluence_sync_exit_code"] == 4
    assert found["confluence_sync_oldest_unsynced_change_timestamp_seconds"] == 1795132800
    assert found["confluence_sync_last_run_timestamp_seconds"] == 1795226400
    assert len(found) == len([line for line in text.splitlines() if not line.startswith("#")])
    for name in {sample.partition("{")[0] for sample in found}:
        assert text.index(f"# HELP {name} ") < text.index(f"# TYPE {name} gauge") < text.index(f"\n{name}")


def test_only_a_clean_run_is_a_success():
    """The time of the last success is there after exit 0 and missing otherwise, so that a push leaves the older one alone."""
    assert samples(prometheus_text(GOOD))[LAST_SUCCESS] == 1795226400
    assert LAST_SUCCESS not in prometheus_text(failed_run())


def test_label_values_cannot_break_the_format():
    """Quotes, backslashes and line ends in a space key are escaped."""
    text = prometheus_text(Report(started=GOOD.started, spaces=[SpaceReport('a"b\\c\nd', "x")]))
    assert 'space="a\\"b\\\\c\\nd"' in text


def test_textfile_keeps_the_last_success(tmp_path):
    """After a failed run the file has the failure's figures and still the time of the last success."""
    file = tmp_path / "metrics" / "confluence.prom"
    write_textfile(file, GOOD)
    write_textfile(file, failed_run())
    write_textfile(file, failed_run())
    found = samples(file.read_text(encoding="utf-8"))
    assert (found[LAST_SUCCESS], found["confluence_sync_exit_code"]) == (1795226400, 4)
    assert [path.name for path in file.parent.iterdir()] == ["confluence.prom"]


def test_unwritable_textfile_is_named(tmp_path):
    """A path that cannot be written is named with its setting."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"METRICS_TEXTFILE: .*file/x\.prom"):
        write_textfile(tmp_path / "file" / "x.prom", GOOD)


def test_push_goes_to_the_group_of_its_collection(listener):
    """The Pushgateway gets a POST for job and collection, and for the shard where there are several; odd names go in base64."""
    announce(Settings(pushgateway_url=listener.url), GOOD)
    announce(Settings(pushgateway_url=listener.url, shard_count=4, job_completion_index=2), failed_run())
    first, second = listener.heard
    assert first == ("/metrics/job/confluence-sync/collection/confluence", "text/plain; version=0.0.4", prometheus_text(GOOD).encode())
    assert second[0] == "/metrics/job/confluence-sync/collection@base64/YS9i/shard/2"


def test_webhook_gets_a_message_for_people_and_programs(listener):
    """The message says how it ended and what failed, its titles cannot mention anybody, and the counts are there as numbers."""
    announce(Settings(notify_webhook_url=Secret(f"{listener.url}/services/T0/B0/secret")), failed_run())
    ((path, kind, body),) = listener.heard
    said = json.loads(body)
    assert (path, kind) == ("/services/T0/B0/secret", "application/json")
    assert said["text"] == "Confluence sync of a/b: held back, nothing was lost"
    (details,) = said["attachments"]
    assert [field["title"] for field in details["fields"]] == ["Failed pages", "Held back"]
    assert details["fields"][0]["value"] == "&lt;!channel&gt; &amp; friends (17): the body is damaged"
    assert said["metadata"]["event_payload"]["pages"]["failed"] == 1


def test_long_lists_are_cut_with_their_count():
    """A run with many failures names ten of them and says how many more there are."""
    report = failed_run()
    report.spaces[0].failed *= 25
    value = message(report)["attachments"][0]["fields"][0]["value"]
    assert len(value.splitlines()) == 11
    assert value.endswith("and 15 more")


def test_a_dead_end_changes_nothing_about_the_run(tmp_path, caplog):
    """When nobody listens, the run's figures are lost with a warning each, and no secret is in it."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    settings = Settings(
        metrics_textfile=tmp_path / "file" / "x",
        pushgateway_url="http://127.0.0.1:9",
        notify_webhook_url=Secret("http://127.0.0.1:9/hooks/s3cr3t?k=v3ry"),
    )
    with caplog.at_level(logging.DEBUG):
        announce(settings, GOOD)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [words in line for words, line in zip(("metrics file", "Pushgateway", "webhook"), warnings, strict=True)] == [True] * 3
    assert "s3cr3t" not in caplog.text
    assert "v3ry" not in caplog.text


def test_refusing_webhook_does_not_tell_its_address(listener):
    """An error answer names the server's words but not the path, which is the secret of such an address."""
    listener.status = 404
    with pytest.raises(RemoteError) as caught:
        post(Secret(f"{listener.url}/services/s3cr3t"), RequestsWire(), GOOD)
    assert "404" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_rules_and_dashboard_use_metrics_that_exist():
    """Every metric that an alert or a panel names is one that a run gives, or one of kube-state-metrics and Kubernetes."""
    root = Path(__file__).parent.parent / "monitoring"
    for file in ("prometheusrule.yaml", "grafana-dashboard.json"):
        used = set(re.findall(r"confluence_sync_\w+", (root / file).read_text(encoding="utf-8")))
        assert used <= set(HELP), file
        assert len(used) >= 3


def test_every_alert_says_what_to_do():
    """Each alert has a summary and a description of its own, and stands in docs/operations.md."""
    root = Path(__file__).parent.parent
    (group,) = yaml.safe_load((root / "monitoring" / "prometheusrule.yaml").read_text(encoding="utf-8"))["spec"]["groups"]
    guide = (root / "docs" / "operations.md").read_text(encoding="utf-8")
    for rule in group["rules"]:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["alert"] in guide
