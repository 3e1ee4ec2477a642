"""Result files of other toolkits, written here as those toolkits write them, become rows that claim nothing more."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import classification_report

from earmark import importers
from earmark.errors import DataError, UnknownName, UserError
from earmark.experiment import results
from earmark.nouns import Result

# PandoraMedia/music-audio-representations, supporting_data/results: two lines of each file.
MULE = {
    "GS_Key/weighted.csv": (
        ",model-name,weighted\n0,Musicset Supervised,0.2859271523178807\n2,Musicset ULarge,0.666721854304636\n"
    ),
    "Emo/r2_a.csv": ",model-name,r2_a\n2,Musicset ULarge,0.7002505893263004\n",
    "GTZAN/precision.csv": (
        ",model-name,precision_class_<blues>_micro,precision_class_<jazz>_micro,precision_micro_class_micro_update\n"
        "2,Musicset ULarge,0.6153846153846154,0.5652173913043478,0.7344827586206897\n"
    ),
    "Jam-MT/map.csv": (
        ",model-name,map_mood/theme---action,map_mood/theme---deep\n"
        "2,Musicset ULarge,0.039868963891163414,0.8399503115356918\n"
    ),
    "MTT/roc-auc.csv": ",model-name,roc-auc_female voice,roc-auc_no_vocal\n2,Musicset ULarge,0.92,0.67\n",
}


def _put(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def _scores(rows: tuple[Result, ...]) -> dict[tuple[str, str | None, str | None], float | None]:
    return {(row.metric, row.average, row.label): row.value for row in rows}


def test_a_report_of_mir_ref_gives_the_f1_that_scikit_learn_computed(tmp_path: Path) -> None:
    targets, predictions = np.eye(3)[[0, 0, 1, 2, 2, 2]], np.eye(3)[[0, 1, 1, 2, 2, 0]]
    report = classification_report(targets, predictions, output_dict=True)
    report["weighted_accuracy"] = {"micro": 0.5, "macro": 0.25}
    folder = tmp_path / "key_estimation" / "beatport_key_effnet-discogs_model-0"
    _put(folder / "clean_metrics.json", report)
    _put(folder / "deform_2_metrics.json", {"roc_auc": 0.9, "average_precision": 0.4})
    found = importers.read("mir-ref", tmp_path).rows
    clean = tuple(row for row in found if row.deformation == "clean")
    scores = _scores(clean)
    assert scores["key_score", "micro", None] == 0.5
    assert scores["f1", "micro", None] == pytest.approx(4 / 6)
    assert scores["f1", "macro", None] == report["macro avg"]["f1-score"]
    assert scores["f1", None, "1"] == report["1"]["f1-score"]
    assert {(row.task, row.dataset, row.representation, row.probe) for row in found} == {
        ("key_estimation", "beatport_key", "effnet-discogs", "model-0")
    }
    assert next(row.n for row in clean if row.average == "macro" and row.metric == "f1") == 6
    assert {row.deformation for row in found} == {"clean", "deform_2"}


def test_folds_of_hear_keep_their_mean_and_each_of_them(tmp_path: Path) -> None:
    fold = {"test_score": 0.8, "test_top1_acc": 0.8, "test_d_prime": 2.0, "test_loss": 1.0, "epoch": 3}
    said = {
        "fold00": fold,
        "fold01": {**fold, "test_score": 0.6, "test_top1_acc": 0.6},
        "aggregated_scores": {"test_score_mean": 0.7, "test_score_std": 0.14, "test_top1_acc_mean": 0.7},
        "hparams": {"lr": 0.001},
        "score_mode": "max",
    }
    _put(tmp_path / "my.module" / "tfds_gtzan-1.0.0-full" / "test.predicted-scores.json", said)
    rows = importers.read("hear", tmp_path).rows
    assert [(row.fold, row.metric, row.value) for row in rows] == [
        (None, "accuracy", 0.7),
        (0, "accuracy", 0.8),
        (0, "d_prime", 2.0),
        (1, "accuracy", 0.6),
        (1, "d_prime", 2.0),
    ]
    assert {row.representation for row in rows} == {"my.module"}
    assert {row.preset for row in rows} == {None}


def test_the_only_split_of_hear_is_one_fold_and_its_primary_metric_comes_first(tmp_path: Path) -> None:
    said = {"test": {"test_score": 0.9, "test_chroma_acc": 0.95, "test_pitch_acc": 0.9}}
    file = _put(tmp_path / "my_module" / "nsynth_pitch-v2.2.3-50h" / "test.predicted-scores.json", said)
    rows = importers.read("hear", file).rows
    assert [(row.metric, row.value) for row in rows] == [("accuracy", 0.9), ("pitch_class_accuracy", 0.95)]


def test_a_csv_export_of_marble_names_runs_and_keeps_what_was_chosen_on_test_under_its_own_name(tmp_path: Path) -> None:
    head = "Name,State,test_acc,test_ensemble_best,val_acc,test_loss"
    text = f'{head}\n"MERT, layer 7",finished,0.71,0.8,0.9,1.2\nother,crashed,,,,\n'
    rows = importers.read("marble", _put(tmp_path / "export.csv", text), task="GTZAN").rows
    assert [(row.representation, row.metric, row.average, row.value) for row in rows] == [
        ("MERT, layer 7", "accuracy", "micro", 0.71),
        ("MERT, layer 7", "ensemble_best", None, 0.8),
    ]
    assert {row.task for row in rows} == {"GTZAN"}


def test_a_json_export_of_marble_is_read_with_its_summary_and_dimensions(tmp_path: Path) -> None:
    said = [{"name": "mert", "task": "EMO", "summary": {"test/r2": 0.6, "test/arousal_r2": 0.7, "epoch": 3}}]
    assert _scores(importers.read("marble", _put(tmp_path / "export.json", said)).rows) == {
        ("r2", "macro", None): 0.6,
        ("r2", None, "arousal"): 0.7,
    }


def test_both_scores_of_xares_say_how_many_clips_there_were(tmp_path: Path) -> None:
    folder = tmp_path / "gtzan_task" / "checkpoints" / "MyEncoder"
    _put(folder / "mlp_score.txt", "0.875\n1000")
    _put(folder / "knn_score.txt", "0.5\n0.75")
    rows = importers.read("xares", tmp_path).rows
    assert [(row.task, row.representation, row.probe, row.value, row.n) for row in rows] == [
        ("gtzan_task", "MyEncoder", "knn", 0.5, 0),
        ("gtzan_task", "MyEncoder", "mlp", 0.875, 1000),
    ]


def test_runs_of_evar_that_share_a_class_are_not_taken_for_one_system(tmp_path: Path) -> None:
    report = "\"Linear evaluation: x gtzan -> 0.6\n{'weight_file': 'a, b'}\""
    runs = f"CLAP,gtzan,0.6,aaaa,{report}\nCLAP,gtzan,0.7,bbbb,x\nBYOLA,gtzan,0.5,cccc,x\n"
    text = f"representation,task,score,run_id,report\n{runs}"
    rows = importers.read("evar", _put(tmp_path / "scores.csv", text)).rows
    assert [(row.representation, row.value) for row in rows] == [("CLAP aaaa", 0.6), ("CLAP bbbb", 0.7), ("BYOLA", 0.5)]


def test_mteb_gives_each_experiment_as_a_seed_and_the_main_score_first(tmp_path: Path) -> None:
    entry = {
        "f1": 0.6,
        "accuracy": 0.7,
        "main_score": 0.7,
        "hf_subset": "default",
        "languages": ["eng-Latn"],
        "scores_per_experiment": [{"accuracy": 0.6, "f1": 0.5}, {"accuracy": 0.8, "f1": 0.7}],
    }
    said = {"task_name": "GTZANGenre", "dataset_revision": "abc", "scores": {"test": [entry]}, "evaluation_time": 2.5}
    _put(tmp_path / "laion__clap" / "main" / "GTZANGenre.json", said)
    _put(tmp_path / "laion__clap" / "main" / "model_meta.json", {"name": "laion/clap"})
    rows = importers.read("mteb", tmp_path).rows
    means = [row for row in rows if row.seed is None]
    assert [(row.metric, row.average, row.value) for row in means] == [
        ("accuracy", "micro", 0.7),
        ("f1", "macro", 0.6),
    ]
    assert {row.n_seeds for row in means} == {2}
    assert [row.value for row in rows if row.seed == 1] == [0.8, 0.7]
    assert (means[0].representation, means[0].dataset_version, means[0].split) == ("laion/clap", "abc", "test")


def test_the_published_files_of_mule_give_the_numbers_of_its_paper(tmp_path: Path) -> None:
    for name, text in MULE.items():
        _put(tmp_path / name, text)
    rows = importers.read("mule", tmp_path).rows
    scores = {(row.task, row.metric, row.average, row.label, row.representation): row.value for row in rows}
    ularge = "Musicset ULarge"
    # Table 3 of the paper has 0.667, 0.700 and 0.735.
    assert scores["GS_Key", "key_score", "micro", None, ularge] == pytest.approx(0.667, abs=5e-4)
    assert scores["Emo", "r2_arousal", None, None, ularge] == pytest.approx(0.700, abs=5e-4)
    assert scores["GTZAN", "accuracy", "micro", None, ularge] == pytest.approx(0.735, abs=6e-4)
    assert scores["GTZAN", "precision", None, "jazz", ularge] == 0.5652173913043478
    assert scores["Jam-MT", "average_precision", None, "mood/theme---deep", ularge] == 0.8399503115356918
    assert scores["Jam-MT", "average_precision", "macro", None, ularge] == pytest.approx((0.03986896 + 0.83995031) / 2)
    assert scores["MTT", "roc_auc", None, "no_vocal", ularge] == 0.67


@pytest.fixture
def keyed(tmp_path: Path) -> Path:
    """A file of MULE's with two models."""
    return _put(tmp_path / "GS_Key" / "weighted.csv", MULE["GS_Key/weighted.csv"])


