"""The page of a run: whole, self-contained, true to the run, safe from what it shows, and there for odd runs too."""

import base64
import hashlib
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import earmark
from earmark.analysis import escapes
from earmark.analysis.grid import Cell, Grid
from earmark.cli import main, pages
from earmark.deformations import Chain, Step
from earmark.errors import MissingPart, UserError
from earmark.experiment import results
from earmark.experiment.results import Run
from earmark.nouns import Failure
from earmark.reports import _pictures, _scores, _sweeps, page
from earmark.runs.compare import CONSTANT
from tests.reports.page_runs import HOSTILE, SNR0, run
from tests.reports.parsed_page import parsed, written
from tests.runs.test_odd_results import ODD

__all__ = ["run"]  # a fixture
STYLE = Path(page.__file__).parent / "templates" / "page.css"


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


def test_of_one_task_the_overview_is_of_conditions_and_without_a_sweep_nothing_is_said_of_one(run: Run) -> None:
    overview, robustness = (one for one in _pictures.sections(run, None) if one.name in ("overview", "robustness"))
    assert overview.lede.startswith("Every system under every condition.")
    assert overview.pictures[0].head[-2:] == ("clean", SNR0)
    assert robustness.lede == _pictures.MOVED


def test_failures_are_listed_with_their_reasons(run: Run, tmp_path: Path) -> None:
    lost = Failure("folder", "<b>lost</b>", "lost.wav", "no <audio> in it")
    found = written(replace(run, failures=(lost,)), tmp_path)
    assert "1 clip could not be scored: see below." in found.text
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
    assert "note: A picture of what the model heard: 2 clips" in said.err
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


def test_tables_that_would_make_the_page_too_long_are_counted(run: Run, tmp_path: Path) -> None:
    rows = tuple(replace(row, task=f"task {number}") for number in range(3) for row in run.rows)
    many = replace(run, rows=rows)
    grids = results.grids(many)
    kept, n_left_out = _scores.within(grids, 2 * len(grids[0].row_heads) * len(grids[0].column_heads))
    assert (kept, n_left_out) == (grids[:2], 1)
    assert _scores.within(grids, 0) == (grids[:1], 2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(page, "MOST_CELLS", 1)
        text = written(many, tmp_path).text
    assert "Left out of this page, which would be too long: 2 tables. `earmark table` prints all." in text


def test_without_jinja2_the_line_to_type_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingPart, match=re.escape("The page needs jinja2. Type: pip install 'earmark[report]'")):
        page.report(run, clips=0)


def test_a_number_without_interval_moves_no_bar() -> None:
    cells = ((Cell(0.5, 0.4, 0.6), Cell(64.0, None, None)),)
    shown = _scores.scores(Grid("", ("a",), ("b",), (("x",),), (("score",), ("at",)), cells, "95%", forms=(".3f", "g")))
    (line,) = shown.lines
    assert line.cells[0].at == _scores.BAR_START + _scores.BAR_WIDTH / 2
    assert (line.cells[1].number, line.cells[1].at) == ("64", None)


def test_the_unit_of_a_sweep_is_that_of_the_one_parameter_which_has_its_values() -> None:
    def chain(name: str, **params: float) -> Chain:
        return Chain(name, (Step("Any", params),))

    swept = [chain(f"noise@{value}", min_snr_db=value, max_snr_db=value) for value in (40, 0)]
    unclear = [chain("both@1", min_snr_db=1, max_snr_db=1, min_gain_db=1, max_gain_db=1)]
    unknown = [chain("odd@2", strangeness=2), chain("clean", min_snr_db=1, max_snr_db=1)]
    assert _sweeps.units([*swept, *unclear, *unknown]) == {"noise": "signal to noise, dB"}
