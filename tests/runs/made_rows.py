"""Rows of results for runs whose predictions are made up: what `compare` finds of them, as a run writes it."""

from dataclasses import replace

from earmark.experiment import results
from earmark.experiment.results import Run
from earmark.nouns import Result
from earmark.runs.compare import compare

ROW = Result(
    run="made",
    task="made",
    dataset="made",
    dataset_version="",
    split="random",
    fold=0,
    train_share=1.0,
    representation="good",
    layer="",
    pool="",
    deformation="clean",
    severity=None,
    probe="M1",
    preset=None,
    seed=None,
    n_seeds=2,
    metric="accuracy",
    average="micro",
    label=None,
    value=0.9,
    ci_low=0.86,
    ci_high=0.94,
    ci_level=0.95,
    ci_method="made",
    n=200,
    n_groups=None,
    n_failed=0,
    n_labels=3,
    unverified=False,
    embedding_key="",
    probe_key="",
    code_version="",
    device="cpu",
    seconds=0.0,
)


def with_rows(run: Run) -> Run:
    """Write the rows of a run's systems into its folder, and return the run with them."""
    rows = []
    for task in compare(run, permutations=1).tasks:
        for one in task.standings:
            representation, _, probe = one.system.partition(", ")
            rows.append(
                replace(
                    ROW,
                    task=task.task,
                    fold=0 if task.n_folds == 1 else None,
                    representation=representation,
                    probe=probe,
                    metric=task.metric,
                    average=task.average,
                    value=one.value,
                    ci_low=one.ci_low,
                    ci_high=one.ci_high,
                    n=task.n,
                )
            )
    return of_rows(run, rows)


def of_rows(run: Run, rows: list[Result]) -> Run:
    """Write these rows into a run's folder, and return the run with them."""
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / results.ROWS).write_bytes(results.lines(vars(row) for row in rows))
    return replace(run, rows=tuple(rows))
