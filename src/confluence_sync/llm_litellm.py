"""A model of any provider that the litellm package knows; only for names that no endpoint of ours serves."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence

from confluence_sync.errors import NotAllowed, NotFound, RateLimited, RemoteError, ServerFailed, SettingsError
from confluence_sync.llm import Message
from confluence_sync.settings_kinds import Secret

KINDS: dict[int, type[RemoteError]] = {401: NotAllowed, 403: NotAllowed, 404: NotFound, 429: RateLimited}


class Litellm:
    """Asks through litellm, which is told not to fetch its price list and not to repeat by itself.

    litellm takes a connection that ends in the middle for the end of the answer, so a half answer cannot be told here.
    """

    def __init__(self, name: str, key: Secret, timeout: float) -> None:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # read at import; otherwise it asks a server on the Internet
        try:
            import litellm  # type: ignore[import-not-found,unused-ignore]  # optional
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"LITELLM_MODEL={name!r}: without LITELLM_API_BASE this needs a package: pip install 'confluence-sync[litellm]'"
            ) from error
        from openai import OpenAIError  # type: ignore[import-not-found,unused-ignore]  # litellm brings it; every failure of litellm's is one

        litellm.telemetry = False
        litellm.suppress_debug_info = True
        self._litellm, self._failures = litellm, OpenAIError
        self._key, self._timeout = key, timeout
        self.name = name

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        key = self._key.reveal() or None
        try:
            answer = await self._litellm.acompletion(
                model=self.name, messages=list(messages), stream=True, timeout=self._timeout, num_retries=0, api_key=key
            )
            async for part in answer:
                piece = part.choices[0].delta.content if part.choices else None
                if piece:
                    yield piece
        except self._failures as error:
            raise self._mapped(error) from error

    async def models(self) -> list[str]:
        return [self.name]

    def _mapped(self, error: Exception) -> RemoteError:
        status = int(getattr(error, "status_code", 0) or 0)
        said = str(error).splitlines()[0][:300]
        key = self._key.reveal()
        return KINDS.get(status, ServerFailed)(f"the provider of {self.name} failed: {said.replace(key, '***') if key else said}", status)
