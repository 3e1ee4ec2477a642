"""A first experiment file for somebody's own audio, or for the built-in data."""

from pathlib import Path

from earmark import durable
from earmark.errors import UserError

HEAD = """\
# An experiment of earmark. Try it:  earmark plan {file}   then  earmark run {file}
# `earmark list task|dataset|representation|probe|metric|deformation` lists the names that can stand here.
name: {name}
experiments:
"""

BUILT_IN = """\
  - task: studio_family                   # a named task brings its dataset
"""

OWN = """\
  - task: {{name: {name}, label: label, kind: multiclass}}
    datasets: [{{name: folder, dir: {folder}, split_type: [0.8, 0.1, 0.1]}}]   # one sub-folder a class
"""

REST = """\
    representations: [{name: logmel, pool: [mean, std]}, {name: mfcc, pool: [mean, std]}]
    probes: [{preset: mir_ref-fixed, only: [M1], standardise: true}]
    deformations:                         # clean is always scored
      snr15: [{type: AddGaussianSNR, params: {min_snr_db: 15, max_snr_db: 15}}]
    metrics: auto
    seeds: [0, 1, 2]
"""


def write(file: Path, folder: Path | None = None) -> str:
    """Write the file and return what to do next; refuse to write over one that exists."""
    if file.exists():
        raise UserError(f"'{file}' exists already. Give another name: earmark init NAME.yml")
    middle = BUILT_IN if folder is None else OWN.format(name=file.stem, folder=folder.as_posix())
    durable.write_file(file, (HEAD.format(file=file, name=file.stem) + middle + REST).encode())
    return f"Wrote {file}. Next: earmark plan {file}"
