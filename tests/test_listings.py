"""What there is to evaluate on, and the page that is made of it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from earmark import cli, listings, lookup
from earmark.datasets import names, records
from earmark.datasets.records import Record
from earmark.reports import datasets as page
from earmark.reports import protocols as protocols_page
from earmark.reports import representations as representations_page
from earmark.representations import base, get
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
    assert card.n_clips or "not known" in card.layout
    assert card.labels
    assert card.status == "built-in" or card.bibtex
    assert card.status != "open" or card.sources
    assert card.status in ("open", "built-in") or card.instructions
    for source in card.sources:
        assert source.checksum.partition(":")[0] in ("", "md5", "sha1", "sha256")
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


@pytest.mark.parametrize("noun", ["metric", "probe", "deformation"])
def test_other_lists_as_json_are_one_object_a_line_too(noun: str) -> None:
    done = CliRunner().invoke(cli.app, ["list", noun, "--json"])
    assert all(json.loads(line)["name"] for line in done.stdout.splitlines())
    assert done.stdout.strip()


def test_the_page_of_datasets_is_the_one_that_the_cards_make() -> None:
    assert (DOCS / "datasets.md").read_text("utf-8") == page.markdown(), (
        "Type: earmark list dataset --markdown > docs/datasets.md"
    )


def test_the_page_names_every_split_with_its_origin() -> None:
    text = page.markdown()
    for name, card in names.every().items():
        for split in card.splits if card.status != "your own" else ():
            assert f"| {name.partition(':')[0]} | `{split.name}` |" in text


REPRESENTATIONS = sorted(base.every())


def listed(*options: str) -> list[dict[str, object]]:
    done = CliRunner().invoke(cli.app, ["list", "representation", "--json", *options])
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_a_card_says_what_a_representation_is_and_what_may_be_done_with_it(name: str) -> None:
    card = base.every()[name]
    assert card.name == name
    assert card.architecture
    assert card.layer_0
    assert card.trained_on
    assert card.objective
    assert card.licence not in ("", "unknown")
    assert card.bibtex
    assert card.n_parameters or not card.sources
    assert base.is_not_yet(name) or base.card(name) == card


def test_every_file_of_the_room_is_listed_as_a_card_or_as_a_form() -> None:
    forms = {lookup.find("representations", form.partition(":")[0]).module.FORM for form in base.forms() if ":" in form}
    assert forms | {"A+B[+C]"} == set(base.forms())
    with_cards = {name for name in lookup.names("representations") if lookup.find("representations", name).module.CARDS}
    assert {name for name in with_cards if any(one.startswith(name) for one in REPRESENTATIONS)} == with_cards


def test_the_miniatures_of_the_tests_are_not_listed() -> None:
    assert base.card("hubert-tiny") is not None
    assert "hubert-tiny" not in REPRESENTATIONS
    assert "logmel" in REPRESENTATIONS, "it learnt nothing either, but has nothing to learn by"


def test_representations_are_listed_with_what_decides() -> None:
    done = CliRunner().invoke(cli.app, ["list", "representations"])
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert set(REPRESENTATIONS) <= set(lines)
    assert all(part in lines["logmel"] for part in ("128", "22,050 Hz", "43.07 a second", "none needed", "parity"))
    assert "hf:ORG/NAME" in lines


def test_commercial_leaves_out_what_may_not_be_used_so_and_says_how_many() -> None:
    every, some = listed(), listed("--commercial")
    assert [one for one in every if one["commercial"]] == some
    done = CliRunner().invoke(cli.app, ["list", "representation", "--commercial"])
    left_out = len(every) - len(some)
    assert (f"{left_out} left out" in done.stderr) == (left_out > 0)


def test_weights_are_here_once_their_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    card = base.card("hubert-base")
    assert card is not None
    assert {one["weights"] for one in listed() if one["name"] == "hubert-base"} == {"to fetch"}
    file = tmp_path / "weights" / "hubert-base" / card.sources[0].path
    file.parent.mkdir(parents=True)
    file.touch()
    assert get.is_here(card)
    assert {one["weights"] for one in listed() if one["name"] == "hubert-base"} == {"here"}


def test_describing_a_representation_needs_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    done = CliRunner().invoke(cli.app, ["describe", "representation", "hubert-base"])
    assert done.exit_code == 0
    assert "source: https://" in done.stdout
    as_json = CliRunner().invoke(cli.app, ["describe", "representation", "logmel", "--json"])
    assert json.loads(as_json.stdout)["dim"] == 128


def test_checking_a_representation_names_every_law() -> None:
    done = CliRunner().invoke(cli.app, ["check", "representation", "logmel"])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1].startswith("logmel: ")
    assert "laws kept" in done.stdout.splitlines()[-1]
    as_json = CliRunner().invoke(cli.app, ["check", "representation", "logmel", "--json"])
    assert len(json.loads(as_json.stdout)) == len(done.stdout.splitlines()) - 1


def test_a_representation_that_breaks_a_law_ends_with_1() -> None:
    done = CliRunner().invoke(cli.app, ["check", "representation", "tests.test_conformance:HasThreeAxes"])
    assert done.exit_code == 1


def test_the_page_of_representations_is_the_one_that_the_cards_make() -> None:
    assert (DOCS / "representations.md").read_text("utf-8") == representations_page.markdown(), (
        "Type: earmark list representation --markdown > docs/representations.md"
    )


def test_the_page_of_protocols_is_the_one_that_the_presets_make() -> None:
    assert (DOCS / "protocols.md").read_text("utf-8") == protocols_page.markdown(), (
        "Type: earmark list probe --markdown > docs/protocols.md"
    )
    done = CliRunner().invoke(cli.app, ["list", "probes", "--markdown"])
    assert done.stdout == protocols_page.markdown()


@pytest.mark.parametrize(("count", "said"), [(0, ""), (9_040, "9,040"), (94_370_944, "94.4 M"), (1_000_000, "1.0 M")])
def test_parameters_are_counted_as_people_do(count: int, said: str) -> None:
    assert representations_page.parameters(count) == said


def test_a_rate_of_0_is_one_frame_a_segment() -> None:
    assert (representations_page.frames(0.0), representations_page.frames(50.0)) == ("one a segment", "50 a second")


@pytest.mark.parametrize(("place", "said"), [("data/tinysol", "real"), ("elsewhere", "miniature")])
def test_a_record_counts_for_the_copy_that_it_is_of(
    place: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    root = str((tmp_path / place).resolve())
    records.write(Record("tinysol", "6.0", 2913, 5.4, {}, {}, audio_sha256="", root=root, files=""))
    assert {one.name: one.verified for one in listings.datasets()}["tinysol"] == said
