"""Running an experiment: plan, embed, fit, score, and put the answer into the run's folder.

The plan is made anew before each stage, since a clip that turned out unreadable changes what follows. Nothing
remembers where a run was: what the store holds is done, the rest is not.
"""

import datetime
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, compress
from pathlib import Path
from typing import Literal, get_args

from earmark import durable, identity, places
from earmark.counted import counted
from earmark.deformations import CLEAN
from earmark.errors import AudioError, DataError, Refused, UnknownName
from earmark.experiment import (
    answered,
    audit,
    clips,
    costs,
    devices,
    doable,
    drifts,
    ingredients,
    leaks,
    permitted,
    readiness,
    results,
    rows,
    spec,
    work,
)
from earmark.experiment.costs import Cost
from earmark.experiment.devices import Device
from earmark.experiment.engines import Engine, EngineChoice, EngineName, choice_of, start
from earmark.experiment.jobs import PROBE, Fit, Scoring, Shard
from earmark.experiment.plan import Plan
from earmark.experiment.progress import bar, logged
from earmark.experiment.results import Run
from earmark.experiment.spec import Experiment
from earmark.experiment.study import Study, study
from earmark.experiment.work import Done
from earmark.nouns import Failure
from earmark.probes.fit import goes_to_device
from earmark.store import Store

Stage = Literal["embed", "probe", "score"]
Overwrite = Literal["only-missing", "always", "never"]
STAGES: tuple[Stage, ...] = get_args(Stage)

MOST_SHARDS = 64

log = logging.getLogger("earmark.experiment")


def run(
    source: Path | str,
    *,
    run_id: str | None = None,
    stage: Stage | None = None,
    jobs: int = 1,
    overrides: Sequence[str] = (),
    skip_clean: bool = False,
    skip_deformed: bool = False,
    overwrite: Overwrite = "only-missing",
    on_error: Literal["skip", "stop"] = "skip",
    commercial: bool = False,
    unverified: bool = False,
    device: Device = "auto",
    engine: EngineChoice | EngineName = "local",
    store: Path | None = None,
    quiet: bool = False,
) -> Run:
    """Run an experiment file, computing only what the store lacks, and return its rows.

    `stage` runs one stage alone. `skip_clean` and `skip_deformed` leave those embeddings for another time (or machine);
    what cannot be fitted or scored without them is said and left out. A probe that cannot be fitted, such as one that
    diverges, is named in `unfitted`, and the rest goes on. `overwrite`: "always" computes everything anew, "never"
    refuses a run that has results. `on_error="stop"` raises at the first clip that cannot be read, or probe that cannot
    be fitted. `commercial` and `unverified` do what the keys of those names in the file do: `permitted`. `jobs`
    processes of one thread each; their number changes no result. `device` is where representations compute and networks
    are fitted (one process fits them then), "auto" a GPU where there is one. `engine` schedules the jobs, on this
    machine or a cluster. `store` is the folder of another store than the one in EARMARK_HOME.
    """
    if stage is not None and stage not in STAGES:
        raise UnknownName("stage", stage, STAGES)
    choice = choice_of(engine)
    kept = _Kept(skip_clean, skip_deformed, devices.choose(device, elsewhere=choice.is_elsewhere))
    prepared = study(source, (*overrides, *permitted.said(commercial, unverified)), store, jobs, quiet)
    permitted.require_checked(prepared.asked, {name: one.card for name, one in prepared.keys.facts.items()})
    if prepared.missing:
        raise readiness.refusal(prepared.missing)
    folder = run_folder(prepared.asked, run_id)
    if overwrite == "never" and (folder / results.ROWS).exists():
        raise Refused(f"The run '{folder.name}' has results already and --overwrite never was given.")
    with logged(folder), start(choice, prepared.store.root, jobs, with_gpu=kept.device != devices.CPU) as started:
        return _run(prepared, folder, stage, started, kept, overwrite, on_error, quiet)


