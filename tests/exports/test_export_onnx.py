"""ONNX files and runtimes: the numbers of torch within 1e-4, at any length, or a refusal with torch's reason."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import earmark
from earmark import audio, conformance, exports
from earmark.catalogue.prediction import load_probe
from earmark.errors import DataError, MissingPart, UserError
from earmark.experiment import probe_folders
from earmark.representations import _compiled, _graphs, _sessions, base
from earmark.representations._graphs import Followed, Graph
from earmark.representations.embed import clip_embedding
from earmark.representations.logmel import CARD
from tests.audio_files import sound, written
from tests.experiment.specimens import LEAST

WRITERS = ("onnx", "onnxscript", "onnxruntime")
NAME = "random:wav2vec2-tiny"


@pytest.fixture
def writers() -> None:
    for name in WRITERS:
        pytest.importorskip(name, reason=f"no {name}")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One home for all tests of this file: a graph is written once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARMARK_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("EARMARK_RUNS", str(tmp_path_factory.mktemp("runs")))
        yield


def noise(n_samples: int, rows: int = 1) -> torch.Tensor:
    return 0.1 * torch.randn(rows, n_samples, generator=torch.Generator().manual_seed(n_samples))


@pytest.mark.onnx
@pytest.mark.parametrize("name", [NAME, "logmel", "random:encodecmae-tiny"])
@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_a_runtime_gives_torchs_numbers_at_any_length(writers: None, runtime: str, name: str) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="no openvino")
    original, found = base.load(name), base.load(f"{runtime}:{name}")
    for seconds in (0.31, 1.0, 2.71):
        heard = noise(round(seconds * original.card.sample_rate), 2)
        expected, said = original(heard), found(heard)
        assert said.shape == expected.shape
        assert float((said - expected).abs().max() / expected.abs().max().clamp_min(1)) <= 1e-4
    assert torch.equal(found(heard, [found.card.layers - 1]), said[:, [-1]])
    assert found.card.name == f"{runtime}:{name}"
    assert found.card.weights_sha256 != original.card.weights_sha256, "the runtime is in every key"


@pytest.mark.onnx
def test_a_file_says_into_which_segments_earmark_would_cut_what_it_hears(writers: None, tmp_path: Path) -> None:
    done = exports.export("random:mule-tiny", tmp_path / "a", "onnx")
    said = json.loads((tmp_path / "a" / "model.json").read_text())
    assert (said["segment_s"], said["segment_hop_s"]) == (3.0, 2.0)
    assert (
        done.notes[-1] == "earmark hears audio in segments of 3 s: cut longer audio so, and average what the file says."
    )
    assert (
        "at least 0.200 s; longer audio in segments of 3 s, one every 2 s\n" in (tmp_path / "a/README.md").read_text()
    )


@pytest.mark.onnx
def test_a_clip_is_cut_as_for_torch_where_the_graph_takes_one_length(writers: None) -> None:
    original, found = base.load("random:mule-tiny"), _compiled.load("onnx", "random:mule-tiny")
    assert found.graph.is_of_one_length
    assert not found.graph.takes(2 * 16000)
    for seconds in (0.5, 3, 8, 10):  # of 8 s the last piece has 2 s, which the graph does not take
        clip = noise(round(seconds * 16000))[0].numpy()
        expected = clip_embedding(original, clip, None)
        np.testing.assert_allclose(clip_embedding(found, clip, None), expected, atol=1e-4)


@pytest.mark.onnx
def test_a_graph_of_a_length_that_no_clip_is_cut_into_is_refused(writers: None) -> None:
    with pytest.raises(UserError, match=r"of 47,840 samples alone, and 'random:mule-tiny-released' hears other"):
        base.load("onnx:random:mule-tiny-released")


@pytest.mark.onnx
def test_a_runtime_keeps_the_laws_of_representations(writers: None) -> None:
    assert conformance.broken_by_representation(base.load("onnx:logmel")) == ()


@pytest.mark.onnx
def test_what_torch_cannot_follow_is_refused_with_its_reason(writers: None, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'random:encodec-tiny' cannot be written as an ONNX graph: Could not guard"):
        exports.export("random:encodec-tiny", tmp_path / "a", "onnx")
    assert not (tmp_path / "a").exists()


@pytest.mark.onnx
def test_other_numbers_are_refused_at_load(writers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def off(runtime: _sessions.Runtime, graph: bytes, outputs: list[str]) -> _sessions.Session:
        true = made(runtime, graph, outputs)
        return lambda given: [one + 0.01 for one in true(given)]

    base.load("onnx:logmel")
    made = _sessions.session
    monkeypatch.setattr(_sessions, "session", off)
    with pytest.raises(UserError, match=r"'onnx:logmel' differs from torch by .*, more than 0\.0001, by onnxruntime"):
        base.load("onnx:logmel")


@pytest.mark.onnx
def test_a_graph_is_written_once(writers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    base.load("onnx:logmel")

    def never(network: Followed) -> Graph:
        raise AssertionError("written a second time")

    monkeypatch.setattr(_graphs, "graph_of", never)
    base.load("onnx:logmel")


def _fitted(folder: Path, probes: str, representation: str) -> dict[str, Path]:
    """Run probes on tones in little and in much noise; return the folder of each, by its name."""
    for number in range(40):
        place = folder / "audio" / ("pure", "noisy")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        hiss = np.random.default_rng(number).standard_normal((30000 + number, 2)).astype(np.float32)
        written(place / f"{number}.wav", 0.3 * sound(30000 + number) + (0.01 + 0.1 * (number % 2)) * hiss)
    data = f"{{name: mine, label: label, kind: multiclass}}\n    datasets: [{{name: folder, dir: {folder}/audio}}]"
    file = folder / "some.yml"
    text = LEAST.replace("studio_family", data).replace("[logmel]", representation)
    file.write_text(text.replace("[{preset: mir_ref-fixed, only: [M1]}]", probes))
    run = earmark.run(file, quiet=True)
    return {probe_folders.read_card(one).probe: one for one in (run.folder / "probes").iterdir()}


@pytest.mark.onnx
def test_a_probe_behind_it_says_what_predict_says(writers: None, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    kinds = "[{kind: mlp, name: deep, hidden_units: [8], batch_norm: true, standardise: true, epochs: 4}, "
    kinds += "{kind: logistic, name: smooth, standardise: true, pca: 3}, {kind: ridge, name: ridge}, "
    kinds += "{kind: knn, name: near, k: 3}]"
    choice = f"[{{name: '{NAME}', layers: [1, 3], pool: [mean, std]}}]"
    probes = _fitted(tmp_path, kinds, choice)
    for name in ("deep", "smooth", "ridge"):
        folder = tmp_path / name
        exports.export(NAME, folder, "onnx", probe=probes[name])
        session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        facts = json.loads(session.get_modelmeta().custom_metadata_map["earmark"])
        assert facts == json.loads((folder / "model.json").read_text())
        assert facts["probe"]["classes"] == ["noisy", "pure"]
        found = earmark.predict(sorted((tmp_path / "audio").rglob("1*.wav")), probes[name], is_calibrated=False)
        for path, expected in zip(found.paths, found.scores, strict=True):
            (said,) = session.run(None, {"audio": audio.read(path, 16000).samples[None]})
            np.testing.assert_allclose(said[0], expected, atol=1e-4)
    with pytest.raises(UserError, match="A graph can hold probes of the kinds mlp, logistic and ridge"):
        exports.export(NAME, tmp_path / "near", "onnx", probe=probes["near"])
    with pytest.raises(DataError, match=f"was fitted on {NAME}, not on 'logmel'"):
        exports.export("logmel", tmp_path / "other", "onnx", probe=probes["ridge"])
    assert load_probe(probes["deep"]).classes == ("noisy", "pure")


@pytest.mark.onnx
def test_a_probe_of_a_network_in_a_folder_knows_it_however_the_folder_is_written(
    writers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports.export(NAME, tmp_path / "saved", "transformers")
    probes = _fitted(tmp_path, "[{kind: ridge, name: ridge}]", f"['path:{tmp_path / 'saved'}']")
    monkeypatch.chdir(tmp_path)
    exports.export("path:saved", tmp_path / "a", "onnx", probe=probes["ridge"])
    exports.export("random:hubert-tiny", tmp_path / "other", "transformers")
    with pytest.raises(DataError, match="not on 'path:other'"):
        exports.export("path:other", tmp_path / "b", "onnx", probe=probes["ridge"])


def test_without_the_writers_the_line_to_type_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in WRITERS else find(name))
    with pytest.raises(MissingPart, match=r"needs onnx, onnxscript, onnxruntime\. Type: pip install 'earmark\[onnx\]'"):
        exports.export("logmel", tmp_path / "a", "onnx")


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_a_runtimes_name_is_looked_up_as_the_network_it_computes(runtime: str) -> None:
    assert base.card(f"{runtime}:logmel") == CARD
    with pytest.raises(UserError, match=f"Expected a representation after {runtime}:"):
        _compiled.load(runtime, "")  # type: ignore[arg-type]


def test_what_is_not_a_number_is_as_far_from_torch_as_can_be() -> None:
    network = Followed(base.load("logmel"))

    def broken(given: object) -> list[np.ndarray]:
        with torch.no_grad():
            said = network(noise(22_050)).numpy()
        said[..., 0] = np.nan
        return [said]

    assert _graphs.difference(network, broken, iter([22_050])) == np.inf
