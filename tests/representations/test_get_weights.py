"""`earmark get weights`: what it fetches, that it alone does, and that offline means offline."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from huggingface_hub import constants
from typer.testing import CliRunner

from earmark import cli, lookup, places
from earmark.errors import DataError, MissingPart, UserError
from earmark.nouns import Source
from earmark.representations import base, get, hf
from tests.sources.flaky_server import FlakyServer

WEIGHTS = b"weights" * 1000
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
CONFIG = b'{"model_type": "hubert"}'
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def listing(*names: str, licence: str | None = "mit") -> bytes:
    """What the hub answers when it is asked for a network with these files."""
    lfs = {"size": len(WEIGHTS), "sha256": SHA256, "pointerSize": 130}
    big = {name for name in names if name.endswith((".safetensors", ".bin"))}
    files = [
        {"rfilename": name, "size": len(WEIGHTS), "lfs": lfs} if name in big else {"rfilename": name, "size": 24}
        for name in names
    ]
    answer = {"id": "org/net", "sha": COMMIT, "siblings": files, "cardData": {"license": licence} if licence else {}}
    return json.dumps(answer).encode()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyServer]:
    """A hub of one's own with one network, and a home that is empty."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(get.OFFLINE, raising=False)
    served = {f"org/net/resolve/{COMMIT}/{name}": WEIGHTS for name in ("model.safetensors", "pytorch_model.bin")}
    served |= {f"org/net/resolve/{COMMIT}/{name}": CONFIG for name in ("config.json", "preprocessor_config.json")}
    files = ("config.json", "preprocessor_config.json", "model.safetensors", "pytorch_model.bin", "modeling_net.py")
    with FlakyServer({**served, "api/models/org/net?blobs=true": listing(*files)}) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url("").rstrip("/"))
        yield running


def typed(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli.app, ["get", "weights", *arguments])
    return done.exit_code, done.stdout, done.stderr + str(done.exception or "")


def test_an_id_is_fetched_at_its_revision_with_its_checksum_and_never_its_code(hub: FlakyServer) -> None:
    code, said, remarks = typed("hf:org/net", "-q")
    assert code == 0, remarks
    folder = places.weights_folder("hf:org/net")
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert names == {"config.json", "preprocessor_config.json", "model.safetensors"}
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert "hf:org/net: licence mit" in remarks, "said before"
    assert "published checksum" in said
    assert "Next: earmark check representation hf:org/net" in said
    assert {one.path for one in hub.asked if one.path.endswith(".py")} == set()


def test_a_second_time_fetches_nothing(hub: FlakyServer) -> None:
    typed("hf:org/net", "-q")
    before = len(hub.asked)
    code, said, _ = typed("hf:org/net", "-q")
    assert code == 0
    assert said.count("was there") == 3
    assert [one.path for one in hub.asked[before:]] == ["api/models/org/net?blobs=true"]


def test_weights_that_are_not_as_the_hub_says_are_refused(hub: FlakyServer) -> None:
    hub.change(f"org/net/resolve/{COMMIT}/model.safetensors", WEIGHTS[:-1] + b"!")
    code, _, said = typed("hf:org/net", "-q")
    assert code != 0
    assert "sha256" in said


def test_an_id_that_the_hub_does_not_know_is_told(hub: FlakyServer) -> None:
    with pytest.raises(DataError, match=r"(?s)'org/other' could not be asked for at .*path:FOLDER"):
        hf.weights("org/other")


def test_a_hub_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="'org/net' could not be asked for"):
        hf.weights("org/net")


def test_a_network_without_a_licence_is_of_unknown_licence(hub: FlakyServer) -> None:
    hub.change("api/models/org/net?blobs=true", listing("config.json", "pytorch_model.bin", licence=None))
    _, licence, sources = hf.weights("org/net")
    assert licence == "unknown: see its page"
    assert [source.path for source in sources] == ["config.json", "pytorch_model.bin"]


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["config.json", "model.safetensors", "pytorch_model.bin"], ["config.json", "model.safetensors"]),
        (
            ["config.json", "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"],
            ["config.json", "pytorch_model.bin"],
        ),
        (
            ["config.json", "model-1-of-2.safetensors", "model-2-of-2.safetensors", "sub/x.safetensors", "setup.py"],
            ["config.json", "model-1-of-2.safetensors", "model-2-of-2.safetensors"],
        ),
    ],
)
def test_safetensors_are_taken_where_there_are_any(names: list[str], taken: list[str]) -> None:
    assert list(hf.chosen(names, "org/net")) == taken