def _run(
    prepared: Study,
    folder: Path,
    stage: Stage | None,
    engine: Engine,
    kept: "_Kept",
    overwrite: Overwrite,
    on_error: str,
    quiet: bool,
) -> Run:
    log.info("run %s of %s", folder.name, prepared.experiment.source)
    force: tuple[Stage, ...] = STAGES if overwrite == "always" else ()
    chosen = STAGES if stage is None else (stage,)
    notes, done = list(prepared.notes), 0
    plan = prepared.plan()
    for name in chosen:
        todo = prepared.plan(force) if name in force else plan
        count = _STAGES[name](prepared, todo, kept, engine, on_error, quiet, notes)
        log.info("%s: %d jobs done", name, count)
        done += count
        plan = prepared.plan() if count else plan
    costs.add(folder, kept.spent)
    return replace(_finish(prepared, plan, folder, done, tuple(notes)), unfitted=tuple(kept.unfitted))


@dataclass(frozen=True)
class _Kept:
    """Which chains a run computes, on which device, what that cost, and which probes could not be fitted."""

    skip_clean: bool
    skip_deformed: bool
    device: str
    spent: list[Cost] = field(default_factory=list)
    unfitted: list[str] = field(default_factory=list)

    def __call__(self, chain: str) -> bool:
        return not (self.skip_clean if chain == CLEAN.name else self.skip_deformed)

    def shard(self, shard: Shard) -> Shard:
        """Return the shard with only the wants that are kept."""
        works = (replace(one, wants=tuple(w for w in one.wants if self(w.chain.name))) for one in shard.works)
        return replace(shard, works=tuple(one for one in works if one.wants))

    def scoring(self, scoring: Scoring) -> Scoring:
        """Return the scoring with only the conditions that are kept."""
        return replace(scoring, conditions={c: key for c, key in scoring.conditions.items() if self(c)})


def _embed(
    prepared: Study, plan: Plan, kept: _Kept, engine: Engine, on_error: str, quiet: bool, notes: list[str]
) -> int:
    shards = [shard for shard in map(kept.shard, plan.shards) if shard.works]
    total = sum(len(one.wants) for shard in shards for one in shard.works)
    with bar("embed", total, quiet) as shown:
        for done in engine.map(shards, partial(work.embed_shard, device=kept.device, alone=prepared.alone)):
            shown.advance(done.items, done.audio_s)
            kept.spent.extend(done.costs)
            for failure in done.failures:
                log.info("could not be used: %s: %s", failure.path, failure.reason)
                if on_error == "stop":
                    raise AudioError(failure.path, f"{failure.reason} (stopped because of --on-error stop)")
    return len(shards)


def _probe(
    prepared: Study, plan: Plan, kept: _Kept, engine: Engine, on_error: str, quiet: bool, notes: list[str]
) -> int:
    fitted_on = (part for fit in (*plan.fits, *plan.codings) for part in doable.fitted_on(fit))
    here = prepared.store.has(key for part in fitted_on for key in part.embeddings)
    ready, codings = (
        [fit for fit in fits if all(doable.is_here(part, here) for part in doable.fitted_on(fit))]
        for fits in (plan.fits, plan.codings)
    )
    _left(notes, "probe", len(plan.fits) - len(ready), "clean embeddings")
    with bar("probe", sum(len(fit.keys) for fit in (*ready, *codings)), quiet) as shown:

        def do(jobs: Sequence[Fit], what: Callable[..., Done]) -> None:
            on_gpu = [kept.device != devices.CPU and goes_to_device(job.recipe) for job in jobs]
            there = engine.in_turn(list(compress(jobs, on_gpu)), partial(what, device=kept.device))
            for done in chain(there, engine.map([job for job, gpu in zip(jobs, on_gpu, strict=True) if not gpu], what)):
                shown.advance(done.items)
                if done.refused:
                    log.info("could not be fitted: %s", done.refused)
                    kept.unfitted.append(done.refused)
                if done.refused and on_error == "stop":
                    raise DataError(f"{done.refused} (stopped because of --on-error stop)")

        do([fit for fit in ready if not fit.follows], work.fit_probe)
        store = prepared.store
        later = [fit for fit in ready if fit.follows and all(store.file("probes", key, PROBE) for key in fit.follows)]
        do(later, work.fit_probe)
        do(codings, work.code_targets)
    _left(notes, "probe", sum(1 for fit in ready if fit.follows) - len(later), "choices of the first fold")
    return len(ready) + len(codings)


