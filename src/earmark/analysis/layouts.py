"""Which columns of the rows are the lines of a grid, which its columns: the presets of `earmark table`.

Source: the toolkit's thesis, sections 2.3.2 and 3.2, for the first four; its tables have a line a representation and
probe, and a column a metric and deformation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.errors import DataError, UnknownName

COLUMNS = (
    "task",
    "dataset",
    "dataset_version",
    "split",
    "fold",
    "train_share",
    "representation",
    "layer",
    "pool",
    "probe",
    "preset",
    "seed",
    "deformation",
    "severity",
    "metric",
    "average",
    "label",
    "run",
)
"""The columns of a row that say what was measured, and so can be an axis or frozen."""


@dataclass(frozen=True)
class Layout:
    """The columns that name lines, and those that name columns; `each`: those of which each value has its own grid.

    A name with one value is left to the title, but for the first of the lines and the last that a column has.
    """

    row_by: Sequence[str]
    column_by: Sequence[str]
    each: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Raise UnknownName for what is no column of a row, DataError for one that stands twice or an empty axis."""
        for name in self.names:
            if name not in COLUMNS:
                raise UnknownName("column of results", name, COLUMNS)
            if self.names.count(name) > 1:
                raise DataError(f"Expected each column once, got '{name}' twice. Leave it out of rows or columns.")
        if not self.row_by or not self.column_by:
            raise DataError(f"Expected columns of results for rows and for columns of a table. Known: {COLUMNS}.")

    @property
    def names(self) -> tuple[str, ...]:
        """All that it names."""
        return *self.row_by, *self.column_by, *self.each


SYSTEM = ("representation", "layer", "pool")
DATA = ("task", "dataset", "split", "train_share")

SCORES = "scores"
LAYOUTS = {
    SCORES: Layout((*SYSTEM, "probe"), ("deformation",), DATA),
    "all_deform_all_models": Layout((*SYSTEM, "probe"), ("average", "deformation"), DATA),
    "deformations": Layout(SYSTEM, ("deformation",), (*DATA, "probe")),
    "probes": Layout(SYSTEM, ("probe",), (*DATA, "deformation")),
    "everything": Layout((*DATA, "fold", *SYSTEM, "probe"), ("metric", "average", "deformation")),
    "layers": Layout(("representation", "pool", "probe"), ("layer",), (*DATA, "deformation")),
    "protocol": Layout(SYSTEM, ("preset", "probe"), (*DATA, "deformation")),
}
"""By the names of presets, the first of them the default."""
APART = ("cost", "robustness")
"""Names of presets whose tables have a layout of their own."""


def find(preset: str) -> Layout:
    """Return a preset's layout. Raises UnknownName."""
    if preset not in LAYOUTS:
        raise UnknownName("preset of tables", preset, (*LAYOUTS, *APART))
    return LAYOUTS[preset]
