"""Putting the answer of a run into its folder: rows, predictions, probes, what failed, and what it was computed with.

The store is the memory; this folder is the answer, put together from it. Making it twice makes the same files.
"""

import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from earmark import __version__, durable
from earmark.analysis import leakage
from earmark.experiment import calibrated, leaks, probe_folders, results, work
from earmark.experiment.jobs import PREDICTIONS, PROBE
from earmark.experiment.keys import Facts
from earmark.experiment.leaks import Audit, Check
from earmark.experiment.plan import Plan
from earmark.nouns import Failure, Result
from earmark.store import Store

LIBRARIES = ("numpy", "torch", "soundfile", "soxr", "audiomentations", "fast-mp3-augment", "scikit-learn", "mir_eval")


def write(
    folder: Path,
    plan: Plan,
    store: Store,
    facts: Mapping[str, Facts],
    found: Sequence[Result],
    failures: Sequence[Failure],
    audits: Sequence[Audit],
) -> None:
    """Put the answer of a run into its folder: rows, failures, leakage, predictions, probes, environment."""
    for name in ("predictions", "probes"):
        durable.make_folder(folder / name)
    results.write_rows(folder, found)
    durable.write_file(folder / results.FAILURES, results.lines(vars(one) for one in failures))
    durable.write_file(folder / results.LEAKAGE, _leakage(audits))
    durable.write_file(folder / "environment.json", json.dumps(environment(), indent=1).encode())
    durable.write_file(folder / "predictions" / "index.jsonl", results.lines(_export(folder, plan, store, facts)))


def _leakage(audits: Iterable[Audit]) -> bytes:
    """Return audits as the content of a run's leakage.json, thresholds included."""
    judged_by = {
        "measure": "cosine distance of whitened clip embeddings",
        "share_of_inside": leakage.SHARE,
        "shrinkage": leakage.SHRINKAGE,
        "outermost": leakage.OUTERMOST,
        "least_spread": leakage.LEAST_SPREAD,
        "least_clips": leakage.LEAST_CLIPS,
        "overlap_above_s": leakage.TOUCH_S,
        "listed_at_most": leaks.MOST_LEAKS,
    }
    plain = {
        "schema": leaks.SCHEMA,
        "thresholds": judged_by,
        "audits": [asdict(one) | {"checks": [_plain(check) for check in one.checks]} for one in audits],
    }
    return json.dumps(plain, ensure_ascii=False, indent=1).encode()


def _plain(check: Check) -> dict[str, object]:
    return asdict(check) | {"tallies": [one._asdict() for one in check.tallies]}


def _export(folder: Path, plan: Plan, store: Store, facts: Mapping[str, Facts]) -> Iterator[Mapping[str, object]]:
    """Link predictions and probes into the folder; yield what each file of predictions is of."""
    for scoring in plan.asked.answers:
        for card in probe_folders.cards_of(scoring, facts):
            weights = store.file("probes", card.key, PROBE)
            if weights is not None:
                probe_folders.write_card(folder / "probes" / card.key, card)
                _link(weights, folder / "probes" / card.key / probe_folders.WEIGHTS)
                _calibration(folder / "probes" / card.key / calibrated.FILE, work.calibration(store, scoring, card.key))
        for chain, key in scoring.conditions.items():
            found = store.file("scores", key, PREDICTIONS)
            if found is None:
                continue
            _link(found, folder / "predictions" / f"{key}{PREDICTIONS}")
            subject, choice = scoring.pairing.subject, scoring.pairing.choice
            yield {
                "file": f"{key}{PREDICTIONS}",
                "task": subject.task.name,
                "dataset": subject.dataset,
                "split": subject.split,
                "fold": subject.fold,
                "train_share": scoring.train_share,
                "representation": choice.name if scoring.probe else "constant",
                "layer": choice.layer_name if scoring.probe else "",
                "pool": scoring.pairing.pool_name if scoring.probe else "",
                "probe": scoring.probe.name if scoring.probe else "constant",
                "probes": dict(zip(map(str, scoring.seeds), scoring.probe_keys, strict=False)),
                "deformation": chain,
                "classes": subject.classes,
                "kind": subject.task.kind,
                "metrics": scoring.metrics,
                "resamples": scoring.resamples,
                "ci_level": scoring.ci_level,
            }


def _calibration(target: Path, content: bytes | None) -> None:
    if content is not None and not (target.exists() and target.read_bytes() == content):
        durable.write_file(target, content)


def _link(source: Path | None, target: Path) -> None:
    """Give a file of the store a second name in the run's folder; copy where the disk cannot."""
    if source is None:
        return
    if target.exists():
        if target.stat().st_size == source.stat().st_size:
            return
        durable.remove(target)  # of another size: damaged, and made anew in the store since
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        durable.write_file(target, source.read_bytes())


def environment() -> dict[str, object]:
    """Return what a number may depend on besides its content: versions and the machine."""
    return {
        "earmark": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }
