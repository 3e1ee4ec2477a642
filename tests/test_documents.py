"""Every snippet of the README and the guide runs, every link leads somewhere, every shipped experiment loads."""

import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from earmark.experiment import spec
from tests import documents
from tests.documents import Block

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [block for page in PAGES for block in documents.blocks(page)]
CODE = [block for block in BLOCKS if block.language in {"sh", "python"}]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yml"))

SLOW_PAGES = {block.page for block in CODE if block.slow}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


PAGES_TO_RUN = [
    pytest.param(page, id=name_of(page), marks=[pytest.mark.slow] if page in SLOW_PAGES else [])
    for page in sorted({block.page for block in CODE if block.not_run is None})
]


@pytest.mark.parametrize("page", PAGES_TO_RUN)
def test_the_snippets_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    documents.run_page([block for block in CODE if block.page == page and block.not_run is None], tmp_path)


@pytest.mark.parametrize("block", [one for one in CODE if one.not_run is not None], ids=lambda block: block.place)
def test_a_snippet_that_is_not_run_says_why(block: Block) -> None:
    assert block.not_run
    pytest.skip(block.not_run)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_yaml_in_a_page_parses(page: Path) -> None:
    for block in BLOCKS:
        if block.page == page and block.language == "yaml":
            assert YAML(typ="safe").load(block.text) is not None, block.place


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_block_says_its_language(block: Block) -> None:
    assert block.language, f"{block.place}: write ```sh, ```python, ```yaml or ```text"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name_of)
def test_a_shipped_experiment_loads(path: Path) -> None:
    assert spec.load(path)


def test_there_are_pages_and_experiments_to_test() -> None:
    assert CODE
    assert EXPERIMENTS


PAGE = """\
Text.

```sh
touch made   # by the shell
```

<!-- not run: it needs a moon -->
```sh
moon
```

```python
from pathlib import Path
found = Path("made").exists()
```

1. In a list:

   ```python
   Path("seen").write_text(str(found))
   ```

<!-- not run -->
```python
raise SystemExit
```
"""


def page_of(folder: Path, text: str) -> list[Block]:
    (folder / "page.md").write_text(text, encoding="utf-8")
    return documents.blocks(folder / "page.md")


def test_blocks_know_their_place_and_why_they_are_not_run(tmp_path: Path) -> None:
    seen = [(block.place, block.language, block.not_run) for block in page_of(tmp_path, PAGE)]
    assert seen == [
        ("page.md:4", "sh", None),
        ("page.md:9", "sh", "it needs a moon"),
        ("page.md:13", "python", None),
        ("page.md:20", "python", None),
        ("page.md:25", "python", ""),
    ]


def test_a_block_can_be_slow(tmp_path: Path) -> None:
    found = page_of(tmp_path, "<!-- slow -->\n```sh\nsleep 99\n```\n\n```sh\ntrue\n```\n")
    assert [block.slow for block in found] == [True, False]


def test_the_blocks_of_a_page_share_files_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    documents.run_page([block for block in page_of(tmp_path, PAGE) if block.not_run is None], tmp_path)
    assert (tmp_path / "seen").read_text(encoding="utf-8") == "True"


def test_a_shell_block_fails_at_its_first_failing_line(tmp_path: Path) -> None:
    found = page_of(tmp_path, "```sh\nfalse\ntouch late\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md:2: ended with 1"):
        documents.run_page(found, tmp_path)
    assert not (tmp_path / "late").exists()


def test_a_python_block_fails_at_its_line_of_the_page(tmp_path: Path) -> None:
    found = page_of(tmp_path, "Text.\n\n```python\nx = 1\nx / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as raised:
        documents.run_page(found, tmp_path)
    assert raised.traceback[-1].lineno == 4  # counted from 0: the fifth line


def test_a_longer_fence_holds_a_shorter_one(tmp_path: Path) -> None:
    (found,) = page_of(tmp_path, "````markdown\n```sh\nfalse\n```\n````\n")
    assert (found.language, found.text) == ("markdown", "```sh\nfalse\n```\n")
