"""What an experiment should cite, as BibTeX: its datasets, representations, the tools that made numbers, earmark."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from earmark import __version__
from earmark.datasets import names
from earmark.errors import MissingPart
from earmark.experiment import spec
from earmark.experiment.spec import Block, Experiment
from earmark.representations import base

ENTRY = re.compile(r"@\w+\s*\{\s*([^,\s]+)\s*,")

EARMARK = f"""@software{{earmark,
  author = {{{{The earmark developers}}}},
  title = {{earmark: learn, embed, probe, compare and understand music audio representations}},
  version = {{{__version__}}},
  license = {{Apache-2.0}}
}}"""
THESIS = """@mastersthesis{plachouras2023benchmarks,
  author = {Plachouras, Christos},
  title = {Beyond Benchmarks: A Toolkit for Music Audio Representation Evaluation},
  school = {Universitat Pompeu Fabra},
  year = {2023}
}"""
MIR_EVAL = """@inproceedings{raffel2014mir_eval,
  author = {Raffel, Colin and McFee, Brian and Humphrey, Eric J. and Salamon, Justin and Nieto, Oriol and Liang, Dawen
    and Ellis, Daniel P. W.},
  title = {mir\\_eval: A Transparent Implementation of Common MIR Metrics},
  booktitle = {Proceedings of the 15th International Society for Music Information Retrieval Conference},
  year = {2014}
}"""
AUDIOMENTATIONS = """@software{audiomentations,
  author = {Jordal, Iver and others},
  title = {audiomentations}
}"""


class Cited(NamedTuple):
    """One thing that an experiment uses: what it is, its licence, and its entries ("" where none is given)."""

    what: str
    licence: str
    bibtex: str


def bibliography(file: Path, overrides: Sequence[str] = ()) -> str:
    """Return the .bib text of an experiment file: each entry once, with a comment on what it is and its licence.

    Nothing need be downloaded: cards know what to cite. What has no entry, or is not in earmark yet, is named in
    a comment, so that a citation is never lost silently.
    """
    return of_experiment(spec.load(file, overrides))


def of_experiment(experiment: Experiment) -> str:
    """Return the .bib text of an experiment that was read already. See `bibliography`."""
    spec.check_names(experiment)
    said: list[str] = []
    seen: set[str] = set()
    for one in dict.fromkeys((Cited("earmark", "Apache-2.0", EARMARK), *_of(experiment.blocks))):
        keys = set(ENTRY.findall(one.bibtex))
        is_new = bool(keys) and not keys <= seen
        seen |= keys
        note = "" if keys else " gives nothing to cite"
        said.append(f"% {one.what}{note} (licence: {one.licence})" + (f"\n{one.bibtex.strip()}\n" if is_new else ""))
    return "\n".join(said) + "\n"


def _of(blocks: Sequence[Block]) -> Iterator[Cited]:
    for block in blocks:
        for name in (name for choice in block.datasets for name in (choice.train, choice.test)):
            card = names.card(name)
            yield Cited(f"dataset {name}: {card.title}", card.licence, card.bibtex)
        for part in (part for choice in block.representations for part in choice.parts):
            yield _representation(part.name)
        if block.deformations:
            yield Cited("deformations: audiomentations", "MIT", AUDIOMENTATIONS)
        if any(probe.preset and probe.preset.startswith("mir_ref") for probe in block.probes):
            yield Cited("probes M1 to M5 of the thesis", "as published", THESIS)
        if block.task.task.kind == "key":
            yield Cited("weighted key score: mir_eval", "MIT", MIR_EVAL)


def _representation(name: str) -> Cited:
    try:
        card = base.load(name).card
    except MissingPart:
        return Cited(f"representation {name}, which is not in this version of earmark,", "unknown", "")
    return Cited(f"representation {name}", card.licence, card.bibtex)
