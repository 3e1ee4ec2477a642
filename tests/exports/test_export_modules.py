"""Packages for HEAR, X-ARES, mteb, transformers: by their public signatures, and with the numbers of the original."""

import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import earmark
from earmark import exports
from earmark.errors import DataError, UnknownName, UserError
from earmark.experiment import results
from earmark.exports.encoder import EarmarkEncoder
from earmark.representations import base
from earmark.representations.embed import clip_embedding
from tests.audio_files import sound, written
from tests.experiment.specimens import LEAST
from tests.runs.made_rows import ROW

NAME = "random:wav2vec2-tiny"


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose packages can be imported, and are forgotten after."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("exported"):
            del sys.modules[name]


def noise(n_samples: int, clips: int = 1) -> torch.Tensor:
    return 0.1 * torch.randn(clips, n_samples, generator=torch.Generator().manual_seed(n_samples))


@pytest.mark.parametrize(("name", "layer"), [(NAME, None), (NAME, 1), ("logmel", None), ("random:mule-tiny", None)])
def test_a_hear_module_keeps_the_public_rules_and_the_numbers(importable: Path, name: str, layer: int | None) -> None:
    exports.export(name, importable / "exported_hear", "hear", layer=layer)
    module, original = importlib.import_module("exported_hear"), base.load(name)
    assert inspect.signature(module.load_model).bind(), "without arguments: its own weights"
    assert list(inspect.signature(module.get_timestamp_embeddings).parameters) == ["audio", "model"]
    model = module.load_model()
    rate = model.sample_rate
    assert isinstance(model, torch.nn.Module)
    assert {type(getattr(model, one)) for one in ("sample_rate", "timestamp_embedding_size")} == {int}
    heard = noise(7 * rate, clips=2)
    embeddings, times_ms = module.get_timestamp_embeddings(heard, model)
    scenes = module.get_scene_embeddings(heard, model)
    assert embeddings.shape == (2, times_ms.shape[1], model.timestamp_embedding_size)
    assert scenes.shape == (2, model.scene_embedding_size)
    assert embeddings.dtype == scenes.dtype == torch.float32
    assert (times_ms.diff() > 0).all()
    assert 0 <= times_ms.min() <= times_ms.max() <= 7000
    wanted = [original.card.layers - 1 if layer is None else layer]
    expected = clip_embedding(original, heard[1].numpy(), wanted)[0, 0]
    np.testing.assert_allclose(scenes[1].numpy(), expected, atol=1e-6, rtol=1e-5)


