"""The embeddings that a finished run's test clips had, found again in the store by making its study anew."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from earmark.errors import DataError
from earmark.experiment import study as studies
from earmark.experiment import vectors
from earmark.experiment.pairings import Pairing, Part, grains_of, pair
from earmark.experiment.study import Study
from earmark.experiment.target_classes import class_names
from earmark.runs.predictions import Predicted
from earmark.store import Store

Array = np.ndarray


@dataclass(frozen=True)
class Embedded:
    """Test clips by one representation under one condition: a vector each, as its probe saw it.

    `datasets` and `clips` find their audio (`listening.heard`). `targets` are in words, labels of one clip joined by
    commas; `n_missing` counts clips without an embedding.
    """

    datasets: tuple[str, ...]
    clips: tuple[str, ...]
    targets: tuple[str, ...]
    groups: tuple[str | None, ...]
    vectors: Float32[Array, "clips dim"]
    n_missing: int


def remade(run_folder: Path) -> Study:
    """Return the study of a run's experiment file: its data loaded and its store open. Nothing is computed.

    Folders in the file are seen from the current one. Raises DataError for a run without its experiment file.
    """
    file = run_folder / "experiment.yml"
    if not file.is_file():
        raise DataError(f"Expected experiment.yml in '{run_folder}', found none. Finish its run first.")
    return studies.study(file, quiet=True)


def test_embeddings(study: Study, of: Predicted) -> Embedded:
    """Return the embeddings of the test clips that a file of predictions is of.

    A probe's layers stand side by side; segments and frames of a clip are averaged. Raises DataError where the run's
    experiment is no longer what it was, or the store holds none of these embeddings.
    """
    part, pairing = _part(study, of)
    known = study.store.has(part.embeddings)
    kept = [place for place, keys in enumerate(zip(*part.parts, strict=True)) if known.issuperset(keys)]
    if not kept:
        raise DataError(
            f"The store at '{study.store.root}' holds no embedding of '{of.representation}' for these clips under "
            f"'{of.deformation}': it is another store, or it was emptied, or the audio has changed. "
            "Run the experiment again, or set EARMARK_HOME to the home of the run."
        )
    chosen = replace(
        part,
        clips=tuple(part.clips[place] for place in kept),
        parts=tuple(tuple(keys[place] for place in kept) for keys in part.parts),
    )
    task = pairing.subject.task
    return Embedded(
        tuple(one.dataset for one in chosen.clips),
        tuple(one.clip.id for one in chosen.clips),
        tuple(", ".join(class_names(one.clip, task)) for one in chosen.clips),
        tuple(one.clip.group for one in chosen.clips),
        _vectors(study.store, chosen, pairing),
        len(part.clips) - len(kept),
    )


def _part(study: Study, of: Predicted) -> tuple[Part, Pairing]:
    """Return the test clips with the keys of their embeddings."""
    for pairing in _pairings(study, of):
        choice = pairing.choice
        named = choice.name, choice.layer_name, pairing.pool_name
        if named == (of.representation, of.layer, of.pool) and of.deformation in pairing.tests:
            return pairing.tests[of.deformation], pairing
    why = " ".join(one.remedy for one in study.missing) or "The dataset or the representation is not what it was."
    raise DataError(
        f"'{of.system}' on '{of.task}' of {of.dataset}, {of.deformation}, is not in the run's experiment as it is "
        f"read here, so its embeddings cannot be found. {why}"
    )


def _pairings(study: Study, of: Predicted) -> Iterator[Pairing]:
    wanted = of.task, of.dataset, of.split, of.fold
    for block in study.experiment.blocks:
        for subject in study.subjects[block]:
            if (subject.task.name, subject.dataset, subject.split, subject.fold) != wanted:
                continue
            tested = replace(subject, train=(), valid=())  # only test clips are shown
            for choice in block.representations:
                for grain in grains_of(block):
                    yield pair(tested, choice, grain, block.deformations, study.keys, frozenset())


def _vectors(store: Store, part: Part, pairing: Pairing) -> Float32[Array, "clips dim"]:
    """Return one vector a clip."""
    n_clips = len(part.clips)
    if part.grain == "clip":
        seen = vectors.side_by_side([store.get(keys) for keys in part.parts], part.grain, pairing.choice)
        return seen.reshape(n_clips, -1)
    ragged = [store.get_each(keys) for keys in part.parts]
    rows = [_mean([of_part[clip] for of_part in ragged], part, pairing) for clip in range(n_clips)]
    return np.stack(rows).reshape(n_clips, -1)


def _mean(of_clip: Sequence[Array], part: Part, pairing: Pairing) -> Array:
    """Return the mean over the segments or frames of one clip."""
    mean: Array = vectors.side_by_side(of_clip, part.grain, pairing.choice).mean(axis=0, dtype=np.float64)
    return mean.astype(np.float32)
