"""Which device is meant, and which one made an embedding."""

from pathlib import Path

import pytest
import torch

from earmark.errors import UnknownName, UserError
from earmark.experiment import devices
from earmark.store import Store


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
