"""Any OpenAI-compatible embeddings endpoint: OpenAI, vLLM, TEI, Ollama's /v1, Llama Stack."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from confluence_sync.embed.base import CANARY, Facts, Matrix, checked
from confluence_sync.embed.windows import cut, rough_offsets
from confluence_sync.errors import BadAnswer, Rejected, SettingsError, TooLarge
from confluence_sync.http import Link
from confluence_sync.jsonvalue import as_list, as_object, objects, text

log = logging.getLogger(__name__)

TEXTS_AT_ONCE = 32  # what text-embeddings-inference takes by default
TOKENS_AT_ONCE = 8192  # of our rough count; servers allow 16,000 (TEI) to 300,000 (OpenAI)
MORE_PIECES = 1.25  # tokens of a small model's vocabulary for one of cl100k_base, measured on mixed text
WINDOWS = (  # tokens that well-known models read, by a part of their name; the first that fits counts
    ("all-minilm-l12", 128),
    ("all-minilm", 256),
    ("paraphrase-multilingual", 128),
    ("all-mpnet", 384),
    ("camembert", 128),
    ("text-embedding-", 8191),
    ("bge-m3", 8192),
    ("nomic-embed", 2048),
    ("jina-embeddings", 8192),
    ("qwen3-embedding", 8192),
    ("mistral-embed", 8192),
    ("bge-", 512),
    ("e5-", 512),
    ("gte-", 512),
    ("mxbai-embed", 512),
    ("snowflake-arctic-embed", 512),
)


def known_window(model: str) -> int:
    """Tokens that a model of this name reads; 0 when the name says nothing."""
    return next((tokens for part, tokens in WINDOWS if part in model.lower()), 0)


def too_long(model: str, chunk_tokens: int, window: int = 0) -> str:
    """What to tell where a server embeds whole chunks: empty when the model reads them, or nothing is known of it.

    `window` is what the server itself says it reads, in the model's tokens; a chunk has about a quarter more of those than of cl100k_base.
    """
    reads = window or known_window(model)
    if not reads or chunk_tokens * MORE_PIECES <= reads:
        return ""
    fits = int(reads / MORE_PIECES)
    return (
        f"{model} reads {reads} tokens of a chunk of up to {chunk_tokens} (about {int(chunk_tokens * MORE_PIECES)} of its own): "
        f"what stands behind is not found by meaning. Set CHUNK_TOKENS={fits} and CHUNK_OVERLAP={fits // 6}, or a model that reads more"
    )


class EndpointEmbedder:
    """Asks POST /embeddings below the link's base address. Retry and patience are the link's."""

    def __init__(self, link: Link, model: str = "") -> None:
        self.link = link
        self._model = model
        self._facts: Facts | None = None

    def facts(self) -> Facts:
        if self._facts is None:
            vector = self.embed([CANARY])[0]
            self._facts = Facts(self.model(), "", len(vector), canary=tuple(round(float(x), 6) for x in vector))
        return self._facts

    def model(self) -> str:
        """EMBEDDING_MODEL_ID, or the only model that the endpoint has."""
        if not self._model:
            names = [
                text(each, "id", "the endpoint's model")
                for each in objects(as_object(self.link.get("/models"), "/models"), "data", "/models")
            ]
            if len(names) != 1:
                shown = ", ".join(names[:8]) or "none"
                raise SettingsError(f"EMBEDDING_MODEL_ID: name one of the models at {self.link.base} (it has {len(names)}: {shown})")
            self._model = names[0]
        return self._model

    def window(self) -> int:
        return known_window(self.model())

    def windows(self, text: str) -> list[str]:
        room = self.window() - 2
        return cut(text, room, rough_offsets) if room > 0 else [text]

    def embed(self, texts: Sequence[str]) -> Matrix:
        import numpy as np

        parts = [self._ask(batch) for batch in _batches(texts)]
        if len({part.shape[1] for part in parts}) > 1:
            raise BadAnswer(f"{self.link.base} gave vectors of different lengths within one call; nothing of it was stored")
        if not parts:
            return np.zeros((0, 0), dtype=np.float32)
        return np.concatenate(parts)

    def close(self) -> None:
        self.link.close()

    def _ask(self, texts: Sequence[str]) -> Matrix:
        """One request; a batch that is too much for the server is halved, a single text never."""
        payload = {"model": self.model(), "input": list(texts), "encoding_format": "float"}
        try:
            answer = self.link.send("POST", "/embeddings", payload=payload)
        except (Rejected, TooLarge) as error:
            if len(texts) == 1 or not (isinstance(error, TooLarge) or error.status in (400, 413, 422)):
                raise
            log.info("%d texts are too much for the endpoint, sending half: %s", len(texts), error)
            return self._halves(texts)
        return self._read(answer.json(), texts)

    def _halves(self, texts: Sequence[str]) -> Matrix:
        import numpy as np

        middle = len(texts) // 2
        return np.concatenate([self._ask(texts[:middle]), self._ask(texts[middle:])])

    def _read(self, answer: object, texts: Sequence[str]) -> Matrix:
        """The vectors in the order of the texts: servers number them, and need not keep the order."""
        items = objects(as_object(answer, "/embeddings"), "data", "/embeddings")
        places = [item.get("index", i) for i, item in enumerate(items)]
        if sorted(map(str, places)) != sorted(map(str, range(len(texts)))):
            raise BadAnswer(
                f"{self.link.base}/embeddings gave {len(items)} vectors for {len(texts)} texts; nothing of this batch was stored"
            )
        by_place = {str(place): as_list(item.get("embedding"), "embedding") for place, item in zip(places, items, strict=True)}
        return checked([by_place[str(i)] for i in range(len(texts))], texts, f"{self.link.base}/embeddings")


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in order, at most TEXTS_AT_ONCE and about TOKENS_AT_ONCE in one part."""
    part: list[str] = []
    spent = 0
    for each in texts:
        cost = len(each) // 3 + 1
        if part and (len(part) == TEXTS_AT_ONCE or spent + cost > TOKENS_AT_ONCE):
            yield part
            part, spent = [], 0
        part.append(each)
        spent += cost
    if part:
        yield part
