"""Files of the thesis and of mir_ref are read as they are."""

from pathlib import Path

from earmark.experiment import spec
from earmark.probes.recipe import Recipe
from tests.experiment.specimens import EXPERIMENTS, LEAST, WHOLE, mistake, only_block, parse, with_probe

APPENDIX = EXPERIMENTS / "thesis_appendix.yml"


def test_the_appendix_of_the_thesis_means_what_the_thesis_says() -> None:
    experiment = spec.load(APPENDIX)
    tasks = {block.task.task.name: block.task.task.kind for block in experiment.blocks}
    assert tasks == {
        "autotagging": "multilabel",
        "key_estimation": "key",
        "instrument_classification": "multiclass",
        "pitch_class_classification": "multiclass",
        "singer_identification": "multiclass",
        "technique_identification": "multiclass",
    }
    for block in experiment.blocks:
        assert [chain.name for chain in block.deformations] == ["snr15", "snr0", "mp3-32k", "gain-12"]
        assert [one.layer_name for one in block.representations][-4:] == ["0-3", "4-8", "9-12", "6"]
        assert len(block.representations) == 10
        assert [probe.recipe for probe in block.probes] == [
            Recipe(),
            Recipe(("infer",)),
            Recipe(("infer", "infer")),
            Recipe((128,), batch_size=277),
            Recipe((256, 128)),
        ]
    key = experiment.blocks[1]
    assert key.datasets == (spec.DatasetChoice("beatport_key", "beatport_key", Path("data/beatport_key"), "single"),)


def test_what_was_translated_is_said_in_two_lines() -> None:
    notes = spec.load(APPENDIX).notes
    assert [note.partition(":")[0] for note in notes] == ["Old names, read as today's", "Left out, it is so anyway"]
    for pair in ("embedding_models → representations", "mean → embedding_mean", "Gain: min_gain_in_db → min_gain_db"):
        assert pair in notes[0]
    assert "save_criterion: val_categorical_accuracy / val_auc" in notes[1]


def test_todays_names_are_not_remarked_upon() -> None:
    assert parse(WHOLE).notes == ()


def test_a_file_of_mir_ref_is_read_with_the_deformations_of_its_datasets() -> None:
    block = only_block("""\
experiments:
  - task: {name: mine, type: multiclass_classification, label: x, feature_aggregation: mean}
    datasets:
      - name: tinysol
        type: mirdata
        dir: data/tinysol
        split_type: all
        deformations: [[{type: Gain, params: {min_gain_in_db: 6, max_gain_in_db: 6, p: 1.0}}]]
    features: [mfcc]
    probes: [{type: classifier, hidden_units: [], optimizer: adam}]
""")
    assert (block.task.task.kind, [chain.name for chain in block.deformations]) == ("multiclass", ["gain6"])
    assert block.datasets == (spec.DatasetChoice("tinysol", "tinysol", Path("data/tinysol"), "all"),)


def test_an_old_value_that_earmark_does_not_do_is_refused() -> None:
    assert mistake(with_probe("{type: classifier, optimizer: sgd}")) == (
        "x.yml:5:44: Expected optimizer to be adam, got sgd: earmark does nothing else. Leave 'optimizer' out."
    )


def test_an_old_name_beside_the_new_one_is_refused() -> None:
    assert mistake(LEAST + "    features: [mfcc]\n") == (
        "x.yml:6:5: 'features' is the old name of 'representations', and both stand here. Keep 'representations'."
    )
