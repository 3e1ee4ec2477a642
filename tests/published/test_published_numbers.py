"""The published numbers against the lines of text that stand beside them."""

import random
import re
from collections import Counter

import pytest

from earmark import published
from earmark.deformations import PRESETS as CHAINS
from earmark.experiment.presets import presets
from earmark.metrics import METRICS
from earmark.published.documents import Column, PublishedTable, Row
from earmark.tasks import TASKS

TABLES = {table.name: table for table in published.tables()}
CELLS = [(table, row, column) for table in TABLES.values() for row in table.rows for column in table.columns]
REFERENCE = re.compile(r"\[[\d, ]+\]")
TOKEN = re.compile(r"\d*\.\d+")

# Read by eye in the documents: table, system, probe, column, as printed.
BY_EYE = [
    ("wav2vec2_music, Table I", "w2v Music FE", None, "NSynth instrument", 49.0),
    ("wav2vec2_music, Table I", "w2v Music FT2", None, "VocalSet RP1/2", 86.2),
    ("wav2vec2_music, Table I", "CREPE", None, "VocalSet RP1/4", 92.8),
    ("wav2vec2_music, Table I", "CREPE", None, "NSynth instrument", None),
    ("wav2vec2_music_first, Table 1", "wav2vec 2.0 Music FE", None, "NSynth instrument", 64.0),
    ("wav2vec2_music_first, Table 1", "MuLaP", None, "NSynth instrument", 71.7),
    ("encodecmae, Table 1", "ECMAE-L + ST", None, "NS", 89.8),
    ("encodecmae, Table 1", "ECMAE-B + ST", None, "FSD", 0.450),
    ("encodecmae, Table 1", "PaSST †", None, "ESC", 94.7),
    ("thesis, Table 4", "NeuralFP", "M1", "AUC-ROC C", 73.0),
    ("thesis, Table 4", "MERT-v1-95m ⁶", "M5", "AUC-PR D4", 44.7),
    ("thesis, Table 5", "MERT-v1-95m ^{4:8}", "M3", "micro C", 59.3),
    ("thesis, Table 6", "OpenL3", "M5", "macro C", 96.8),
    ("thesis, Table 6", "VGGish-AudioSet", "M1", "micro D3", 52.9),
    ("thesis, Table 7", "CLMR", "M5", "micro D4", 20.6),
    ("thesis, Table 8", "MERT-v1-95m ^{0:3}", "M1", "macro D2", 0.5),
    ("thesis, Table 9", "MERT-v1-95m ^{9:12}", "M5", "micro D3", 69.3),
    ("mule, Table 3", "Audioset-Sup", None, "MTT mAP", 0.386),
    ("mule, Table 3", "Musicset-ULarge", None, "NSynthP Acc", 0.892),
    ("mule, Table 3", "Jukebox", None, "GTZAN Acc", 0.797),
    ("mule, Table 3", "SF-NFNet-F0", None, "GTZAN Acc", None),
    ("mule, Table 3", "SF-NFNet-F0", None, "NSynthI Acc", 0.782),
    ("mule, Table 3", "SOTA", None, "GSKey W. Acc", 0.796),
    ("mule, Table 4", "Audioset-USmall", None, "AMM ROC", 0.753),
    ("mule, Table 4", "SOTA", None, "MuMu ROC", 0.888),
]


@pytest.mark.parametrize(("table", "row", "column"), random.Random(6).sample(CELLS, 40))
def test_forty_cells_drawn_at_random_stand_at_their_place_in_the_quoted_line(
    table: PublishedTable, row: Row, column: Column
) -> None:
    place = table.columns.index(column)
    field = row.quoted.split("\t")[place + (2 if row.probe else 1)]
    printed = [float(token) for token in TOKEN.findall(REFERENCE.sub("", field))]
    stacked = [other for other in table.rows if other.line == row.line]
    values = [other.values[place] for other in stacked]
    if len(printed) == len(stacked):
        assert values == printed
    else:
        assert [value for value in values if value is not None] == printed


@pytest.mark.parametrize(("name", "system", "probe", "column", "printed"), BY_EYE)
def test_a_cell_read_by_eye_is_the_one_in_the_file(
    name: str, system: str, probe: str | None, column: str, printed: float | None
) -> None:
    table = TABLES[name]
    (row,) = [one for one in table.rows if (one.system, one.probe) == (system, probe)]
    (place,) = [place for place, one in enumerate(table.columns) if one.name == column]
    assert row.values[place] == printed


def test_the_thesis_has_ten_systems_by_five_probes_in_six_tables() -> None:
    thesis = [table for table in TABLES.values() if table.document == "thesis"]
    assert [table.number for table in thesis] == [f"Table {number}" for number in range(4, 10)]
    for table in thesis:
        assert len({row.system for row in table.rows}) == 10
        assert set(Counter(row.probe for row in table.rows)) == {"M1", "M2", "M3", "M4", "M5"}
        assert len(table.rows) == 50
        assert all(value is not None for row in table.rows for value in row.values)


def test_every_score_lies_between_0_and_1() -> None:
    scores = [table.score(row, column) for table, row, column in CELLS]
    assert all(0 <= score <= 1 for score in scores if score is not None)


def test_what_columns_speak_of_exists_here_or_is_never_matched() -> None:
    for table, _, column in CELLS:
        assert column.metric is None or column.metric in METRICS, table.name
        assert column.preset in presets()
        assert column.deformation == "clean" or column.deformation in CHAINS
        if not column.never:
            assert column.task in TASKS
            assert None not in (column.dataset, column.split, column.metric, column.average)


def test_both_versions_of_the_disputed_number_keep_a_note() -> None:
    notes = [TABLES[name].notes for name in ("wav2vec2_music, Table I", "wav2vec2_music_first, Table 1")]
    assert all("49.0" in note and "64.0" in note for note in notes)
