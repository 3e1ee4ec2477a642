"""The page of a run: whole, self-contained, true to the run, safe from what it shows, and there for odd runs too."""

import base64
import hashlib
import json
import re
import shutil
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import earmark
from earmark.analysis import escapes
from earmark.cli import main, pages
from earmark.errors import UserError
from earmark.experiment import clips, results
from earmark.experiment.results import Run
from earmark.nouns import Failure
from earmark.report import _listening, _matrices, _media, _scores, page
from earmark.runs import predictions
from earmark.runs.compare import CONSTANT
from tests.report import page_runs
from tests.report.page_runs import HOSTILE, SNR0
from tests.runs import made_rows, made_runs
from tests.runs.test_odd_results import ODD

STYLE = Path(page.__file__).parent / "templates" / "page.css"
VOID = {"meta", "link", "br", "img", "input", "hr"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return page_runs.made(tmp_path_factory.mktemp("tones"))


@dataclass
class Parsed(HTMLParser):
    """What a page holds, by a parser that is not ours."""

    texts: list[str] = field(default_factory=list)
    scripts: list[tuple[dict[str, str | None], str]] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    stack: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def data(self) -> dict[str, Any]:
        """What the script of the page reads."""
        (found,) = (text for attributes, text in self.scripts if attributes.get("type") == "application/json")
        return dict(json.loads(found))


def parsed(file: Path) -> Parsed:
    found = Parsed()
    found.feed(file.read_text("utf-8"))
    found.close()
    assert not found.stack, f"never closed: {found.stack}"
    return found


def written(run: Run, folder: Path, **how: Any) -> Parsed:
    return parsed(page.report(run, output=folder / "page.html", **how).file)


def test_hostile_text_is_text_and_no_element_or_script_is_of_it(run: Run, tmp_path: Path) -> None:
    found = written(run, tmp_path)
    assert [attributes.get("type") for attributes, _ in found.scripts] == ["application/json", None]
    assert not [tag for tag, _ in found.elements if tag in ("img", "i", "b", "audio", "iframe", "object")]
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert "tones <script>window.hacked=1</script>" in found.text
    assert SNR0 in found.text
    (axes,) = found.data["axes"]
    assert set(axes["rows"]) == {escapes.plain(label) for label in HOSTILE}
    assert any('"><b>clip 0-8</b>' in clip[0] for clip in found.data["clips"])


def test_data_ends_no_script_whatever_it_holds() -> None:
    hostile = {"a": "</script><!--<script>&amp;\u2028\u2029", "b": 'quo"te\\'}
    text = _listening.in_script(hostile)
    assert json.loads(text) == hostile
    assert not set(text) & set("<>&\u2028\u2029")


def test_a_page_names_no_other_host_and_loads_nothing(run: Run, tmp_path: Path) -> None:
    found = written(run, tmp_path, embed_audio=True)
    addresses = [
        value
        for _, attributes in found.elements
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href")
    ]
    assert all((value or "").startswith(("#", "data:")) for value in addresses)
    style = STYLE.read_text("utf-8")
    assert "url(" not in style
    assert "@import" not in style
    assert all(address.startswith(("file:///", "../")) or "/" in address for address in found.data["files"])


def test_only_the_script_of_the_page_may_run(run: Run, tmp_path: Path) -> None:
    found = written(run, tmp_path)
    (policy,) = (one["content"] for tag, one in found.elements if tag == "meta" and "http-equiv" in one)
    digest = base64.b64encode(hashlib.sha256(found.scripts[-1][1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in str(policy)
    assert str(policy).startswith("default-src 'none'")


def test_what_a_matrix_says_is_right_is_the_accuracy_of_the_table(run: Run, tmp_path: Path) -> None:
    data = written(run, tmp_path).data
    (task,) = data["tasks"]
    rows = {
        (f"{row.representation} ({row.pool}), {row.probe}", row.deformation): row.value
        for row in run.rows
        if row.seed is None and row.average == "micro" and row.metric == "accuracy" and row.probe != CONSTANT
    }
    for system, views in zip(task["systems"], task["views"], strict=True):
        for deformation, view in zip(task["deformations"], views, strict=True):
            share = view["right"] / sum(view["totals"])
            assert share == pytest.approx(rows.pop((system, deformation)), abs=0.005)
    assert not rows, "every system and condition of the tables has a matrix"


def test_the_cells_of_a_matrix_hold_what_the_predictions_say(run: Run, tmp_path: Path) -> None:
    data = written(run, tmp_path).data
    (task,) = data["tasks"]
    (axes,) = data["axes"]
    one = next(one for one in predictions.index(run.folder) if one.system == task["systems"][0])
    answers = one.read()
    view = task["views"][0][task["deformations"].index(one.deformation)]
    for row, column, count, is_error, n, said in view["cells"]:
        there = (answers.targets == row) & (answers.scores.argmax(axis=2) == column)
        assert count == pytest.approx(there.sum() / len(answers.scores), abs=0.005)
        assert n == there.any(axis=0).sum()
        assert is_error == (axes["rows"][row] != axes["columns"][column])
        listed = {data["clips"][place][0]: seeds for place, seeds in zip(said[::3], said[2::3], strict=True)}
        assert listed == {
            escapes.plain(clip): seeds for clip, seeds in zip(answers.clips, there.sum(axis=0), strict=True) if seeds
        }


def test_sound_is_embedded_only_where_it_is_asked_for_and_allowed(run: Run, tmp_path: Path) -> None:
    def sounds(folder: Path, embed_audio: bool) -> tuple[int, int, str]:
        found = written(replace(run, folder=folder), tmp_path, embed_audio=embed_audio)
        media = found.data["media"].values()
        n_in_text = (tmp_path / "page.html").read_text("utf-8").count("data:audio/")
        assert n_in_text == sum("sound" in one for one in media)
        return sum("picture" in one for one in media), n_in_text, found.text

    kept = tmp_path / "kept"
    shutil.copytree(run.folder, kept)
    rights = json.loads((kept / clips.RIGHTS).read_bytes())
    (kept / clips.RIGHTS).write_text(
        json.dumps({name: one | {"redistributable": False} for name, one in rights.items()})
    )
    pictures, none, _ = sounds(run.folder, embed_audio=False)
    assert (pictures, none) == (24, 0)
    assert sounds(run.folder, embed_audio=True)[:2] == (24, 24)
    pictures, none, said = sounds(kept, embed_audio=True)
    assert (pictures, none) == (24, 0)
    assert "Not embedded, since the card does not allow its audio to be passed on: manifest:clips: unknown." in said


@pytest.mark.parametrize("clips_shown", [0, 1, 7])
def test_at_most_so_many_clips_are_pictured_and_errors_come_first(run: Run, tmp_path: Path, clips_shown: int) -> None:
    data = written(run, tmp_path, clips=clips_shown).data
    assert len(data["media"]) == clips_shown
    wrong = {
        f"{place}/{task['chains'][number]}"
        for task in data["tasks"]
        for views in task["views"]
        for number, view in enumerate(views)
        for *_, is_error, _, said in view["cells"]
        if is_error
        for place in said[::3]
    }
    assert set(data["media"]) <= wrong


def test_first_clips_of_cells_are_chosen_before_second_ones(run: Run) -> None:
    found = _matrices.topics(run.folder)
    (topic,) = found.topics
    lead = topic.matrices[topic.lead, "clean"]
    errors = [cell for cell in lead.cells if cell.is_error]
    chosen = _matrices.chosen(found, 2 * len(errors))[: len(errors)]
    assert {found.sound(topic, "clean", cell.said[0]) for cell in errors} == set(chosen)


def test_a_page_gets_short_lists_where_it_would_be_too_long(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_listening, "MOST_BYTES", 0)
    found = written(run, tmp_path, clips=3)
    assert "A cell lists at most 0 clips, surest first" in found.text
    lists = [
        cell[-1] for task in found.data["tasks"] for views in task["views"] for one in views for cell in one["cells"]
    ]
    assert {place for said in lists for place in said[::3]} == {int(name.split("/")[0]) for name in found.data["media"]}


def test_matrices_beyond_the_limit_are_counted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_matrices, "MOST_MATRICES", 3)
    found = written(run, tmp_path)
    assert "3 matrices are on this page; 1 more are in the run's folder, as predictions." in found.text
    assert sum(one is not None for task in found.data["tasks"] for views in task["views"] for one in views) == 3


def test_large_matrices_become_their_most_frequent_errors(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_matrices, "MOST_ROWS", 2)
    found = written(run, tmp_path)
    views = [one for task in found.data["tasks"] for some in task["views"] for one in some]
    assert all(not one["isWhole"] and all(cell[3] for cell in one["cells"]) for one in views)
    assert "With more than 2 lines no matrix is drawn: its 200 most frequent errors are named instead." in found.text


def test_audio_is_linked_relatively_where_it_may_move_with_the_page(tmp_path: Path) -> None:
    page_file = tmp_path / "project" / "runs" / "a" / "report.html"
    inside, outside = tmp_path / "project" / "a 'b' #1.wav", tmp_path / "elsewhere" / "é?.wav"
    assert _media.address(inside, page_file) == "../../a%20%27b%27%20%231.wav"
    assert _media.address(outside, page_file) == outside.as_uri()
    assert _media.address(Path("/a/b.wav"), Path("/page.html")) == "file:///a/b.wav"


def test_every_section_has_one_head_and_the_contents_name_it(run: Run, tmp_path: Path) -> None:
    found = written(run, tmp_path)
    ids = [str(one["id"]) for _, one in found.elements if "id" in one]
    assert len(ids) == len(set(ids))
    assert [tag for tag, _ in found.elements].count("h1") == 1
    linked = [str(one["href"])[1:] for tag, one in found.elements if tag == "a" and str(one["href"]).startswith("#")]
    sections = [one["id"] for tag, one in found.elements if tag == "section"]
    assert linked[1:] == sections
    for tag, one in found.elements:
        assert tag != "section" or one["aria-labelledby"] in ids
    assert all("scope" in one for tag, one in found.elements if tag == "th")


def test_failures_are_listed_with_their_reasons(run: Run, tmp_path: Path) -> None:
    lost = Failure("folder", "<b>lost</b>", "lost.wav", "no <audio> in it")
    found = written(replace(run, failures=(lost,)), tmp_path)
    assert "1 clips could not be scored; they are listed below." in found.text
    assert "<b>lost</b> folder no <audio> in it" in found.text


def test_where_numbers_come_from_is_said(run: Run, tmp_path: Path) -> None:
    text = written(run, tmp_path).text
    for name in ("experiment.yml", "results.jsonl"):
        assert hashlib.sha256((run.folder / name).read_bytes()).hexdigest() in text
    assert f"earmark {earmark.__version__}" in text
    assert "seeds of the probes 0, 1" in text
    assert "@mastersthesis" not in text
    assert "@software{earmark" in text
    assert "earmark reproduce tones.zip" in text


def test_unverified_data_is_marked(run: Run, tmp_path: Path) -> None:
    rows = tuple(replace(row, unverified=row.probe == CONSTANT) for row in run.rows)
    text = written(replace(run, rows=rows), tmp_path).text
    assert "UNVERIFIED: this copy of manifest:clips was never counted against what is published of it." in text


@pytest.mark.parametrize("what", ODD)
def test_odd_results_have_a_page_that_says_what_is_missing(tmp_path: Path, what: str) -> None:
    rows, expected = ODD[what]
    results.write_rows(tmp_path, rows)
    text = written(results.read(tmp_path), tmp_path).text
    shown = expected.removesuffix(": ")
    assert shown in text or shown.split(",")[0] in text
    assert "There are no confusions to show. Expected a run with predictions/index.jsonl" in text
    assert "nan" not in text


def test_a_run_without_means_has_a_page(tmp_path: Path) -> None:
    results.write_rows(tmp_path, [])
    assert "This run has no score of a whole test set." in written(results.read(tmp_path), tmp_path).text


def test_an_older_run_shows_matrices_without_sound_and_says_what_to_do(tmp_path: Path) -> None:
    made = made_runs.write(tmp_path / "old", made_runs.three(), made_runs.TARGETS)
    found = written(made_rows.with_rows(made), tmp_path)
    assert "There is no sound and no picture. Expected clips.jsonl in" in found.text
    assert "run its experiment again, all of it is in the store" in found.text
    assert found.data["files"] == []
    assert len(found.data["tasks"][0]["systems"]) == 3


def test_one_clip_of_one_class_is_a_matrix_of_one_cell(tmp_path: Path) -> None:
    scores = {"one/M1": np.ones((1, 1, 1), np.float32)}
    made = made_runs.write(tmp_path / "one", scores, np.zeros(1, int))
    found = written(made_rows.of_rows(made, [made_rows.ROW]), tmp_path)
    (view,) = found.data["tasks"][0]["views"][0]
    assert view["cells"] == [[0, 0, 1, 0, 1, [0, 100, 1]]]
    assert "it has one system" in found.text


def test_scores_that_are_not_finite_stand_in_a_column_of_their_own(tmp_path: Path) -> None:
    scores = made_runs.three(seeds=1)
    scores["bad/M1"][:, 0] = np.nan
    made = made_runs.write(tmp_path / "nan", scores, made_runs.TARGETS)
    found = written(made_rows.of_rows(made, [made_rows.ROW]), tmp_path)
    columns = [tuple(one["columns"]) for one in found.data["axes"]]
    assert sorted(columns) == [("a", "b", "c"), ("a", "b", "c", "no answer")]


@pytest.mark.parametrize("kind", ["multilabel", "regression"])
def test_several_answers_a_clip_are_listed_in_their_own_words(tmp_path: Path, kind: Any) -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((20, 3)) < 0.5).astype(np.float32)
    made = made_runs.write(tmp_path / kind, {"a/M1": rng.random((2, 20, 3))}, targets, kind=kind, metrics=("f1",))
    view = written(made_rows.of_rows(made, [made_rows.ROW]), tmp_path).data["tasks"][0]["views"][0][0]
    assert view["width"] == 5
    assert all(isinstance(word, str) for cell in view["cells"] for word in (*cell[-1][3::5], *cell[-1][4::5]))


def test_a_bar_shows_a_score_where_it_lies_between_0_and_1(run: Run) -> None:
    (grid,) = results.grids(run)
    shown = _scores.scores(grid)
    for line, cells in zip(shown.lines, grid.cells, strict=True):
        for one, cell in zip(line.cells, cells, strict=True):
            assert cell.value is not None
            assert one.at is not None
            assert one.at == pytest.approx(_scores.BAR_START + _scores.BAR_WIDTH * cell.value, abs=0.06)
            assert one.low is not None
            assert one.high is not None
            assert one.low <= one.at <= one.high
    assert shown.chance == shown.lines[0].cells[0].at


def test_numbers_of_the_matrix_and_all_text_stand_out_from_their_ground() -> None:
    style = STYLE.read_text("utf-8")
    steps = re.findall(r"\.(right|wrong)-(\d+) \{ background: (#\w+); color: (#\w+); \}", style)
    assert len(steps) == 40
    assert min(contrast(ground, ink) for *_, ground, ink in steps) >= 4.5
    for theme in re.findall(r":root \{([^}]*)\}", style):
        colours = dict(re.findall(r"--(\w[\w-]*): (#\w+)", theme))
        for ground in ("paper", "sheet", "wash"):
            for ink in ("ink", "muted", "accent"):
                assert contrast(colours.get(ground, "#fff"), colours[ink]) >= 4.5, (ground, ink, colours)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours. Source: WCAG 2.2, relative luminance and contrast ratio."""
    low, high = sorted(luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)


def test_the_page_lies_in_the_folder_of_its_run_unless_told(run: Run) -> None:
    made = page.report(run, clips=0)
    assert made.file == run.folder / "report.html"
    assert made.n_bytes == made.file.stat().st_size


def test_the_verb_prints_the_file_and_what_the_page_leaves_out(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["earmark", "report", str(run.folder), "--clips", "2", "-o", str(tmp_path / "a.html")]
    )
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    assert end.value.code in (0, None)
    assert said.out == f"{tmp_path / 'a.html'}\n"
    assert "note: 2 clips have a picture of what the model heard" in said.err
    assert parsed(tmp_path / "a.html").data["media"]


def test_the_verb_has_the_default_of_the_function() -> None:
    assert pages.CLIPS == page.CLIPS


def test_a_wrong_order_is_refused_and_told_what_to_do(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Expected how many clips the page may show, 0 or more, got -1\."):
        page.report(run, clips=-1)
    with pytest.raises(
        UserError, match=r"Expected the name of a file for the page, got the folder .* Add report\.html"
    ):
        page.report(run, output=tmp_path)
