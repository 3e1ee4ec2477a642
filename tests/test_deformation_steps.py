"""Laws of chains and steps as values: identity, seeds, names, old spellings, and what is refused."""

import pytest

from earmark import deformations
from earmark.deformations import PRESETS, Chain, Step
from earmark.errors import EarmarkError, UnknownName, UserError


def chain(kind: str, **params: object) -> Chain:
    return Chain("a", (Step(kind, params),))


def fixed(kind: str, **values: float) -> Chain:
    return chain(kind, **{f"{end}_{name}": value for name, value in values.items() for end in ("min", "max")})


def test_the_content_of_a_file_is_the_identity_not_its_path() -> None:
    here, there = (chain("ApplyImpulseResponse", ir_path=f"{folder}/hall.wav") for folder in ("here", "there"))
    assert deformations.files_of(here) == ("here/hall.wav",)
    hashes = {"here/hall.wav": "ab" * 32, "there/hall.wav": "ab" * 32}
    assert deformations.identity_of(here, hashes) == deformations.identity_of(there, hashes)
    assert deformations.clip_seed(here, "d", "c", hashes) == deformations.clip_seed(there, "d", "c", hashes)
    other = {"here/hall.wav": "cd" * 32}
    assert deformations.identity_of(here, other) != deformations.identity_of(here, hashes)
    with pytest.raises(EarmarkError, match=r"reads 'here/hall\.wav': its key needs the sha256"):
        deformations.identity_of(here)


def test_identity_is_the_content_not_the_name_the_spelling_or_the_number_type() -> None:
    plain = fixed("AddGaussianSNR", snr_db=15.0)
    same = (
        Chain("other name", plain.steps),
        fixed("AddGaussianSNR", snr_db=15),
        chain("AddGaussianSNR", max_snr_in_db=15, min_snr_in_db=15, p=1.0),
    )
    for one in same:
        assert deformations.identity_of(one) == deformations.identity_of(plain)
        assert deformations.clip_seed(one, "d", "c") == deformations.clip_seed(plain, "d", "c")
    assert deformations.identity_of(fixed("AddGaussianSNR", snr_db=14)) != deformations.identity_of(plain)


def test_the_seed_depends_on_dataset_clip_and_deformation_seed() -> None:
    one = PRESETS["snr15"]
    seeds = {
        deformations.clip_seed(one, "d", "c"),
        deformations.clip_seed(one, "e", "c"),
        deformations.clip_seed(one, "d", "b"),
        deformations.clip_seed(Chain(one.name, one.steps, seed=1), "d", "c"),
        deformations.clip_seed(PRESETS["snr0"], "d", "c"),
    }
    assert len(seeds) == 5


def test_chains_can_be_keys_of_a_mapping() -> None:
    assert len({PRESETS["snr15"], PRESETS["snr0"], Chain("snr15", PRESETS["snr15"].steps)}) == 2


@pytest.mark.parametrize(
    ("kind", "params", "today"),
    [
        ("Gain", {"min_gain_in_db": -12, "max_gain_in_db": -12}, {"min_gain_db": -12, "max_gain_db": -12}),
        ("AddBackgroundNoise", {"min_snr_in_db": 3}, {"min_snr_db": 3}),
        ("LoudnessNormalization", {"min_lufs_in_db": -20}, {"min_lufs": -20}),
        ("Shift", {"min_fraction": 0.1, "fade": False}, {"min_shift": 0.1, "fade_duration": 0.0}),
        ("TimeMask", {"fade": True}, {"fade_duration": 0.005}),
    ],
)
def test_old_names_become_todays_and_are_said(kind: str, params: dict[str, object], today: dict[str, object]) -> None:
    translated = deformations.translate(kind, params)
    assert translated.params == today
    assert [note.split("'")[1] for note in translated.notes] == list(params)
    assert deformations.translate(kind, today) == (today, ())


def test_an_old_and_a_new_name_together_are_refused() -> None:
    with pytest.raises(UserError, match="'min_gain_db' is given twice, once by its old name 'min_gain_in_db'"):
        deformations.translate("Gain", {"min_gain_in_db": 1, "min_gain_db": 1})


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_right_and_named_by_its_content(name: str) -> None:
    deformations.check(PRESETS[name])
    assert deformations.readable_name(PRESETS[name].steps) == name == PRESETS[name].name


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ((), "clean"),
        (PRESETS["gain-12"].steps + PRESETS["snr0"].steps, "gain-12+snr0"),
        (fixed("Gain", gain_db=3.5).steps, "gain3.5"),
        (fixed("AddGaussianSNR", snr_db=-5).steps, "snr-5"),
        (fixed("LowPassFilter", cutoff_freq=1000, rolloff=12).steps, "low-pass-filter-cutoff-freq1000-rolloff12"),
        (fixed("PitchShift", semitones=-2).steps, "pitch-shift-semitones-2"),
        (chain("ApplyImpulseResponse", ir_path="a/Big hall.wav").steps, "apply-impulse-response-ir-path-big-hall.wav"),
        (chain("Mp3Compression", min_bitrate=64, max_bitrate=64, quality=2).steps, "mp3-64k-quality2"),
    ],
)
def test_a_name_is_made_of_content(steps: tuple[Step, ...], name: str) -> None:
    assert deformations.readable_name(steps) == name


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (fixed("Gain", gain_dp=1), r"Gain has no parameter 'min_gain_dp'\. Did you mean 'min_gain_db'\?"),
        (chain("AddGaussianSNR", min_snr_db=15), r"give both ends of a range one value; got min_snr_db = 15 and max_"),
        (chain("AddGaussianSNR"), "min_snr_db = 5.0 and max_snr_db = 40.0"),
        (chain("Normalize", p=0.5), r"has no probability, got p = 0\.5"),
        (fixed("Mp3Compression", bitrate=33), "no supported bitrate"),
        (chain("Mp3Compression", min_bitrate=32, max_bitrate=32, preserve_delay=True), "preserve_delay must be False"),
        (chain("Mp3Compression", min_bitrate=32, max_bitrate=32, backend="lameenc"), "backend must be fast-mp3"),
        (chain("TimeStretch", min_rate=0.9, max_rate=0.9, leave_length_unchanged=False), "must still fit in time"),
        (chain("Gain", min_gain_db="loud", max_gain_db="loud"), "min_gain_db must be a number, got 'loud'"),
        (chain("Gain", min_gain_db=True, max_gain_db=True), "min_gain_db must be a number, got True"),
        (chain("Shift", min_shift=1, max_shift=1, rollover=1), "rollover must be true or false, got 1"),
        (chain("Trim"), "Trim changes the length"),
        (chain("RepeatPart"), "mode must be replace"),
        (chain("ApplyImpulseResponse"), "needs the parameter 'ir_path'"),
    ],
)
def test_a_wrong_step_says_what_to_write(wrong: Chain, text: str) -> None:
    with pytest.raises(UserError, match=text):
        deformations.check(wrong)


def test_an_unknown_transform_is_named_with_the_nearest_known() -> None:
    with pytest.raises(UnknownName, match=r"'AddGausianSNR'\. Did you mean 'AddGaussianSNR'\?"):
        deformations.check(chain("AddGausianSNR"))


def test_the_versions_for_keys_name_what_deforms() -> None:
    found = deformations.library_versions()
    assert {"audiomentations", "fast-mp3-augment", "python-stretch"} <= set(found) <= set(deformations.LIBRARIES)
