"""A comparison of a run's systems in a few sentences, the most important first.

"Beats" is said only where the paired test told two systems apart after Holm's correction; what it did not tell apart
is not said to be equal.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from earmark.analysis.grid import ROUNDING
from earmark.analysis.lines import CLEAN, listed
from earmark.analysis.selection import CONSTANT
from earmark.counted import counted
from earmark.metrics import find
from earmark.nouns import Result
from earmark.runs.comparison import FEW_TASKS, Comparison, Pair, Ranked, Standing, TaskComparison, Verdict

SILENT = f"{CONSTANT}, {CONSTANT}"
MOST_RIVALS, MOST_LISTED = 2, 4
OPPOSITE: Mapping[Verdict, Verdict] = {"better": "worse", "worse": "better", "not told apart": "not told apart"}
FEW_UNITS = 30
"""With fewer clips (groups) than this, what is not told apart may well differ."""


def summary(comparison: Comparison, rows: Iterable[Result] = ()) -> tuple[str, ...]:
    """Return the comparison in some six sentences: who is best, whom it beats, what is no better than a constant.

    `rows`: those of the run, which have the constant predictor's scores. Of tasks fitted on several shares of the
    training clips, those on the largest count. The tests are those of `runs.compare`.
    """
    whole = max(task.train_share for task in comparison.tasks)
    tasks = _titled([task for task in comparison.tasks if task.train_share == whole])
    names = _names(list(dict.fromkeys(one.system for task in tasks.values() for one in task.standings)))
    first = list(_several(comparison, tasks, names) if len(tasks) > 1 else _one(*next(iter(tasks.items())), names))
    if comparison.deformation != CLEAN:
        first[0] = f"Under {comparison.deformation}, {first[0][0].lower()}{first[0][1:]}"
    return (*first, *_no_better(tasks, names, list(rows)), *_basis(comparison, tasks.values()))


def _titled(tasks: Sequence[TaskComparison]) -> dict[str, TaskComparison]:
    """Return tasks by what tells them apart: the task, if need be with its dataset, split and average."""
    ways = (
        [task.task for task in tasks],
        [f"{task.task} of {task.dataset}" for task in tasks],
        [f"{task.task} of {task.dataset}, split {task.split}" for task in tasks],
    )
    titles = next((some for some in ways if len(set(some)) == len(tasks)), [task.title for task in tasks])
    return dict(zip(titles, tasks, strict=True))


def _one(title: str, task: TaskComparison, names: Mapping[str, str]) -> Iterator[str]:
    found = _best(task)
    if not found:
        yield f"On {title} no score is defined."
        return
    best, *equal = found
    shared = _like([names[one.system] for one in equal])
    yield f"On {title} {names[best.system]} scores best{shared}: {task.metric} {_score(best)}."
    others = {other: pair for pair in _tested(task) if (other := _other(pair, best.system))}
    beaten = [names[other] for other, pair in others.items() if _wins(pair, best.system)]
    untold = [names[other] for other, pair in others.items() if pair.verdict == "not told apart"]
    if beaten or untold:
        beats = [f"beats {_all(beaten)}"] if beaten else []
        yield f"It {_all([*beats, *([f'is not told apart from {_all(untold)}'] if untold else [])])}."


def _several(comparison: Comparison, tasks: Mapping[str, TaskComparison], names: Mapping[str, str]) -> Iterator[str]:
    """Yield who leads, whom it beats how often, and who is best on each task."""
    best = {title: some for title, task in tasks.items() if (some := _best(task))}
    wins = [one.system for some in best.values() for one in some]
    if comparison.ranking:
        systems = [name for name, _ in comparison.ranking.systems]
        yield _ranked(comparison.ranking, names)
    elif wins:
        systems = sorted(names, key=lambda name: -wins.count(name))
        most = wins.count(systems[0])
        shared = _like([names[name] for name in systems[1:] if wins.count(name) == most])
        yield f"Of {len(tasks)} tasks {names[systems[0]]} scores best on {most}{shared}."
    else:
        yield f"On none of {len(tasks)} tasks is a score defined."
        return
    leader = systems[0]
    # Another representation is a better rival than another probe on the same one.
    rivals = sorted(systems[1:], key=lambda name: name.rpartition(", ")[0] == leader.rpartition(", ")[0])
    meetings = {rival: pairs for rival in rivals if (pairs := _meetings(tasks.values(), leader, rival))}
    for rival, pairs in list(meetings.items())[:MOST_RIVALS]:
        yield f"{names[leader]} {_tally(pairs, leader, names[rival])}."
    where: dict[str, list[str]] = {}
    for title, some in best.items():
        for one in some:
            where.setdefault(names[one.system], []).append(f"{title} ({_number(one.value)})")
    yield f"Best scores: {'; '.join(f'{name} on {_all(places)}' for name, places in where.items())}."


def _ranked(found: Ranked, names: Mapping[str, str]) -> str:
    leader, place = found.systems[0]
    near = {name for clique in found.cliques if leader in clique for name in clique} - {leader}
    apart = [names[name] for name, _ in found.systems[1:] if name not in near]
    told = f"from {_all(apart)}{' only' * bool(near)}" if apart else "from no other"
    few = f", but {found.n_tasks} tasks are few" if found.n_tasks < FEW_TASKS else ""
    ranks = f"mean rank {place:.1f} of {len(found.systems)}"
    shared = _like([names[name] for name, mean in found.systems[1:] if mean == place])
    return f"Over {found.n_tasks} tasks {names[leader]} ranks best ({ranks}){shared}; its rank tells it {told}{few}."


def _tally(pairs: Sequence[Pair], leader: str, rival: str) -> str:
    """Return how often a system beats another: "beats B on 4 of 6 tasks and is not told apart on 2"."""
    verdicts = [pair.verdict if pair.a == leader else OPPOSITE[pair.verdict] for pair in pairs]
    wins, losses, untold = (verdicts.count(one) for one in ("better", "worse", "not told apart"))
    total = "the one task of both" if len(pairs) == 1 else f"{len(pairs)} tasks"
    untold_of = total if len(pairs) == 1 else f"any of {total}"
    parts = [f"is not told apart from {rival} on {untold_of}"]
    if wins or losses:
        verb, count = ("beats", wins) if wins else ("loses to", losses)
        of = total if count == len(pairs) == 1 else f"all {total}" if count == len(pairs) else f"{count} of {total}"
        parts = [f"{verb} {rival} on {of}"]
        parts += [f"loses on {losses}"] if wins and losses else []
        parts += [f"is not told apart on {untold}"] if untold else []
    return _all(parts)


def _no_better(tasks: Mapping[str, TaskComparison], names: Mapping[str, str], rows: Sequence[Result]) -> Iterator[str]:
    """Yield which scores are not above the constant predictor's, by their intervals, and which there are none of."""
    weak, undefined = list[str](), list[str]()
    for title, task in tasks.items():
        constant = next((row.value for row in rows if _is_constant_of(row, task)), None)
        sign = 1 if find(task.metric).higher_is_better else -1
        systems = [one for one in task.standings if one.system != SILENT]
        undefined += [f"{names[one.system]} on {title}" for one in systems if one.value is None]
        below = [names[one.system] for one in systems if _is_below(one, constant, sign)]
        if below:
            said = _all(below) if len(below) < MOST_LISTED else f"{len(below)} of {len(systems)} systems"
            weak.append(f"{said} on {title}")
    if weak:
        yield f"Not told from the constant predictor, or below it: {listed(weak)}."
    if undefined:
        yield f"Undefined: {listed(undefined)}."


