"""The import law holds, and each of its parts can say no."""

import importlib.metadata
import re
import sysconfig
from pathlib import Path

import pytest

from tests import architecture

ROOT = Path(__file__).parent.parent


def tree(folder: Path, files: dict[str, str]) -> Path:
    """Write a package of the files given and return its folder."""
    for name, text in {"__init__.py": "", **files}.items():
        path = folder / "earmark" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "earmark"


def said(folder: Path, files: dict[str, str]) -> list[str]:
    """Return what the law says of a tree, with paths seen from it."""
    package = tree(folder, files)
    return [str(found).removeprefix(f"{package}/") for found in architecture.violations(package)]


def test_the_house_keeps_its_law() -> None:
    assert [str(found) for found in architecture.violations(ROOT / "src" / "earmark")] == []


def test_the_whole_package_is_read() -> None:
    read = {file.path for file in architecture.read(ROOT / "src" / "earmark")}
    assert read == set((ROOT / "src" / "earmark").rglob("*.py"))
    assert {"errors", "nouns", "experiment", "cli"} <= {architecture.room_of(file.module) for file in read_files()}


def read_files() -> tuple[architecture.SourceFile, ...]:
    return architecture.read(ROOT / "src" / "earmark")


def test_no_room_stands_on_two_lines() -> None:
    rooms = [room for line in architecture.LINES for room in line]
    assert len(rooms) == len(set(rooms))


RIGHT = {
    "errors.py": "class EarmarkError(Exception): ...",
    "metrics.py": "from earmark.errors import EarmarkError\nfrom earmark import __version__",
    "experiment/__init__.py": "",
    "experiment/plan.py": "from earmark import metrics\nfrom earmark.experiment import spec",
    "experiment/spec.py": "import earmark.errors",
    "deformations.py": "import random\nimport audiomentations\nrandom.seed(1)",
    "cli.py": "import typer\ndef run():\n    from earmark.experiment import plan",
    "lookup.py": "import importlib\nimportlib.import_module('earmark.' + name)",
    "training.py": "import numpy as np\nimport torch\nnp.random.default_rng(3)\ntorch.randn(2, generator=g)",
}


def test_a_right_tree_passes(tmp_path: Path) -> None:
    assert said(tmp_path, RIGHT) == []


WRONG = {
    "an arrow up": ("metrics.py", "from earmark import tasks", "imports earmark.tasks, which stands above it. Arrows"),
    "a type seen above": (
        "metrics.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from earmark.experiment.spec import Spec",
        "metrics.py:3: earmark.metrics imports earmark.experiment.spec, which stands above it",
    ),
    "the face seen from below": ("audio.py", "from earmark import run", "imports earmark, which stands above it"),
    "a neighbour": ("analysis.py", "import earmark.metrics", "imports earmark.metrics, which stands on the same line"),
    "a room without a line": ("attic.py", "", "attic.py:1: earmark.attic stands on no line. Give 'attic' its line"),
    "a circle": (
        "experiment/spec.py",
        "from earmark.experiment.plan import Plan",
        "circle of imports: earmark.experiment.plan → earmark.experiment.spec → earmark.experiment.plan",
    ),
    "a late import": (
        "training.py",
        "class Trainer:\n    def fit(self):\n        from earmark import metrics",
        "training.py:3: earmark.training imports earmark.metrics inside a function",
    ),
    "an import by string": (
        "training.py",
        "from importlib import import_module\nimport_module('earmark.metrics')",
        "training.py:2: earmark.training imports earmark by a string",
    ),
    "a relative import": ("metrics.py", "from . import errors", "metrics.py:1: earmark.metrics imports relatively"),
    "a name that says nothing": ("experiment/_utils.py", "", "is named 'utils', which says nothing"),
    "a library out of its room": ("store.py", "import soundfile", "imports soundfile, which only 'audio' wraps"),
    "a library wrapped twice": (
        "datasets/two.py",
        "import pretty_midi",
        "imports pretty_midi, which earmark.datasets.one wraps already",
    ),
    "a library that is refused": (
        "training.py",
        "import torchaudio.functional",
        "imports torchaudio, which earmark never",
    ),
    "a disk in a metric": ("metrics.py", "from pathlib import Path", "is arithmetic but imports pathlib.Path"),
    "a clock in a network": ("training/network.py", "import time", "is arithmetic but imports time"),
    "a file opened in a metric": (
        "metrics.py",
        "open('scores')",
        "metrics.py:1: earmark.metrics is arithmetic but opens",
    ),
    "numpy's old generator": (
        "training.py",
        "import numpy as np\nnp.random.rand(3)",
        "calls numpy.random.rand without",
    ),
    "numpy's, by its name": (
        "training.py",
        "from numpy.random import seed\nseed(1)",
        "calls numpy.random.seed without",
    ),
    "an unseeded generator": ("training.py", "import numpy\nnumpy.random.default_rng()", "numpy.random.default_rng"),
    "an unseeded old generator": (
        "training.py",
        "import numpy\nnumpy.random.RandomState()",
        "numpy.random.RandomState",
    ),
    "torch seeded for all": ("training.py", "import torch\ntorch.manual_seed(0)", "calls torch.manual_seed without"),
    "torch's own draw": ("training.py", "import torch as t\nt.randn(2)", "calls torch.randn without a generator"),
    "weights drawn globally": (
        "training.py",
        "from torch import nn\nnn.init.xavier_uniform_(w)",
        "calls torch.nn.init.xavier_uniform_ without a generator",
    ),
    "Python's own draw": ("training.py", "import random\nrandom.random()", "calls random.random without a generator"),
}


@pytest.mark.parametrize(("name", "text", "expected"), WRONG.values(), ids=WRONG.keys())
def test_a_broken_law_is_named_with_its_place(tmp_path: Path, name: str, text: str, expected: str) -> None:
    right = {**RIGHT, "datasets/one.py": "import pretty_midi"}
    if name.startswith("training/"):
        del right["training.py"]
    found = said(tmp_path, {**right, name: text})
    assert len(found) == 1
    assert expected in found[0]


def test_the_command_ends_with_1_when_a_law_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tree(tmp_path / "src", {"attic.py": ""})
    monkeypatch.setattr(architecture, "__file__", str(tmp_path / "tests" / "architecture.py"))
    assert architecture.main() == 1


@pytest.mark.parametrize("package", ["torchaudio", "torchcodec", "fairseq", "tensorflow"])
def test_what_breaks_a_cpu_torch_is_not_installed(package: str) -> None:
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version(package)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_is_installed_is_what_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(name): version for name, _, version in (line.partition("==") for line in lines if "==" in line)}
    # Not those that ray carries, and puts on the path of a process that imports it.
    here = importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])
    installed = {normal(one.name): one.version.partition("+")[0] for one in here}
    unpinned = {name: version for name, version in installed.items() if pinned.get(name) != version}
    assert set(unpinned) <= {"earmark", "pip"}, f"add to constraints.txt: {unpinned}"