@pytest.mark.parametrize("names", [[], ["config.json"], ["model.safetensors"], ["config.json", "weights.pt"]])
def test_a_place_without_settings_or_weights_is_told(names: list[str]) -> None:
    with pytest.raises(DataError, match="'org/net' holds no network that transformers can read"):
        hf.chosen(names, "org/net")


def test_a_file_of_two_representations_is_fetched_for_the_first_of_them(hub: FlakyServer) -> None:
    source = Source(
        hub.url(f"org/net/resolve/{COMMIT}/model.safetensors"), "mit", f"sha256:{SHA256}", path="of_both.safetensors"
    )
    (first,) = get.get(get.Weights("net-small", "mit", (source,)))
    n_asked = len(hub.asked)
    (second,) = get.get(get.Weights("hf:net/large", "mit", (source,)))
    assert (first.was_there, second.was_there, len(hub.asked)) == (False, True, n_asked)
    assert second.path.samefile(first.path)
    assert second.checked == "published checksum"


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_offline_asks_nobody(how: str, hub: FlakyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "environment":
        monkeypatch.setenv(get.OFFLINE, "1")
    done = CliRunner().invoke(cli.app, ["get", "weights", "hf:org/net", *(["--offline"] if how == "flag" else [])])
    assert isinstance(done.exception, MissingPart)
    assert "so 'hf:org/net' is not fetched" in str(done.exception)
    assert hub.asked == []


def test_offline_0_is_online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(get.OFFLINE, "0")
    get.require_online("nothing")


def test_offline_fetches_no_dataset_either() -> None:
    done = CliRunner().invoke(cli.app, ["get", "dataset", "tinysol", "--offline"])
    assert "--offline was given, so dataset 'tinysol' is not fetched" in str(done.exception)


def test_the_options_of_datasets_are_refused_for_weights() -> None:
    code, _, said = typed("logmel", "--subset", "3")
    assert code == 2
    assert "are of datasets" in said


@pytest.mark.parametrize("name", ["logmel", "random:logmel"])
def test_what_has_no_weights_has_nothing_to_fetch(name: str) -> None:
    assert typed(name) == (0, f"{name}: no weights to fetch\n", "")


def test_a_joined_name_fetches_what_its_parts_need() -> None:
    assert [one.name for one in get.wanted("mfcc+logmel")] == ["mfcc", "logmel"]


def test_a_class_of_yours_brings_its_weights_itself() -> None:
    with pytest.raises(DataError, match="is your own: it brings its weights itself"):
        get.wanted("tests.test_conformance:Toy")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'logmel'"):
        get.wanted("logmell")


def cards() -> list[str]:
    found: list[str] = []
    for file in lookup.names("representations"):
        module: ModuleType = lookup.find("representations", file).module
        found += [f"{file}-{variant}".rstrip("-") for variant, card in module.CARDS.items() if card.sources]
    return [name for name in found if not base.is_not_yet(name)]


@pytest.mark.parametrize("name", cards())
def test_a_card_with_weights_says_where_they_come_from_and_under_which_licence(name: str) -> None:
    (weights,) = get.wanted(name)
    assert weights.licence
    assert weights.licence != "unknown"
    for source in weights.sources:
        assert isinstance(source, Source)
        assert source.url.partition(":")[0] in ("https", "pypi")
        assert source.checksum.partition(":")[0] in ("", "sha256", "md5")


@pytest.mark.parametrize("name", cards())
def test_loading_without_weights_says_what_to_type_and_asks_nobody(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    card = base.card(name)
    assert card is not None
    assert not get.is_here(card)
    with pytest.raises(MissingPart, match=f"earmark get weights {card.name}"):
        base.load(name)