def _is_below(one: Standing, constant: float | None, sign: int) -> bool:
    """Return whether a score's interval, at its worse end, reaches the constant predictor's score."""
    edge = one.ci_low if sign > 0 else one.ci_high
    edge = one.value if edge is None else edge
    return constant is not None and edge is not None and sign * edge <= sign * constant


def _is_constant_of(row: Result, task: TaskComparison) -> bool:
    of_row = row.task, row.dataset, row.split, row.train_share, row.metric, row.average
    of_task = task.task, task.dataset, task.split, task.train_share, task.metric, task.average
    is_whole = row.fold is None or task.n_folds == 1
    return row.probe == CONSTANT and row.label is None and row.seed is None and is_whole and of_row == of_task


def _basis(comparison: Comparison, tasks: Collection[TaskComparison]) -> Iterator[str]:
    """Yield what was tested on how much, and whether that is little."""
    groups = [task.n_groups for task in tasks if task.n_groups and task.n_groups > 1]  # of one, clips are resampled
    seeds = [one.n_seeds for task in tasks for one in task.standings if one.system != SILENT]
    clips = f"{_range([task.n for task in tasks], 'test clip')}"
    clips += f" in {_range(groups, 'group')}" if len(groups) == len(tasks) else ""
    yield (
        f"{clips}, mean over {_range(seeds, 'seed')}; paired permutation tests, corrected for "
        f"{counted(comparison.n_pairs, 'pair')}."
    )
    fewest = min([*groups, *(task.n for task in tasks if (task.n_groups or 1) == 1)])
    if fewest < FEW_UNITS:
        units = "groups" if groups and min(groups) == fewest else "clips"
        yield f"{fewest} {units} are few: what is not told apart may well differ."
    yield from comparison.notes


