"""Nothing that others wrote is run: no file of ours asks for it, and what hides code in data is refused, unrun."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.datasets import _arrays
from earmark.errors import DataError, EarmarkError
from earmark.experiment import spec
from earmark.representations import _weights
from earmark.store import Store
from earmark.training.ledger import Ledger
from tests import architecture, threats
from tests.test_architecture import tree

ROOT = Path(__file__).parent.parent


def said(folder: Path, text: str) -> list[str]:
    return [str(found).partition(": ")[2] for found in threats.violations(tree(folder, {"errors.py": text}))]


def test_no_file_of_ours_runs_what_others_wrote() -> None:
    assert [str(found) for found in threats.violations(ROOT / "src" / "earmark")] == []


def test_what_is_allowed_is_still_there() -> None:
    files = architecture.read(ROOT / "src" / "earmark")
    used = {(file.module, name) for file in files for _, name in threats._used(file)}
    assert set(threats.ALLOWED) <= used


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import pickle\npickle.load(file)", "calls pickle.load, which runs what a pickle asks for"),
        ("from pickle import loads as read\nread(b'')", "calls pickle.loads, which runs"),
        ("import pickle\nclass Mine(pickle.Unpickler): pass", "calls pickle.Unpickler"),
        ("import torch\ntorch.load(file)", "calls torch.load without weights_only=True"),
        ("import torch\ntorch.load(file, weights_only=False)", "calls torch.load without weights_only=True"),
        ("import torch\ntorch.load(file, weights_only=mine)", "calls torch.load without weights_only=True"),
        ("import numpy as np\nnp.load(file)", "calls numpy.load without allow_pickle=False"),
        ("import numpy as np\nnp.load(file, allow_pickle=True)", "calls numpy.load without allow_pickle=False"),
        ("from ruamel.yaml import YAML\nYAML(typ='unsafe')", "reads YAML that builds objects"),
        ("import yaml\nyaml.load(text)", "calls yaml.load, which may build any object"),
        ("eval('1')", "calls eval, which runs text"),
        ("import subprocess\nsubprocess.run(words, shell=True)", "calls subprocess.run with shell"),
        ("Model.from_pretrained(name, trust_remote_code=True)", "with trust_remote_code"),
        ("import zipfile\nzipfile.ZipFile(file).extractall()", "calls extractall, which believes an archive's paths"),
        ("import joblib\njoblib.load(file)", "calls joblib.load, which unpickles"),
    ],
)
def test_each_way_to_run_what_others_wrote_is_told(tmp_path: Path, text: str, what: str) -> None:
    (found,) = said(tmp_path, text)
    assert what in found


def test_what_is_harmless_is_not_told(tmp_path: Path) -> None:
    text = (
        "import torch, numpy\ntorch.load(file, weights_only=True)\nnumpy.load(file, allow_pickle=False)\nmodel.eval()"
    )
    assert said(tmp_path, text) == []


class Trap:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_code_in_weights_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"weight": Trap(tmp_path / "run")}, tmp_path / "weights.pt")
    with pytest.raises(EarmarkError, match="never unpickled"):
        _weights.read_state(tmp_path / "weights.pt")
    assert not (tmp_path / "run").exists()


def test_code_in_the_state_of_a_training_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"step": Trap(tmp_path / "run")}, tmp_path / "state.pt")
    with pytest.raises(EarmarkError, match="is damaged"):
        Ledger(tmp_path, "name", "identity").state()
    assert not (tmp_path / "run").exists()


def test_code_in_an_array_is_refused_and_not_run(tmp_path: Path) -> None:
    out = io.BytesIO()
    np.save(out, np.array([Trap(tmp_path / "run")], dtype=object), allow_pickle=True)
    (tmp_path / "array.npy").write_bytes(out.getvalue())
    with pytest.raises(DataError, match="expected a numpy array, but: Object arrays cannot be loaded"):
        _arrays.array(tmp_path / "array.npy", "Fetch it again.")
    assert not (tmp_path / "run").exists()
    assert pickle.loads(pickle.dumps(Trap(tmp_path / "run"))) is None
    assert (tmp_path / "run").exists(), "the trap works"


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.mkdir ['{}']", "!!python/name:os.mkdir", "!!python/module:os"]
)
def test_code_in_an_experiment_is_refused_and_not_run(tmp_path: Path, tag: str) -> None:
    file = tmp_path / "trap.yml"
    file.write_text(f"name: trap\nexperiments: {tag.format(tmp_path / 'run')}\n")
    with pytest.raises(EarmarkError):
        spec.load(file)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/b", "..", ".hidden", "a\0b", "a\nb", ""])
def test_a_key_never_leads_out_of_the_store(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(EarmarkError, match="Expected a"):
        store.put_file("probes", name, ".bin" if name else "", b"content")
    with pytest.raises(EarmarkError, match="Expected a"):
        store.put_file(name, "key", ".bin", b"content")
    with pytest.raises(EarmarkError, match="Expected a"), store.writer() as writer:
        writer.put(name, np.ones(1, np.float32), {})
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in ("lock", "store.json")] == []
