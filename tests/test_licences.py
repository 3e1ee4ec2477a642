"""What licences permit, by the one table, and the gates of a run: --commercial and --unverified."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import earmark
from earmark import licences
from earmark.analysis import tables, writers
from earmark.analysis.grid import UNVERIFIED
from earmark.datasets import names
from earmark.errors import Refused
from earmark.experiment import permitted, results, spec
from earmark.licences import FORBIDDING, TABLE
from earmark.representations import base, logmel
from tests.audio_files import sound, written
from tests.experiment.specimens import LEAST, parse
from tests.runs.made_rows import ROW

# As publishers write them: on a hub, in a card, in a readme.
WRITTEN = {
    "permissive": ("Apache-2.0", "apache-2.0", "MIT", "ISC", "BSD-3-Clause", "CC-BY-4.0", "cc-by-4.0", "CC0-1.0"),
    "share-alike": ("CC-BY-SA-4.0", "GPL-3.0", "LGPL-2.1+", "MPL-2.0", "ODbL-1.0; contents: DbCL-1.0"),
    "non-commercial": ("CC BY-NC 4.0", "cc-by-nc-sa-4.0", "MIT; CC-BY-NC-4.0", "non-commercial use only"),
    "AGPL": ("AGPL-3.0", "agpl-3.0", "GNU Affero General Public License", "AGPL-3.0; MIT; unknown"),
    "evaluation-only": ("NTT evaluation licence", "for research purposes", "CC-BY-NC-4.0; for evaluation only"),
    "unknown": ("", "unknown: see its page", "MIT for the code, unknown for the weights", "CC-BY-ND-4.0", "openrail"),
}


@pytest.mark.parametrize(("terms", "licence"), [(one, text) for one, some in WRITTEN.items() for text in some])
def test_a_licence_permits_what_the_strictest_of_its_parts_permits(terms: str, licence: str) -> None:
    assert licences.terms(licence) == terms
    assert licences.terms(f"MIT; {licence}") == licences.terms(f"{licence}; MIT") == terms
    assert bool(licences.why_not(licence)) == (terms in FORBIDDING)


@pytest.mark.parametrize(
    ("terms", "licence"),
    [
        ("non-commercial", "CC-BY-NC4.0"),
        ("non-commercial", "CC-BY-NCSA"),
        ("non-commercial", "MIT, non commercial"),
        ("non-commercial", "MIT, no commercial use"),
        ("non-commercial", "CC-BY-4.0, commercial use requires a contract"),
        ("non-commercial", "BSD, for non-profit use"),
        ("evaluation-only", "MIT (research purposes only)"),
        ("evaluation-only", "Apache-2.0, weights for personal use"),
    ],
)
def test_a_permissive_word_does_not_hide_what_stands_beside_it(terms: str, licence: str) -> None:
    assert licences.terms(licence) == terms


def test_every_class_of_the_table_is_met_and_google_research_forbids_nothing() -> None:
    assert set(WRITTEN) == set(TABLE)
    assert licences.terms("Apache-2.0, of Google Research") == "permissive"


def test_a_card_says_commercial_where_its_licence_permits_it_and_nowhere_else() -> None:
    for name, card in base.every().items():
        assert card.commercial == (not licences.why_not(card.licence)), name


def test_a_reason_names_the_licence_as_it_is_written() -> None:
    assert licences.why_not("CC BY-NC 4.0") == "non-commercial (CC BY-NC 4.0): it forbids commercial use"
    assert licences.why_not("MIT", commercial=False) == "permissive (MIT), but its card says commercial: no"


MIXED = LEAST.replace("[logmel]", "[logmel, mert-v1-95m, encodec-24khz, mfcc, logmel+mule]")


def test_a_commercial_run_names_each_that_is_refused_and_lists_what_remains() -> None:
    with pytest.raises(Refused) as caught:
        permitted.require(parse(MIXED, "commercial=true"), {"logmel": logmel.CARD})
    said = str(caught.value)
    assert said.startswith("3 of 5 representations may not be used commercially, so nothing is run:\n")
    assert "  mert-v1-95m: non-commercial (CC BY-NC 4.0): it forbids commercial use\n" in said
    assert "  encodec-24khz: unknown (unknown: declared for the code (MIT), not for the weights): nobody" in said
    assert "  mule: non-commercial (CC-BY-NC-4.0)" in said
    assert "What remains: logmel, mfcc." in said
    permitted.require(parse(MIXED), {})


def test_what_was_never_checked_runs_only_unverified() -> None:
    cards = {"logmel": replace(logmel.CARD, verified="no")}
    with pytest.raises(Refused, match=r"1 of 1 representations were never checked.*\n  logmel: verified: no\nWhat"):
        permitted.require_checked(parse(LEAST), cards)
    (planned,) = permitted.notes(parse(LEAST), cards, {})
    assert "run only where that is asked for" in planned
    permitted.require_checked(parse(LEAST, "unverified=true"), cards)
    permitted.require_checked(parse(LEAST), {"logmel": replace(logmel.CARD, verified="own")})


def test_what_may_run_is_no_part_of_what_is_measured_but_of_its_file() -> None:
    plain, gated = parse(LEAST), parse(LEAST, *permitted.said(commercial=True, unverified=True))
    assert plain.spec_hash == gated.spec_hash
    again = spec.parse(spec.to_yaml(gated), Path("x.yml"))
    assert (again.commercial, again.unverified) == (True, True)
    assert "commercial" not in spec.to_yaml(plain)


def test_a_commercial_run_says_that_it_is_not_of_data() -> None:
    cards = {name: names.card(name) for name in ("gtzan", "nsynth")}
    (said,) = permitted.notes(parse(LEAST, "commercial=true"), {}, cards)
    assert said.endswith("its licence says: gtzan (unknown).")
    assert [*permitted.notes(parse(LEAST), {}, cards)] == []


def test_every_cell_of_what_was_never_checked_says_so_and_the_constant_does_not() -> None:
    constant = replace(ROW, representation="constant", probe="constant", value=0.3)
    rows = [ROW, replace(ROW, representation="guessed", unverified=True, licence="AGPL"), constant]
    (table,) = tables.tables(rows)
    text = writers.markdown([table.grid])
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert UNVERIFIED in lines["guessed"]
    assert UNVERIFIED not in lines["good"] + lines["constant"]
    assert "‡ unverified." in text
    assert "guessed was never checked against an independent one. Licences: guessed: AGPL." in text


def test_data_that_was_never_counted_is_said_of_the_table_and_not_of_each_cell() -> None:
    constant = replace(ROW, representation="constant", probe="constant", value=0.3, unverified=True)
    (table,) = tables.tables([replace(ROW, unverified=True), constant])
    assert UNVERIFIED not in writers.markdown([table.grid])


def test_rows_of_a_run_say_what_the_licence_permits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    for number in range(24):
        folder = tmp_path / "audio" / ("quiet", "loud")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        written(folder / f"{number}.wav", sound(8000 + number) * (0.05 + number % 2))
    data = f"datasets: [{{name: folder, dir: {tmp_path / 'audio'}}}]"
    file = tmp_path / "some.yml"
    file.write_text(LEAST.replace("studio_family", f"{{name: mine, label: label, kind: multiclass}}\n    {data}"))
    run = earmark.run(file, quiet=True, commercial=True)
    said = {row.probe == "constant": row.licence for row in results.rows(run.folder)}
    assert said == {True: "", False: "permissive"}
    assert any("--commercial is of weights" in note and "folder:audio (unknown)" in note for note in run.notes)


def test_the_command_ends_with_1_and_one_message(tmp_path: Path) -> None:
    file = tmp_path / "mixed.yml"
    file.write_text(LEAST.replace("[logmel]", "[logmel, mert-v1-95m]"))
    line = [sys.executable, "-m", "earmark", "plan", str(file), "--commercial"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.search(r"^earmark: 1 of 2 representations may not be used commercially", done.stderr, re.MULTILINE)


def test_random_weights_make_nothing_verified() -> None:
    assert base.load("random:openl3-tiny").card.verified == "no"
    assert base.load("random:wav2vec2-tiny").card.verified == "parity"