def test_what_a_file_does_not_say_stays_unknown(keyed: Path) -> None:
    row = importers.read("mule", keyed).rows[0]
    assert row.unverified
    assert (row.dataset_version, row.split, row.device) == ("unknown", "unknown", "unknown")
    unsaid = (row.ci_low, row.ci_high, row.fold, row.seed, row.preset, row.severity, row.n_groups)
    assert unsaid == (None,) * 7
    assert (row.n, row.embedding_key, row.probe_key) == (0, "", "")


def test_an_imported_run_is_read_and_tabled_as_any_other_and_marked(keyed: Path, tmp_path: Path) -> None:
    folder = importers.into(importers.read("mule", keyed), tmp_path / "theirs")
    found = results.read(folder)
    assert {row.run for row in found.rows} == {"theirs"}
    assert found.frame.height == 2
    text = results.table(folder)
    assert "UNVERIFIED" in text
    assert "imported from MULE" in text
    assert "0.667" in text
    origin = json.loads((folder / "imported.json").read_text("utf-8"))
    assert origin["format"] == "mule"
    assert [one["file"] for one in origin["files"]] == ["weighted.csv"]
    assert str(tmp_path) not in (folder / "imported.json").read_text("utf-8")


def test_a_plain_name_is_a_run_among_the_runs(keyed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    assert importers.into(importers.read("mule", keyed), "theirs") == tmp_path / "runs" / "theirs"
    assert results.find("theirs") == tmp_path / "runs" / "theirs"


def test_an_import_writes_over_no_results(keyed: Path, tmp_path: Path) -> None:
    found = importers.read("mule", keyed)
    importers.into(found, tmp_path / "theirs")
    with pytest.raises(UserError, match=r"writes over none\. Give another name with -o"):
        importers.into(found, tmp_path / "theirs")


class _Bomb:
    """Opening its pickle writes a file."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.target, "w")


@pytest.mark.parametrize("name", ["test.predictions.pkl", "test.predicted-scores.json"])
def test_a_pickle_is_refused_unopened_whatever_its_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / "module" / "task" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(pickle.dumps(_Bomb(str(tmp_path / "ran"))))
    with pytest.raises(DataError, match="is a pickle: opening one runs whatever program was put into it"):
        importers.read("hear", file)
    assert not (tmp_path / "ran").exists()


def test_pickles_beside_the_scores_are_left_and_counted(tmp_path: Path) -> None:
    file = _put(tmp_path / "module" / "task" / "test.predicted-scores.json", {"test": {"test_score": 0.5}})
    (file.parent / "test.predictions.pkl").write_bytes(b"\x80\x04.")
    assert importers.read("hear", tmp_path).notes == ("1 pickles were not opened: test.predictions.pkl",)


@pytest.mark.parametrize(
    ("format_name", "name", "content", "message"),
    [
        ("hear", "m/t/test.predicted-scores.json", "{", "found no JSON"),
        ("hear", "m/t/test.predicted-scores.json", "[]", "found a JSON list"),
        ("hear", "m/t/test.predicted-scores.json", "{}", "expected a block with 'test_score'"),
        ("mir-ref", "task/odd/clean_metrics.json", "{}", "found the folder 'odd'"),
        ("mir-ref", "task/d_f_model-0/clean_metrics.json", "{}", "expected a classification report"),
        ("marble", "export.csv", "Name,val_acc\nx,1\n", "expected runs with scores"),
        ("marble", "export.csv", "Name,test_acc\nx,high\n", "expected 'acc' of run 'x' as a number, found 'high'"),
        ("marble", "export.json", '["x"]', "expected a list of runs, each an object"),
        ("xares", "t/other/E/mlp_score.txt", "1\n2", "found the folder 'other'"),
        ("xares", "t/checkpoints/E/mlp_score.txt", "", "found nothing"),
        ("evar", "scores.csv", "task,score\ngtzan,1\n", "found none named representation, run_id"),
        ("mteb", "m/r/T.json", "{}", "expected an object with 'task_name' and 'scores'"),
        ("mule", "MTT/map.csv", "name,map_x\nx,1\n", "expected a column 'model-name'"),
        ("mule", "MTT/map.csv", ",model-name,loss\n0,x,1\n", "expected columns such as map_TAG"),
    ],
)
def test_another_file_is_refused_with_what_was_expected(
    tmp_path: Path, format_name: str, name: str, content: str, message: str
) -> None:
    file = _put(tmp_path / name, content)
    with pytest.raises(DataError, match=message):
        importers.read(format_name, file, task="a task")


def test_an_unknown_format_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'marble'"):
        importers.read("marbel", tmp_path)


def test_every_format_is_listed() -> None:
    assert importers.formats() == ("evar", "hear", "marble", "mir-ref", "mteb", "mule", "xares")


def test_a_file_that_names_no_task_asks_for_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not say its task\. Add --task NAME"):
        importers.read("marble", _put(tmp_path / "export.csv", "Name,test_acc\nx,0.5\n"))


def test_a_folder_without_such_files_and_a_missing_path_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected files named scores.csv below .*, found none"):
        importers.read("evar", tmp_path)
    with pytest.raises(DataError, match="found nothing there"):
        importers.read("evar", tmp_path / "gone")


def test_not_a_number_is_an_undefined_score(tmp_path: Path) -> None:
    file = _put(tmp_path / "m" / "t" / "test.predicted-scores.json", '{"test": {"test_score": NaN}}')
    assert importers.read("hear", file).rows[0].value is None


def test_a_hostile_name_is_kept_as_text(tmp_path: Path) -> None:
    name = '<script>alert(1)</script> "quoted" \u202egnp.exe 🎵'
    file = _put(
        tmp_path / "GS_Key" / "weighted.csv", f',model-name,weighted\n0,"{name.replace(chr(34), chr(34) * 2)}",0.5\n'
    )
    folder = importers.into(importers.read("mule", file), tmp_path / "theirs")
    assert results.read(folder).rows[0].representation == name
    assert "<script>" not in results.table(folder)
