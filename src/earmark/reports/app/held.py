"""What the app has read and computed, kept until the run it is of has changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from earmark.analysis import projection
from earmark.analysis.grid import Grid
from earmark.analysis.projection import Projection
from earmark.experiment import results
from earmark.experiment.results import Run
from earmark.experiment.study import Study
from earmark.nouns import Result
from earmark.reports.app import autotable
from earmark.reports.app.autotable import Asked
from earmark.runs import confusions, diff, embeddings, listening, predictions
from earmark.runs.confusions import Confusion
from earmark.runs.diff import Diff
from earmark.runs.embeddings import Embedded
from earmark.runs.listening import Heard
from earmark.runs.predictions import Predicted
from earmark.runs.ties import Ties

EXCERPT_S = 10.0
MOST_RUNS, MOST_FILES, MOST_SOUNDS = 16, 64, 256


class Opened(NamedTuple):
    """A run by its folder, and when its rows were last written (ns): with another time it is another run."""

    folder: str
    changed_ns: int

    @property
    def path(self) -> Path:
        """Its folder."""
        return Path(self.folder)


class Sound(NamedTuple):
    """The first ten seconds of what was heard of a clip: an Ogg file, and its spectrogram as PNG."""

    ogg: bytes
    mel_png: bytes


def opened(folder: Path) -> Opened:
    """Return a run as it is now."""
    return Opened(str(folder), (folder / results.ROWS).stat().st_mtime_ns)


@st.cache_resource(max_entries=MOST_RUNS, show_spinner=False)
def rows(run: Opened, leave_out: tuple[str, ...]) -> tuple[Result, ...]:
    """Return the rows of a run without those that have a value in a column of `leave_out`, if others are left."""
    return results.rows(run.path, leave_out) or results.rows(run.path)


@st.cache_resource(max_entries=MOST_FILES, show_spinner=False)
def varying(runs: tuple[Opened, ...]) -> tuple[str, ...]:
    """Return the columns of runs that can be frozen."""
    return autotable.varying(_together(runs, autotable.LEFT_AT_MEANS))


@st.cache_resource(max_entries=MOST_FILES, show_spinner=False)
def values(runs: tuple[Opened, ...], name: str) -> tuple[str, ...]:
    """Return the values of a column of runs, as text."""
    leave_out = tuple(one for one in autotable.LEFT_AT_MEANS if one != name)
    return autotable.values(_together(runs, leave_out), name)


@st.cache_resource(max_entries=MOST_FILES, show_spinner=False)
def tables(runs: tuple[Opened, ...], asked: Asked, with_ties: bool, deviations: bool) -> tuple[Grid, ...]:
    """Return the tables of runs; `with_ties` compares their systems, which takes some seconds the first time."""
    leave_out = tuple(name for name in asked.leave_out if not (deviations and name == "seed"))
    is_tied = ties(runs).holds if with_ties else None
    return autotable.tables(_together(runs, leave_out), asked, is_tied, deviations)


def _together(runs: Sequence[Opened], leave_out: tuple[str, ...]) -> Sequence[Result]:
    return [row for run in runs for row in rows(run, leave_out)]


@st.cache_resource(max_entries=MOST_RUNS, show_spinner="Comparing the systems…")
def ties(runs: tuple[Opened, ...]) -> Ties:
    """Return what the paired tests of runs leave untold."""
    return Ties([run.path for run in runs])


@st.cache_resource(max_entries=MOST_RUNS, show_spinner="Reading what was predicted…")
def predicted(run: Opened) -> tuple[Predicted, ...]:
    """Return the files of predictions of a run, without those of the predictor that hears nothing."""
    return tuple(one for one in predictions.index(run.path) if one.representation != "constant")


@st.cache_resource(max_entries=MOST_FILES, show_spinner="Counting confusions…")
def confusion(run: Opened, file: str, _of: Predicted) -> Confusion:
    """Return the confusions of a file of predictions."""
    return confusions.confusion(_of)


@st.cache_resource(max_entries=MOST_RUNS, show_spinner=False)
def heard(run: Opened) -> Mapping[tuple[str, str], Heard]:
    """Return where the test clips of a run lie."""
    return listening.heard(run.path)


@st.cache_resource(max_entries=MOST_SOUNDS, show_spinner="Deforming…")
def sound(run: Opened, dataset: str, clip: str, deformation: str, task: str, _where: Heard) -> Sound:
    """Return a clip as it was heard under a deformation. Raises what `listening.excerpt` raises."""
    found = listening.excerpt(run.path, _where, deformation, EXCERPT_S, task)
    return Sound(listening.ogg(found), listening.mel_png(found))


@st.cache_resource(max_entries=4, show_spinner="Loading the run's data…")
def study(run: Opened) -> Study:
    """Return the study of a run's experiment."""
    return embeddings.remade(run.path)


@st.cache_resource(max_entries=MOST_FILES, show_spinner="Reading embeddings…")
def embedded(run: Opened, file: str, _of: Predicted) -> Embedded:
    """Return the embeddings of the clips of a file of predictions."""
    return embeddings.test_embeddings(study(run), _of)


@st.cache_resource(max_entries=MOST_FILES, show_spinner="Laying out the map…")
def projected(run: Opened, file: str, method: str, _of: Predicted) -> Projection:
    """Return the embeddings of a file of predictions in the plane."""
    lay_out = projection.umap if method == "UMAP" else projection.principal
    return lay_out(embedded(run, file, _of).vectors)


@st.cache_resource(
    max_entries=MOST_RUNS,
    show_spinner="Testing every score on the clips that both runs have: half a minute for a hundred…",
)
def differences(old: Opened, new: Opened) -> Diff:
    """Return what differs between two runs."""
    return diff.diff(Run(old.path, rows(old, ()), ()), Run(new.path, rows(new, ()), ()))