def _names(systems: Sequence[str]) -> dict[str, str]:
    """Return systems as a sentence has them: "chroma with M3"; what all have in common is left out."""
    split = {system: system.rpartition(", ") for system in systems if system != SILENT}
    views = {system: parts[0].rpartition(" (") for system, parts in split.items()}
    has_one_view = len(split) > 1 and len({view for _, _, view in views.values()}) == 1
    has_one_probe = len(split) > 1 and len({probe for _, _, probe in split.values()}) == 1
    named = {SILENT: "the constant predictor"} if SILENT in systems else {}
    for system, (representation, _, probe) in split.items():
        bare = (views[system][0] if has_one_view else "") or representation
        named[system] = bare if has_one_probe else f"{bare} with {probe}"
    return named if len(set(named.values())) == len(named) else {system: system for system in systems}


def _best(task: TaskComparison) -> tuple[Standing, ...]:
    """Return the best standing, and those of the very same score."""
    known = [(one, one.value) for one in task.standings if one.value is not None]
    return tuple(one for one, value in known if abs(value - known[0][1]) <= ROUNDING)


def _like(names: Sequence[str]) -> str:
    return f", like {_all(names)}" if names else ""


def _meetings(tasks: Iterable[TaskComparison], one: str, other: str) -> list[Pair]:
    return [pair for task in tasks for pair in _tested(task) if {pair.a, pair.b} == {one, other}]


def _tested(task: TaskComparison) -> list[Pair]:
    """Return the pairs of which both have a score, so that there was a test."""
    return [pair for pair in task.pairs if pair.p is not None]


def _other(pair: Pair, system: str) -> str:
    """Return whom a system meets in a pair, "" if it is not in it."""
    return pair.b if pair.a == system else pair.a if pair.b == system else ""


def _wins(pair: Pair, system: str) -> bool:
    return pair.verdict == ("better" if pair.a == system else "worse")


def _score(one: Standing) -> str:
    interval = "" if one.ci_low is None else f" [{_number(one.ci_low)}, {_number(one.ci_high)}]"
    return f"{_number(one.value)}{interval}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"


def _range(values: Sequence[int], noun: str) -> str:
    least, most = min(values), max(values)
    return counted(most, noun) if least == most else f"{least:,} to {counted(most, noun)}"


def _all(names: Sequence[str]) -> str:
    """Return names as a sentence lists them; of many the first, and how many more."""
    if len(names) > MOST_LISTED:
        names = [*names[:MOST_LISTED], f"{len(names) - MOST_LISTED} more"]
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
