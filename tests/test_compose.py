"""compose.yaml: what `docker compose up -d` starts, and under which restrictions."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.manifests import ROOT, setting_names

TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


def test_up_starts_database_and_service():
    """Without a profile it is PostgreSQL with pgvector and the service; everything else waits to be asked for."""
    assert [name for name, service in SERVICES.items() if not service.get("profiles")] == ["db", "api"]
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if service.get("profiles")}
    assert profiles == {"sync": ["job"]} | {name: [name] for name in ("vector-api", "ollama", "open-webui", "n8n")}


def test_ports_are_for_this_machine_only():
    """Nothing is published to the network; the service answers on 8080 and the Vector API on 8001, as the guides say."""
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)
    assert ports["api"] == ["127.0.0.1:8080:8080"]
    assert ports["vector-api"] == ["127.0.0.1:8001:8001"]
    assert "db" not in ports


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_locked_down(name):
    """Each container of ours is read-only, without capabilities, bounded in memory, and writes to one volume."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"] == "512m"
    (volume,) = service["volumes"]
    source, target = volume.split(":")
    assert target == "/var/lib/confluence-sync"
    assert source in COMPOSE["volumes"]
    assert set(service.get("environment", {})) <= setting_names()


def test_services_find_each_other():
    """Addresses name services of this file with the ports they listen on, and nobody starts before what it needs."""
    hosts = set(re.findall(r"(?:@|//)([a-z-]+):\d+", TEXT))
    assert hosts <= set(SERVICES) | {"localhost"}
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
    assert SERVICES["api"]["environment"] == SERVICES["sync"]["environment"]


def test_images_of_others_are_pinned():
    """No image floats with latest."""
    others = [service["image"] for name, service in SERVICES.items() if name not in OURS]
    assert all(re.search(r":[^:]*\d", image) for image in others), others


def test_env_files_are_optional_and_not_in_the_file():
    """Settings come from .env and .env.secrets; the file itself has no credential but the database's, which no port reaches."""
    for name in OURS:
        assert [entry["path"] for entry in SERVICES[name]["env_file"]] == [".env", ".env.secrets"]
        assert all(entry["required"] is False for entry in SERVICES[name]["env_file"])
    assert set(re.findall(r"\$\{(\w+)", TEXT)) == {"IMAGE", "POSTGRES_PASSWORD", "API_KEY"}
