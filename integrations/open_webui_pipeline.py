"""
title: Confluence
author: confluence-sync
version: 0.1.0
license: Apache-2.0
description: Answers from Confluence through a confluence-sync service, with sources.
"""

import json
import os
from collections.abc import Iterator

import requests
from pydantic import BaseModel

CONNECT, READ = 10, 120  # seconds


class Pipeline:
    """Loaded by an Open WebUI Pipelines host; shows one model, named by PIPELINE_TITLE."""

    class Valves(BaseModel):
        """What an administrator sets in Settings > Pipelines; the defaults come from the host's environment."""

        SERVICE_URL: str = "http://confluence-answers:8080"
        API_KEY: str = ""
        TOP_K: int = 6
        SPACE: str = ""

    def __init__(self) -> None:
        self.name = os.environ.get("PIPELINE_TITLE", "Confluence")
        self.id = "".join(c if c.isalnum() else "-" for c in self.name.lower()).strip("-") or "confluence"
        given = {name: os.environ[f"CONFLUENCE_{name}"] for name in self.Valves.model_fields if os.environ.get(f"CONFLUENCE_{name}")}
        self.valves = self.Valves(**given)

    async def on_startup(self) -> None:
        """Nothing to load: the service has the index, and follows every sync by itself."""

    async def on_shutdown(self) -> None:
        """Nothing to give back."""

    async def on_valves_updated(self) -> None:
        """The next question uses the new values."""

    def pipe(self, user_message: str, model_id: str, messages: list[dict], body: dict) -> str | Iterator[str]:
        """The answer as text in pieces, or as lines of server-sent events, which the host passes on with their citations."""
        stream = bool(body.get("stream"))
        asked = {"messages": messages or [{"role": "user", "content": user_message}], "stream": stream, "top_k": self.valves.TOP_K}
        if self.valves.SPACE:
            asked["space"] = self.valves.SPACE
        try:
            answer = self._post(asked)
            if answer.status_code != 200:
                return f"The Confluence service answered {answer.status_code}: {_detail(answer)}"
            return _lines(answer) if stream else answer.json()["choices"][0]["message"]["content"]
        except requests.RequestException as error:
            return f"The Confluence service at {self.valves.SERVICE_URL} cannot be reached ({type(error).__name__}). Check its valve."

    def _post(self, asked: dict) -> requests.Response:
        return requests.post(
            f"{self.valves.SERVICE_URL.rstrip('/')}/v1/chat/completions",
            json=asked,
            headers={"Authorization": f"Bearer {self.valves.API_KEY}"} if self.valves.API_KEY else {},
            stream=asked["stream"],
            timeout=(CONNECT, READ),
        )


def _lines(answer: requests.Response) -> Iterator[str]:
    """The events but for the end, which the host adds itself; a broken stream ends with a sentence."""
    try:
        with answer:
            for line in answer.iter_lines(decode_unicode=True):
                if not line or line == "data: [DONE]":
                    continue
                event = json.loads(line.removeprefix("data: "))
                yield f"\n\n{event['error']['message']}" if "error" in event else line
    except requests.RequestException:
        yield "\n\nThe connection to the Confluence service broke off."


def _detail(answer: requests.Response) -> str:
    try:
        return str(answer.json().get("detail", ""))
    except ValueError:
        return answer.reason
