"""A model in a folder on this machine: an ONNX export, or a sentence-transformers folder with safetensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from confluence_sync.embed.base import Facts, Matrix, checked
from confluence_sync.embed.windows import cut
from confluence_sync.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    Numbers: TypeAlias = NDArray[np.int64]

ONNX_FILES = ("onnx/model.onnx", "model.onnx", "onnx/model_quantized.onnx", "model_quantized.onnx")
TOKENS_AT_ONCE = 2048  # rows times their length: more is no faster, and costs memory


class Runner(Protocol):
    """What we use of onnxruntime.InferenceSession."""

    def run(self, outputs: None, feed: Mapping[str, Numbers]) -> list[Matrix]: ...

    def get_inputs(self) -> list[object]: ...


class LocalEmbedder:
    """Runs on the CPU with onnxruntime. The weights are loaded at the first text, not before."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        from tokenizers import Tokenizer

        self.folder, self.threads = folder, threads
        self.config = _json(folder / "config.json")
        self.weights = weights_file(folder)
        if not (folder / "tokenizer.json").is_file():
            raise SettingsError(f"{folder} has no tokenizer.json; save the model's fast tokenizer there (tokenizer.save_pretrained)")
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._pooling = _pooling(folder)
        self._window = _window(folder, self.config)
        self._facts: Facts | None = None
        self._session: Runner | None = None
        self._inputs: set[str] = set()

    def facts(self) -> Facts:
        self._facts = self._facts or Facts(self._name(), sha256(self.weights), int(str(self.config.get("hidden_size", 0))))
        return self._facts

    def window(self) -> int:
        return self._window

    def windows(self, text: str) -> list[str]:
        room = self._window - self._tokenizer.num_special_tokens_to_add(False)
        return cut(text, room, self._offsets)

    def embed(self, texts: Sequence[str]) -> Matrix:
        import numpy as np

        ids = [self._ids(text) for text in texts]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        out: list[object] = [None] * len(ids)
        for rows in _batches(order, [len(some) for some in ids]):
            for row, vector in zip(rows, self._run([ids[row] for row in rows]), strict=True):
                out[row] = vector
        empty = np.zeros((0, self.facts().dimension), dtype=np.float32)
        return checked(out, texts, f"the model in {self.folder}") if out else empty

    def close(self) -> None:
        self._session = None

    def _name(self) -> str:
        given = str(self.config.get("_name_or_path", ""))
        return self.folder.name if self.folder.name not in ("model", "onnx", ".") else given.rpartition("/")[2] or self.folder.name

    def _offsets(self, text: str) -> list[tuple[int, int]]:
        return self._tokenizer.encode(text, add_special_tokens=False).offsets

    def _ids(self, text: str) -> list[int]:
        """With the special tokens, cut at the window: the last one is the closing one whatever was cut."""
        ids = list(self._tokenizer.encode(text).ids)
        return ids if len(ids) <= self._window else [*ids[: self._window - 1], ids[-1]]

    def _run(self, rows: list[list[int]]) -> Matrix:
        import numpy as np

        session = self._ready()
        width = max(len(row) for row in rows)
        padding = int(str(self.config.get("pad_token_id", 0)))
        ids = np.array([row + [padding] * (width - len(row)) for row in rows], dtype=np.int64)
        mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in rows], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = np.asarray(session.run(None, {k: v for k, v in feed.items() if k in self._inputs})[0], dtype=np.float32)
        return hidden if hidden.ndim == 2 else self._pooled(hidden, mask)

    def _pooled(self, hidden: Matrix, mask: Numbers) -> Matrix:
        import numpy as np

        if self._pooling == "cls":
            return np.asarray(hidden[:, 0], dtype=np.float32)
        shown = np.asarray(mask, dtype=np.float32)[:, :, None]
        return np.asarray((hidden * shown).sum(axis=1) / shown.sum(axis=1), dtype=np.float32)

    def _ready(self) -> Runner:
        if self._session is None:
            self._session = _session(self.folder, self.weights, self.config, self.threads)
            self._inputs = {str(getattr(each, "name", "")) for each in self._session.get_inputs()}
        return self._session


def _session(folder: Path, weights: Path, config: Mapping[str, object], threads: int) -> Runner:
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    from confluence_sync.embed.onnx_graph import encoder

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = False  # the arena keeps the largest batch for good
    try:
        model = str(weights) if weights.suffix == ".onnx" else encoder(folder, config)
        return cast(Runner, ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]))
    except (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NotImplemented) as error:
        raise SettingsError(
            f"{weights} is no model that onnxruntime can run ({str(error)[:200]}); export it again, or set EMBEDDING_URL"
        ) from error


def weights_file(folder: Path) -> Path:
    """The file with the weights. SettingsError that names what is missing."""
    if not folder.is_dir():
        raise SettingsError(
            f"EMBEDDING_MODEL_PATH={str(folder)!r} is no folder; give one with tokenizer.json and model.onnx or model.safetensors"
        )
    found = next((folder / name for name in (*ONNX_FILES, "model.safetensors") if (folder / name).is_file()), None)
    if found is None:
        raise SettingsError(
            f"EMBEDDING_MODEL_PATH={str(folder)!r} holds neither an ONNX file ({', '.join(ONNX_FILES)}) nor model.safetensors; "
            "a pytorch_model.bin can be saved anew with save_pretrained(safe_serialization=True)"
        )
    return found


def sha256(file: Path) -> str:
    """The SHA-256 of a file in hexadecimal, read a part at a time."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _batches(order: list[int], lengths: list[int]) -> Iterator[list[int]]:
    """`order` (longest first) in parts whose padded size stays under TOKENS_AT_ONCE."""
    start = 0
    while start < len(order):
        count = max(1, TOKENS_AT_ONCE // max(1, lengths[order[start]]))
        yield order[start : start + count]
        start += count


def _json(file: Path) -> Mapping[str, object]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file} cannot be read ({error}); EMBEDDING_MODEL_PATH must name a whole model folder") from error
    return value if isinstance(value, dict) else {}


def _pooling(folder: Path) -> str:
    file = folder / "1_Pooling" / "config.json"
    return "cls" if file.is_file() and _json(file).get("pooling_mode_cls_token") else "mean"


def _window(folder: Path, config: Mapping[str, object]) -> int:
    """Tokens that the model reads, special ones included: what sentence-transformers was told, else what its positions allow."""
    file = folder / "sentence_bert_config.json"
    told = _json(file).get("max_seq_length") if file.is_file() else None
    offset = 2 if str(config.get("model_type")) in ("roberta", "camembert", "xlm-roberta") else 0
    most = int(str(config.get("max_position_embeddings", 512))) - offset
    return min(told, most) if isinstance(told, int) else most
