"""Files of Keras become our weights to the last tensor, whichever Keras wrote them; what does not fit is named."""

import io
import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bibtexparser.entrypoint import parse_string

from earmark import identity, places
from earmark.errors import MissingPart, UserError
from earmark.representations import base, get, mule
from earmark.representations.mule import published
from earmark.representations.mule.network import SfNfNet
from earmark.representations.mule.settings import TINY
from tests.representations.mule import reference

GOLDEN = Path(__file__).parents[2] / "golden" / "mule"
FORMS = ("tensorflow", "keras3")


@pytest.fixture(autouse=True)
def needs_h5py() -> None:
    pytest.importorskip("h5py", reason="no h5py")


def empty() -> SfNfNet:
    """The network of the goldens, without memory for its numbers."""
    with torch.device("meta"):
        return SfNfNet(reference.SMALL)


def golden(form: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What Keras heard, and what it answered."""
    with np.load(GOLDEN / f"{form}.npz") as file:
        return torch.from_numpy(file["heard"]), torch.from_numpy(file["answer"])


def changed(tmp_path: Path, form: str, layers: Callable[[Any], None], tensors: Callable[[Any], None]) -> Path:
    """A golden file with something done to its layers and its tensors."""
    import h5py

    path = tmp_path / "model.keras"
    with zipfile.ZipFile(GOLDEN / f"{form}.keras") as file:
        config, content = json.loads(file.read("config.json")), io.BytesIO(file.read("model.weights.h5"))
    layers(config["config"]["layers"])
    with h5py.File(content, "r+") as opened:
        tensors(opened)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", json.dumps(config))
        file.writestr("model.weights.h5", content.getvalue())
    return path


def nothing(_: Any) -> None:
    """Change nothing."""


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_keras_gives_what_keras_answers(form: str) -> None:
    network = empty()
    network.load_state_dict(published.read(GOLDEN / f"{form}.keras", network), assign=True)
    network.freeze()
    heard, answer = golden(form)
    torch.testing.assert_close(network(heard[:, None]), answer, rtol=1e-5, atol=1e-5)
    assert float(answer.std()) > 0.1


def test_both_files_hold_other_numbers_in_other_places() -> None:
    found = [published.read(GOLDEN / f"{form}.keras", empty()) for form in FORMS]
    assert found[0].keys() == found[1].keys() == empty().state_dict().keys()
    assert not torch.equal(found[0]["slow_stem.0.weight"], found[1]["slow_stem.0.weight"])


def test_groups_are_numbered_as_the_names_that_keras_3_writes_beside_them_say() -> None:
    import h5py

    with zipfile.ZipFile(GOLDEN / "keras3.keras") as file:
        layers = tuple(published._graph(json.loads(file.read("config.json"))))
        content = file.read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as opened:
        groups = {name: published._tensors_of(group) for name, group in opened["layers"].items()}
        written = {name: group["vars"].attrs["name"] for name, group in opened["layers"].items()}
    named = published._names_of(groups, layers)
    assert len(named) > 80
    assert named == {group: written[group] for group in named}
    assert any(group != name for group, name in named.items()), "a group's number is not its layer's"


@pytest.mark.parametrize("form", FORMS)
def test_what_layers_are_called_changes_nothing(form: str, tmp_path: Path) -> None:
    expected = published.read(GOLDEN / f"{form}.keras", empty())

    def renamed(layers: Any) -> None:
        names = [one["name"] for one in layers]
        said = [(one["class_name"], json.dumps(one["inbound_nodes"])) for one in layers]
        for number, (class_name, nodes) in enumerate(said):
            for of, name in enumerate(names):
                nodes = nodes.replace(f'"{name}"', f'"x{of}"')
            layers[number] = {
                "name": f"x{number}",
                "class_name": class_name,
                "inbound_nodes": json.loads(nodes),
            }

    found = published.read(changed(tmp_path, form, renamed, nothing), empty())
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_tensor_of_another_shape_is_named_with_its_layer(tmp_path: Path) -> None:
    def wider(opened: Any) -> None:
        group = opened["layers/dense_5/vars"]
        del group["0"], group["1"]
        group["0"], group["1"] = np.zeros((4, 9), "float32"), np.zeros(9, "float32")

    with pytest.raises(UserError, match=r"its layer 'dense_\d+' has weights of shape \(9, 4\) after .*squeeze, where"):
        published.read(changed(tmp_path, "keras3", nothing, wider), empty())


def test_tensors_that_no_layer_of_mule_has_are_refused(tmp_path: Path) -> None:
    def more(opened: Any) -> None:
        opened["layers/standardised_5/vars/1"] = np.zeros(3, "float32")

    with pytest.raises(UserError, match=r"has tensors of shapes .*, which no layer of MULE has"):
        published.read(changed(tmp_path, "keras3", nothing, more), empty())


@pytest.mark.parametrize("place", ["optimizer/vars/0", "vars/0"])
def test_tensors_that_are_of_no_layer_are_counted(place: str, tmp_path: Path) -> None:
    def left_over(opened: Any) -> None:
        opened[place] = np.zeros(3, "float32")

    with pytest.raises(UserError, match="1 of its 243 tensors are of no layer"):
        published.read(changed(tmp_path, "tensorflow", nothing, left_over), empty())


def test_layers_that_lack_are_named(tmp_path: Path) -> None:
    def without_last_fusion(layers: Any) -> None:
        nobodys = next(one for one in layers if one["class_name"] == "Add")
        layers[:] = [nobodys | {"inbound_nodes": []} if one is nobodys else one for one in layers]

    with pytest.raises(UserError, match=r"has weights of shape .* after .*, where the network has none"):
        published.read(changed(tmp_path, "keras3", without_last_fusion, nothing), empty())
    with torch.device("meta"):
        deeper = SfNfNet(replace(reference.SMALL, depths=(1, 2, 1, 2)))
    with pytest.raises(UserError, match=r"it lacks 14 layers: fast_stages\.3\.1\.convs\.0, .* and 9 more"):
        published.read(GOLDEN / "keras3.keras", deeper)


def test_as_many_groups_as_layers_are_expected(tmp_path: Path) -> None:
    def without(opened: Any) -> None:
        del opened["layers/dense_5"]

    with pytest.raises(UserError, match="it has 20 layers of the class of 'dense', and the tensors of 19"):
        published.read(changed(tmp_path, "keras3", nothing, without), empty())


def test_what_is_no_file_of_keras_is_refused_and_git_s_pointer_is_thought_of(tmp_path: Path) -> None:
    pointer = tmp_path / "model.keras"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1da1\nsize 251054764\n")
    with pytest.raises(UserError, match=r"\(74 bytes\) .* may be Git's pointer to it\. .*: earmark get weights mule"):
        published.read(pointer, empty())
    with zipfile.ZipFile(pointer, "w") as file:
        file.writestr("config.json", '{"config": {"layers": []}}')
    with pytest.raises(UserError, match=r"does not hold the weights of MULE: .*model\.weights\.h5"):
        published.read(pointer, empty())
    with zipfile.ZipFile(pointer, "w") as file:
        file.writestr("config.json", '{"config": {}}')
    with pytest.raises(UserError, match=r"config\.json is not that of a graph of layers: KeyError\('layers'\)"):
        published.read(pointer, empty())
    with zipfile.ZipFile(pointer, "w") as file:
        file.writestr("config.json", '{"config": {"layers": []}}')
        file.writestr("model.weights.h5", "no HDF5")
    with pytest.raises(UserError, match=r"model\.weights\.h5 is damaged: "):
        published.read(pointer, empty())
    with zipfile.ZipFile(pointer, "w") as file:
        file.writestr("config.json", "{")
        file.writestr("model.weights.h5", "")
    with pytest.raises(UserError, match="does not hold the weights of MULE: Expecting property name"):
        published.read(pointer, empty())


def test_without_h5py_the_line_to_type_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingPart, match=r"read by h5py\. Type: pip install 'earmark\[hdf5\]'"):
        published.read(GOLDEN / "keras3.keras", empty())


def test_one_file_is_for_all_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    for variant, form in mule.FORMS.items():
        monkeypatch.setitem(mule.FORMS, variant, form._replace(settings=reference.SMALL))
    file = places.weights_folder("mule") / "model.keras"
    file.parent.mkdir(parents=True)
    shutil.copy(GOLDEN / "tensorflow.keras", file)
    audio = 0.1 * torch.randn(1, 64000, generator=torch.Generator().manual_seed(0))
    found = {variant: base.load(f"mule-{variant}".removesuffix("-")) for variant in ("", "mono", "released-mono")}
    for made in found.values():
        assert made.card.weights_sha256 == identity.file_sha256(file)
        assert made.card.licence == "CC-BY-NC-4.0"
    torch.testing.assert_close(found["mono"](2 * audio), found[""](audio))
    assert not torch.allclose(found["mono"](audio), found[""](audio))
    with pytest.raises(UserError, match=r"exists for tests and has no weights\. Write 'random:mule-tiny'"):
        base.load("mule-tiny")


def test_without_the_file_its_licence_and_the_line_to_type_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    for name in ("mule", "mule-mono", "mule-released", "mule-released-mono"):
        with pytest.raises(MissingPart, match=rf"licence: CC-BY-NC-4\.0\). Type: earmark get weights {name}$"):
            base.load(name)


def test_the_card_says_what_was_published() -> None:
    card = mule.CARDS[""]
    (source,) = get.wanted("mule")[0].sources
    assert source.size_bytes == 251_054_764
    assert source.checksum == "sha256:1da111d619bac0d422e41f153cbfb903f7ec3c5d3b2768f5d68f04452ed18180"
    assert (card.dim, card.n_parameters, card.commercial) == (1728, 62_345_742, False)
    assert len(parse_string(card.bibtex).entries) == 1
    assert {one.n_parameters for one in mule.CARDS.values()} == {62_345_742, 337_186}
    assert TINY.dim == mule.CARDS["tiny"].dim == 160