def _score(
    prepared: Study, plan: Plan, kept: _Kept, engine: Engine, on_error: str, quiet: bool, notes: list[str]
) -> int:
    asked = [scoring for scoring in map(kept.scoring, plan.scorings) if scoring.conditions]
    ready = [one for one in (doable.scorable(prepared.store, scoring) for scoring in asked) if one.conditions]
    left = sum(len(scoring.conditions) for scoring in asked) - sum(len(one.conditions) for one in ready)
    _left(notes, "score", left, "probes or embeddings")
    with bar("score", sum(len(one.conditions) for one in ready), quiet) as shown:
        for done in engine.map(ready, work.score_probe):
            shown.advance(done.items)
    averages = [mean for one in plan.averages if (mean := doable.averageable(prepared.store, one)).conditions]
    with bar("average", sum(len(mean.conditions) for mean in averages), quiet) as shown:
        for done in engine.map(averages, work.score_folds):
            shown.advance(done.items)
    return len(ready) + len(averages)


_STAGES = {"embed": _embed, "probe": _probe, "score": _score}


def _left(notes: list[str], what: str, count: int, lacking: str) -> None:
    if count:
        why = "another stage or a flag left them out, or every clip failed"
        notes.append(f"left out, since their {lacking} are not there ({why}): {counted(count, what)}.")


def run_folder(experiment: Experiment, run_id: str | None) -> Path:
    """Return the run's folder: the one named, else the newest of the same content, else a new readable name."""
    if run_id is not None:
        return places.runs_folder() / run_id
    stem = experiment.source.stem if experiment.source else experiment.name
    runs, short = places.runs_folder(), experiment.spec_hash[:6]
    same = sorted(runs.glob(f"{stem}-*-{short}"))
    return same[-1] if same else runs / f"{stem}-{datetime.date.today():%Y-%m-%d}-{short}"


def _finish(prepared: Study, plan: Plan, folder: Path, done: int, notes: tuple[str, ...]) -> Run:
    _tidy(prepared.store)
    drifts.forget(folder)
    found = tuple(rows.of_plan(plan, prepared.store, folder.name, prepared.keys.facts))
    failures = failed_clips(prepared, plan)
    durable.write_file(folder / "experiment.yml", spec.to_yaml(prepared.asked).encode())
    durable.write_file(folder / "plan.json", json.dumps(summary(plan), indent=1).encode())
    durable.write_file(folder / ingredients.FILE, ingredients.to_json(ingredients.of_study(prepared)))
    clips.write(folder, prepared)
    audits = audit.of_run(plan, prepared.keys, prepared.store)
    log.info("%s", leaks.summary(audits))
    answered.write(folder, plan, prepared.store, prepared.keys.facts, found, failures, audits)
    drifts.write(folder, prepared)
    return Run(folder, found, failures, done, (*notes, *leaks.notes(audits)), audits)


def _tidy(store: Store) -> None:
    """Merge the store's shards when many short runs have left many; another time if somebody is writing."""
    if store.n_shards > MOST_SHARDS:
        try:
            store.compact()
        except Refused as error:
            log.info("not compacted: %s", error)


def failed_clips(prepared: Study, plan: Plan) -> tuple[Failure, ...]:
    """Return the clips that could not be embedded, each with its reasons: also two files of the same content."""
    placed = {
        (one.dataset, one.clip.id): one
        for found in prepared.subjects.values()
        for subject in found
        for one in (*subject.train, *subject.valid, *subject.test)
    }
    failures = {
        Failure(dataset, clip, placed[dataset, clip].clip.path.as_posix(), prepared.reason(want.key))
        for (dataset, clip, *_), want in prepared.keys.known.items()
        if want.key in plan.failed
    }
    return tuple(sorted(failures, key=lambda one: (one.dataset, one.clip, one.reason)))


def summary(plan: Plan) -> dict[str, object]:
    """Return the plan's counts as plain values."""
    answers = sorted(key for scoring in plan.asked.answers for key in scoring.conditions.values())
    counts = {"embeddings": plan.embeddings, "probes": plan.probes, "scores": plan.scores}
    named = {name: {"total": count.total, "missing": count.missing} for name, count in counts.items()}
    return {"jobs": plan.jobs, **named, "failed": len(plan.failed), "key": identity.key_of(answers=answers)}