def test_re_imported_it_gives_the_same_scores(importable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(importable / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(importable / "runs"))
    for number in range(40):
        folder = importable / "audio" / ("quiet", "loud")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(number)
        samples = sound(11000 + number) + 0.3 * generator.standard_normal((11000 + number, 2)) * (number % 3)
        written(folder / f"{number}.wav", samples * (0.2 + 0.02 * (number % 2)))
    exports.export(NAME, importable / "exported_again", "hear", layer=2)
    data = f"{{name: mine, label: label, kind: multiclass}}\n    datasets: [{{name: folder, dir: {importable}/audio}}]"
    both = f"[{{name: '{NAME}', layers: [2]}}, 'hear:exported_again']"
    file = importable / "both.yml"
    file.write_text(LEAST.replace("studio_family", data).replace("[logmel]", both))
    rows = [row for row in earmark.run(file, quiet=True).rows if row.probe != "constant"]
    assert {row.representation for row in rows} == {NAME, "hear:exported_again"}
    scores: dict[str, list[tuple[object, ...]]] = {}
    for row in rows:
        scores.setdefault(row.representation, []).append((row.metric, row.average, row.label, row.seed, row.value))
    assert scores[NAME] == scores["hear:exported_again"]


def test_an_xares_encoder_has_what_its_checker_asks_for(importable: Path) -> None:
    """The rules are those of xares 0.1.3, audio_encoder_checker.py: every attribute and shape that it looks at."""
    exports.export(NAME, importable / "exported_xares", "xares")
    module = importlib.import_module("exported_xares")
    encoder = module.EarmarkNetworkEncoder()
    assert isinstance(encoder, torch.nn.Module)
    assert type(encoder).__name__.endswith("Encoder")
    answer = encoder(noise(50000, clips=2))
    assert answer.ndim == 3
    assert (len(answer), answer.shape[2]) == (2, encoder.output_dim)
    assert encoder.sampling_rate == 16000
    assert encoder.hop_size_in_ms == pytest.approx(20)
    checker = pytest.importorskip("xares.audio_encoder_checker", reason="no xares")
    assert checker.check_audio_encoder(encoder)


def test_an_mteb_model_has_the_public_signature(importable: Path) -> None:
    """The signature is that of mteb 2.26, models_protocols.py: EncoderProtocol; run with mteb where it is installed."""
    exports.export(NAME, importable / "exported_mteb", "mteb")
    text = (importable / "exported_mteb" / "__init__.py").read_text()
    compile(text, "exported_mteb", "exec")
    assert "def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **_)" in text
    pytest.importorskip("mteb", reason="no mteb")
    module = importlib.import_module("exported_mteb")
    model = module.EarmarkModel()
    assert isinstance(model, module.AbsEncoder)
    assert (model.mteb_model_meta.name, model.mteb_model_meta.embed_dim) == ("earmark/random-wav2vec2-tiny", 16)
    clip = noise(16000)[0].numpy()
    item = {"array": np.stack([clip, clip]), "sampling_rate": 16000}
    found = model.encode([{"audio": [item, item]}], task_metadata=None, hf_split="test", hf_subset="default")
    expected = clip_embedding(base.load(NAME), clip)[-1, 0]
    assert found.shape == (2, module.META.embed_dim)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_a_network_of_yours_lies_in_the_package(importable: Path) -> None:
    exports.export(NAME, importable / "saved", "transformers")
    exports.export(f"path:{importable / 'saved'}", importable / "exported_own", "hear")
    (importable / "saved").rename(importable / "gone")
    model = importlib.import_module("exported_own").load_model()
    expected = EarmarkEncoder(NAME)(noise(16000))
    assert torch.equal(model(noise(16000)), expected)


@pytest.mark.parametrize("name", [NAME, "random:hubert-tiny"])
def test_a_transformers_folder_is_loaded_by_transformers_and_by_earmark(tmp_path: Path, name: str) -> None:
    import transformers

    done = exports.export(name, tmp_path / "saved", "transformers")
    assert {path.name for path in done.files} >= {"README.md", "config.json", "model.safetensors", "card.json"}
    theirs = transformers.AutoModel.from_pretrained(tmp_path / "saved").eval()
    heard: Any = transformers.Wav2Vec2FeatureExtractor.from_pretrained(tmp_path / "saved")
    audio, original = noise(16000), base.load(name)
    with torch.no_grad():
        given = heard(audio[0].numpy(), sampling_rate=16000, return_tensors="pt").input_values
        last = theirs(given).last_hidden_state
    torch.testing.assert_close(original(audio, [original.card.layers - 1])[:, 0], last, atol=1e-5, rtol=1e-5)
    again = base.load(f"path:{tmp_path / 'saved'}")
    assert torch.equal(again(audio), original(audio))
    assert (again.card.licence, again.card.commercial) == ("Apache-2.0", True)


def test_its_page_says_licence_training_data_citation_and_the_scores_of_a_run(tmp_path: Path) -> None:
    results.write_rows(tmp_path / "run", [replace(ROW, representation=NAME, value=0.4321)])
    exports.export(NAME, tmp_path / "saved", "transformers", run=tmp_path / "run")
    page = (tmp_path / "saved" / "README.md").read_text()
    assert page.startswith('---\nlicense: "apache-2.0"\nlibrary_name: "transformers"')
    for said in (
        "- Trained on: nothing",
        "- Licence: Apache-2.0 (permissive)",
        "```bibtex",
        "| 0.432 [0.860, 0.940] |",
    ):
        assert said in page
    with pytest.raises(UserError, match="has no scores of 'random:hubert-tiny'"):
        exports.export("random:hubert-tiny", tmp_path / "other", "transformers", run=tmp_path / "run")


def test_a_network_in_a_folder_finds_its_scores_however_the_folder_is_written(importable: Path) -> None:
    exports.export(NAME, importable / "saved", "transformers")
    results.write_rows(
        importable / "run", [replace(ROW, representation=f"path:{importable}/../{importable.name}/saved")]
    )
    done = exports.export("path:saved", importable / "again", "transformers", run=importable / "run")
    assert "| 0.900 [0.860, 0.940] | 200 |" in (done.folder / "README.md").read_text()


def test_no_two_scores_of_a_page_stand_under_the_same_words(tmp_path: Path) -> None:
    own = replace(ROW, representation=NAME)
    some = [replace(own, pool="mean+std", value=0.2), replace(own, train_share=0.1, value=0.3)]
    means = [replace(row, fold=None) for row in (own, *some)]
    results.write_rows(tmp_path / "run", [*means, *(replace(own, fold=fold) for fold in range(3))])
    exports.export(NAME, tmp_path / "saved", "transformers", run=tmp_path / "run")
    page = (tmp_path / "saved" / "README.md").read_text()
    assert "| layer | pool | train_share | probe | metric | average | score | n |" in page
    assert page.count("| made | made | random |") == 3, "folds stand for themselves only where there is no mean"


def test_a_package_says_what_must_be_there_where_it_is_used_and_nothing_else(importable: Path) -> None:
    assert exports.export("logmel", importable / "exported_plain", "hear").notes == ()
    assert exports.export(NAME, importable / "exported_drawn", "hear").notes == ()
    (note,) = exports.export("hear:exported_drawn", importable / "exported_again", "xares").notes
    assert (
        note == "The package names 'hear:exported_drawn', which must be there too, under that name, where it is used."
    )
    exports.export(NAME, importable / "saved", "transformers")
    with pytest.raises(UserError, match=r"can hold one network of yours; got 'path:.*saved\+random:hubert-tiny'"):
        exports.export(f"path:{importable / 'saved'}+random:hubert-tiny", importable / "exported_both", "hear")


def test_what_a_form_cannot_hold_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'logmel' is no network of a class of transformers'.* Write --as onnx"):
        exports.export("logmel", tmp_path / "a", "transformers")
    with pytest.raises(UserError, match=r"whose name is a Python name.*got 'my-net'"):
        exports.export("logmel", tmp_path / "my-net", "hear")
    with pytest.raises(UserError, match=r"'hear' has no place for a probe, only onnx"):
        exports.export("logmel", tmp_path / "a", "hear", probe=tmp_path)
    with pytest.raises(UserError, match=r"'logmel' has layers 0 to 0; got 4"):
        exports.export("logmel", tmp_path / "a", "hear", layer=4)
    with pytest.raises(UnknownName, match=r"Unknown form 'herr'\. Did you mean 'hear'\?"):
        exports.export("logmel", tmp_path / "a", "herr")  # type: ignore[arg-type]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(UserError, match="Expected a new or empty folder"):
        exports.export("logmel", tmp_path / "full", "hear")
    with pytest.raises(DataError, match="Expected a saved probe"):
        exports.export("logmel", tmp_path / "a", "onnx", probe=tmp_path / "full")
    assert json.dumps(sorted(path.name for path in tmp_path.iterdir())) == '["full"]'
