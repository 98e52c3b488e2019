"""Processes an OpenShift Template as `oc process` does, so that tests need no cluster.

Semantics measured on the real oc: `${P}` is replaced anywhere in a string (an unknown name stays), `${{P}}` only where it is the whole
scalar, its value then read as JSON; a template's labels go on each object's metadata, not on Pod templates; YAML is 1.1, where yes and on
are booleans.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import yaml

NAME = re.compile(r"\$\{([A-Za-z0-9_]+)\}")
WHOLE = re.compile(r"^\$\{\{([A-Za-z0-9_]+)\}\}$")
GENERATED = iter(f"gen{number:02}" for number in range(100))


def load(text: str) -> dict:
    """The template, with plain yes, no, on and off as the booleans that oc makes of them."""
    return yaml.safe_load(text)


def process(text: str, given: Mapping[str, str]) -> list[dict]:
    """The objects of a template; raises ValueError with oc's own words for an unknown or a missing parameter."""
    template = load(text)
    declared = {p["name"]: p for p in template.get("parameters", [])}
    for name in given:
        if name not in declared:
            raise ValueError(f'unknown parameter name "{name}"')
    values = {name: _value(p, given) for name, p in declared.items()}
    labels = _filled(template.get("labels", {}), values)
    return [_labelled(_filled(thing, values), labels) for thing in template["objects"]]


def _value(parameter: Mapping, given: Mapping[str, str]) -> str:
    value = given.get(parameter["name"]) or parameter.get("value") or ""
    if not value and parameter.get("generate"):
        return next(GENERATED)
    if not value and parameter.get("required"):
        raise ValueError(f"parameter {parameter['name']} is required and must be specified")
    return value


def _filled(thing: object, values: Mapping[str, str]) -> object:
    if isinstance(thing, dict):
        return {_filled(key, values): _filled(value, values) for key, value in thing.items()}
    if isinstance(thing, list):
        return [_filled(item, values) for item in thing]
    return _text(thing, values) if isinstance(thing, str) else thing


def _text(text: str, values: Mapping[str, str]) -> object:
    whole = WHOLE.match(text)
    if whole and whole[1] in values:
        try:
            return json.loads(values[whole[1]])
        except ValueError:
            return values[whole[1]]
    return NAME.sub(lambda found: values.get(found[1], found[0]), text)


def _labelled(thing: dict, labels: dict) -> dict:
    thing["metadata"].setdefault("labels", {}).update(labels)
    return thing
