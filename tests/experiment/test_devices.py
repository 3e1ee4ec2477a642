"""Which device is meant, where networks are fitted, and which one made an embedding or a probe."""

from pathlib import Path

import polars as pl
import pytest
import torch

import earmark
from earmark.errors import UnknownName, UserError
from earmark.experiment import devices
from earmark.store import Store
from tests.probes.elsewhere import DEVICE, Elsewhere
from tests.test_run import EXPERIMENT, make_tones


def test_the_device_is_a_gpu_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.choose("auto") == devices.choose("cpu") == "cpu"
    with pytest.raises(UserError, match=r"Expected a GPU for device 'cuda'; torch .* finds none"):
        devices.choose("cuda")
    with pytest.raises(UnknownName, match="Did you mean 'cuda'"):
        devices.choose("cuda0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (devices.choose("auto"), devices.choose("cuda"), devices.choose("cpu")) == ("cuda", "cuda", "cpu")


def test_the_device_of_an_embedding_is_remembered(tmp_path: Path) -> None:
    store = Store(tmp_path)
    devices.remember(store, "one", {"cpu": ["a"]})
    assert not (tmp_path / "devices").exists(), "what the CPU makes needs no word"
    devices.remember(store, "two", {"cpu": ["b"], "cuda": ["c", "d"]})
    assert [devices.of(store, keys) for keys in ("ab", "cd", "abcd")] == ["cpu", "cuda", "cpu, cuda"]


def test_networks_are_fitted_on_the_device_in_this_process_and_the_rows_say_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    file = tmp_path / "tones.yml"
    text = EXPERIMENT.format(folder=make_tones(tmp_path / "audio", each=4))
    text = text.replace(", {name: chroma}", "").replace("probes: [", "probes: [{kind: ridge}, {kind: mlp, epochs: 5}, ")
    file.write_text(text)
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "plain"))
    expected = earmark.run(file, quiet=True).frame
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    earmark.run(file, stage="embed", quiet=True)
    monkeypatch.setattr(devices, "choose", lambda asked, elsewhere: DEVICE)
    with Elsewhere() as crossed:
        earmark.run(file, stage="probe", jobs=2, quiet=True)
    assert crossed.to, "a device that is made up is in no other process"
    found = earmark.run(file, stage="score", quiet=True).frame
    assert set(found.filter(pl.col("probe").is_in(["ridge", "constant"]))["device"]) == {"cpu"}
    assert set(found.filter(~pl.col("probe").is_in(["ridge", "constant"]))["device"]) == {f"cpu, {DEVICE}"}
    told = ["dataset", "representation", "probe", "seed", "deformation", "metric", "average", "label", "value"]
    assert found.select(told).equals(expected.select(told))
