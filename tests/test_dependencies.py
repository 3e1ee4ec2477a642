"""What is installed is whole, pinned and judged; and each of these can say no."""

import subprocess
import sys
from importlib import metadata

import pytest
from packaging.utils import canonicalize_name

from tests import dependencies
from tests.dependencies import ALLOWED, ROOT, Installed


def test_what_is_installed_is_whole_pinned_and_judged() -> None:
    done = subprocess.run([sys.executable, dependencies.__file__], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_core_is_what_its_dependencies_need_and_nothing_else() -> None:
    core = {one.name for one in dependencies.installed() if one.is_core}
    assert {"numpy", "torch", "soundfile", "typer", "pydantic-core"} <= core
    assert not core & {"lightning", "streamlit", "ray", "pytest", "fastapi"}


@pytest.mark.parametrize(
    ("licence", "is_core", "said"),
    [
        ("MIT", True, None),
        ("Apache-2.0 WITH LLVM-exception AND BSD-2-Clause", True, None),
        ("BSL-1.0", True, None),
        ("BSL-1.1", False, "not judged"),
        ("GPL-3.0-only", True, "refused in the core"),
        ("MIT AND GPL-2.0-or-later", False, "is refused"),
        ("AGPL-3.0", False, "is refused"),
        ("GNU General Public License v3 (GPLv3)", True, "refused in the core"),
        ("GNU Affero General Public License v3", False, "is refused"),
        ("CC-BY-NC-4.0", True, "refused in the core"),
        ("GNU Lesser General Public License v2 or later (LGPLv2+)", True, "not judged"),
        ("LGPL-2.1-or-later", True, "not judged"),
        ("MPL-2.0 AND MIT", True, "not judged"),
        ("", False, "not judged"),
        ("my own", True, "not judged"),
    ],
)
def test_a_licence_is_free_or_refused_or_to_be_judged(licence: str, is_core: bool, said: str | None) -> None:
    found = list(dependencies.of_licences([Installed("made-up", "1", licence, is_core)]))
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_nothing_makes_the_gpl_welcome_in_the_core() -> None:
    for name in ALLOWED:
        assert list(dependencies.of_licences([Installed(name, "1", "GPL-3.0", is_core=True)]))


def test_what_was_judged_is_still_needed() -> None:
    pinned = {
        canonicalize_name(line.partition("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    assert set(ALLOWED) <= pinned


def test_a_pin_that_is_missing_or_another_is_told() -> None:
    found = [Installed("a-b", "1.0", "MIT", is_core=True), Installed("torch", "2.0+cpu", "MIT", is_core=True)]
    assert list(dependencies.of_pins(found, "A_b==1.0  # why\ntorch==2.0\n")) == []
    assert list(dependencies.of_pins(found, "a-b==1.1\n#torch==2.0\n")) == [
        "a-b 1.0: pinned as 1.1",
        "torch 2.0+cpu: not pinned in constraints.txt",
    ]


def test_a_licence_is_read_from_where_it_is_told() -> None:
    said = metadata.metadata("soxr")
    assert "Lesser" in dependencies.licence_of(said)
