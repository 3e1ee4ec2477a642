"""What there is to evaluate on, and the page that is made of it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from earmark import cli, listings
from earmark.datasets import names
from earmark.report import datasets as page
from earmark.tasks import TASKS

DOCS = Path(__file__).parent.parent / "docs"


def test_every_task_with_a_dataset_names_one_that_exists_a_label_and_a_split_of_its_card() -> None:
    for task in TASKS.values():
        if task.dataset is not None:
            card = names.card(task.dataset)
            label = {one.name: one for one in card.labels}[task.label]
            assert label.kind == task.kind
            made = {split.name: split.labels for split in card.splits}
            assert task.split is None or task.label in made[task.split] or made[task.split] == ()


@pytest.mark.parametrize("name", [name for name, card in names.every().items() if card.status != "your own"])
def test_a_card_says_where_the_dataset_comes_from_and_what_may_be_done_with_it(name: str) -> None:
    card = names.card(name)
    assert card.title
    assert card.version
    assert card.licence != "unknown"
    assert card.audio
    assert card.layout
    assert card.n_clips
    assert card.labels
    assert card.status == "built-in" or card.bibtex
    assert card.status != "open" or card.sources
    assert card.status in ("open", "built-in") or card.instructions
    for source in card.sources:
        assert source.checksum.partition(":")[0] in ("", "md5", "sha256")
    for split in card.splits:
        assert split.origin


def test_a_line_of_the_list_is_what_the_card_says() -> None:
    line = {one.name: one for one in listings.datasets()}["nsynth"]
    assert (line.n_clips, line.status) == (names.card("nsynth").n_clips, "open")


def test_a_problem_has_no_dataset() -> None:
    assert {one.name: one.dataset for one in listings.tasks()}["autotagging"] is None


@pytest.mark.parametrize("noun", ["dataset", "task"])
def test_the_list_as_json_is_one_object_a_line(noun: str) -> None:
    done = CliRunner().invoke(cli.app, ["list", noun, "--json"])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["name"] for row in rows} == set(names.every() if noun == "dataset" else TASKS)


def test_the_page_of_datasets_is_the_one_that_the_cards_make() -> None:
    assert (DOCS / "datasets.md").read_text("utf-8") == page.markdown(), (
        "Type: earmark list dataset --markdown > docs/datasets.md"
    )


def test_the_page_names_every_split_with_its_origin() -> None:
    text = page.markdown()
    for name, card in names.every().items():
        for split in card.splits:
            assert f"| {name.partition(':')[0]} | `{split.name}` |" in text
