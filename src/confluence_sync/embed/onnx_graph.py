"""Writes a BERT or RoBERTa encoder as an ONNX graph from its safetensors, so that one fast runtime serves every folder."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from confluence_sync.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32]

PREFIXES = ("", "bert.", "roberta.", "camembert.", "model.")
ROBERTA = ("roberta", "camembert", "xlm-roberta")
KNOWN = ("bert", *ROBERTA)
FLOAT, INT64 = 1, 7  # onnx.proto TensorProto.DataType
MICROSOFT = "com.microsoft"  # fused operators that onnxruntime carries for every processor


@dataclass(frozen=True, slots=True)
class Shape:
    """What config.json says of the encoder."""

    kind: str
    layers: int
    heads: int
    epsilon: float
    padding: int

    @property
    def first_position(self) -> int:
        """RoBERTa numbers its tokens from behind the padding id."""
        return self.padding + 1 if self.kind in ROBERTA else 0


def encoder(folder: Path, config: Mapping[str, object]) -> bytes:
    """An ONNX model: input_ids and attention_mask (int64, batch x tokens) -> last_hidden_state. SettingsError for other kinds."""
    kind = str(config.get("model_type", ""))
    if kind not in KNOWN or config.get("hidden_act", "gelu") != "gelu" or config.get("position_embedding_type", "absolute") != "absolute":
        raise SettingsError(
            f"EMBEDDING_MODEL_PATH={str(folder)!r} holds a model of type {kind!r}, which needs an ONNX file: "
            f"run `optimum-cli export onnx --model {folder} {folder}/onnx`, or serve it and set EMBEDDING_URL"
        )
    shape = Shape(
        kind,
        _number(config, "num_hidden_layers"),
        _number(config, "num_attention_heads"),
        _epsilon(config),
        _number(config, "pad_token_id"),
    )
    return _Graph(Weights(folder / "model.safetensors"), shape).model()


def _number(config: Mapping[str, object], name: str) -> int:
    value = config.get(name, 0)
    return value if isinstance(value, int) else 0


def _epsilon(config: Mapping[str, object]) -> float:
    value = config.get("layer_norm_eps", 1e-12)
    return float(value) if isinstance(value, (int, float)) else 1e-12


class Weights:
    """The tensors of a safetensors file as float32, whatever prefix the trainer gave their names."""

    def __init__(self, file: Path) -> None:
        import numpy as np

        self._bytes: NDArray[np.uint8] = np.memmap(file, dtype=np.uint8, mode="r")
        (size,) = struct.unpack("<Q", self._bytes[:8].tobytes())
        self._index = json.loads(self._bytes[8 : 8 + size].tobytes())
        self._start = 8 + size
        self._prefix = next((p for p in PREFIXES if f"{p}embeddings.word_embeddings.weight" in self._index), None)
        if self._prefix is None:
            raise SettingsError(f"{file} holds no BERT or RoBERTa encoder; export the model to ONNX, or serve it and set EMBEDDING_URL")

    def __getitem__(self, name: str) -> Floats:
        import numpy as np

        entry = self._index[f"{self._prefix}{name}"]
        begin, end = entry["data_offsets"]
        raw = self._bytes[self._start + begin : self._start + end]
        if entry["dtype"] == "BF16":
            values = (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            values = raw.view({"F32": np.float32, "F16": np.float16}[entry["dtype"]]).astype(np.float32)
        return values.reshape(entry["shape"])


@dataclass
class _Graph:
    weights: Weights
    shape: Shape
    nodes: list[bytes] = field(default_factory=list)
    tensors: list[bytes] = field(default_factory=list)

    def model(self) -> bytes:
        """The encoder as a serialised ModelProto."""
        hidden = self._embeddings()
        for layer in range(self.shape.layers):
            hidden = self._layer(hidden, f"encoder.layer.{layer}.")
        self._node("Identity", [hidden], "last_hidden_state")
        inputs = [_value_info(name, INT64) for name in ("input_ids", "attention_mask")]
        graph = [*(_bytes(1, node) for node in self.nodes), _bytes(2, b"encoder"), *(_bytes(5, tensor) for tensor in self.tensors)]
        graph += [*(_bytes(11, info) for info in inputs), _bytes(12, _value_info("last_hidden_state", FLOAT))]
        opsets = [_bytes(8, _int(2, 17)), _bytes(8, _bytes(1, MICROSOFT.encode()) + _int(2, 1))]
        return b"".join([_int(1, 8), _bytes(7, b"".join(graph)), *opsets])

    def _embeddings(self) -> str:
        """Words by id, positions by a running count over the tokens that are not padding, and the one kind of segment."""
        words = self._node("Gather", [self._tensor("embeddings.word_embeddings.weight"), "input_ids"])
        one = self._constant("one", [1])
        counted = self._node("CumSum", ["attention_mask", self._constant("axis", [1], scalar=True)])
        started = self._node("Add", [counted, self._constant("first", [self.shape.first_position - 1])])
        real = self._node("Mul", [started, "attention_mask"])
        padded = self._node("Mul", [self._node("Sub", [one, "attention_mask"]), self._constant("padding", [self.shape.padding])])
        positions = self._node("Gather", [self._tensor("embeddings.position_embeddings.weight"), self._node("Add", [real, padded])])
        self._add("segment", self.weights["embeddings.token_type_embeddings.weight"][0])
        summed = self._node("Add", [self._node("Add", [words, positions]), "segment"])
        return self._normalised(summed, "embeddings.LayerNorm")

    def _layer(self, hidden: str, at: str) -> str:
        """Attention, then the two dense layers, each added to what came in and normalised."""
        query, key, value = (self._dense(hidden, f"{at}attention.self.{part}") for part in ("query", "key", "value"))
        mask = self._node("Cast", ["attention_mask"], attributes=[_attribute_int("to", 6)])
        heads = [_attribute_int("num_heads", self.shape.heads)]
        attended = self._node("MultiHeadAttention", [query, key, value, "", mask], attributes=heads, domain=MICROSOFT)
        added = self._node("Add", [self._dense(attended, f"{at}attention.output.dense"), hidden])
        middle = self._normalised(added, f"{at}attention.output.LayerNorm")
        wide = self._node("Gelu", [self._dense(middle, f"{at}intermediate.dense")], domain=MICROSOFT)
        return self._normalised(self._node("Add", [self._dense(wide, f"{at}output.dense"), middle]), f"{at}output.LayerNorm")

    def _dense(self, value: str, name: str) -> str:
        self._add(f"{name}.weight", self.weights[f"{name}.weight"].T)
        return self._node("Add", [self._node("MatMul", [value, f"{name}.weight"]), self._tensor(f"{name}.bias")])

    def _normalised(self, value: str, name: str) -> str:
        inputs = [value, self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias")]
        return self._node("LayerNormalization", inputs, attributes=[_attribute_float("epsilon", self.shape.epsilon)])

    def _tensor(self, name: str) -> str:
        return self._add(name, self.weights[name])

    def _add(self, name: str, values: Floats) -> str:
        import numpy as np

        dims = b"".join(_int(1, n) for n in values.shape)
        self.tensors.append(
            dims + _int(2, FLOAT) + _bytes(8, name.encode()) + _bytes(9, np.ascontiguousarray(values, dtype="<f4").tobytes())
        )
        return name

    def _constant(self, name: str, values: list[int], scalar: bool = False) -> str:
        dims = b"" if scalar else _int(1, len(values))
        self.tensors.append(dims + _int(2, INT64) + _bytes(8, name.encode()) + _bytes(9, struct.pack(f"<{len(values)}q", *values)))
        return name

    def _node(self, kind: str, inputs: list[str], output: str = "", attributes: list[bytes] | None = None, domain: str = "") -> str:
        output = output or f"v{len(self.nodes)}"
        names = [*(_bytes(1, name.encode()) for name in inputs), _bytes(2, output.encode()), _bytes(4, kind.encode())]
        self.nodes.append(b"".join([*names, *(_bytes(5, a) for a in attributes or []), _bytes(7, domain.encode())]))
        return output


def _value_info(name: str, element: int) -> bytes:
    axes = ["batch", "tokens"] if element == INT64 else ["batch", "tokens", "hidden"]
    shape = b"".join(_bytes(1, _bytes(2, axis.encode())) for axis in axes)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _int(1, element) + _bytes(2, shape)))


def _attribute_int(name: str, value: int) -> bytes:
    return _bytes(1, name.encode()) + _int(3, value) + _int(20, 2)


def _attribute_float(name: str, value: float) -> bytes:
    return _bytes(1, name.encode()) + bytes([2 << 3 | 5]) + struct.pack("<f", value) + _int(20, 1)


def _int(number: int, value: int) -> bytes:
    """A protobuf field that holds a number."""
    return bytes(_varint(number << 3)) + bytes(_varint(value))


def _bytes(number: int, value: bytes) -> bytes:
    """A protobuf field that holds bytes, text or another message."""
    return bytes(_varint(number << 3 | 2)) + bytes(_varint(len(value))) + value


def _varint(value: int) -> Iterator[int]:
    while value > 127:
        yield value & 127 | 128
        value >>= 7
    yield value
