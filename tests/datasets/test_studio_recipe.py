"""Laws of the recipe of the built-in data: symbols only, nothing is rendered."""

from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

from earmark import identity
from earmark.datasets import _studio_notes as notes
from earmark.datasets import _studio_pieces as pieces
from earmark.datasets._studio_render import Sound, Unit

PARTS = ("train", "valid", "test")
NOTES = notes.units()
PIECES = pieces.units()


def sounds_of(units: tuple[Unit, ...], part: str) -> list[Sound]:
    return [sound for unit in units if unit.role == part for sound in unit.sounds]


@pytest.mark.parametrize(
    ("units", "digest"),
    [(NOTES, "7fd54e7e186b47878153f0fa5ccc0104"), (PIECES, "03b420707bc9559a205c560ce6d231d5")],
    ids=["notes", "pieces"],
)
def test_the_recipe_never_changes(units: tuple[Unit, ...], digest: str) -> None:
    # Written down when the recipe was made. Where it must change, raise studio.RECIPE with it.
    assert identity.key_of(units=[asdict(unit) for unit in units]) == digest


def test_the_notes_are_enough_to_tell_systems_apart() -> None:
    assert [len(sounds_of(NOTES, part)) for part in PARTS] == [1440, 288, 576]
    assert len({sound.id for unit in NOTES for sound in unit.sounds}) == 2304


def test_each_family_has_two_unheard_programs_in_test_and_one_in_valid() -> None:
    counts = Counter((unit.sounds[0].targets["family"], unit.role) for unit in NOTES)
    assert counts == {(family, part): n for family in notes.FAMILIES for part, n in zip(PARTS, (5, 1, 2), strict=True)}
    assert len({unit.group for unit in NOTES}) == len({unit.programs for unit in NOTES}) == 96


def test_every_program_plays_every_pitch_class_twice() -> None:
    for unit in NOTES:
        assert set(Counter(sound.targets["pitch_class"] for sound in unit.sounds).values()) == {2}
        assert len({sound.targets["pitch_class"] for sound in unit.sounds}) == 12


@pytest.mark.parametrize(("part", "times"), [("train", 40), ("valid", 8), ("test", 16)])
def test_every_pitch_is_played_equally_often_in_each_part(part: str, times: int) -> None:
    counts = Counter(sound.targets["pitch"] for sound in sounds_of(NOTES, part))
    assert counts == dict.fromkeys(range(43, 79), times)


def test_the_targets_of_a_note_are_what_is_played() -> None:
    for unit in NOTES:
        for sound in unit.sounds:
            strike = sound.voices[0][0]
            assert (sound.targets["pitch"], sound.targets["velocity"]) == (strike.pitch, strike.velocity)
            assert sound.targets["pitch_class"] == notes.PITCH_CLASSES[strike.pitch % 12]
            assert sound.targets["detune_cents"] == sound.detune_cents


def test_detuning_and_level_fill_their_ranges() -> None:
    detuned = np.array([sound.detune_cents for unit in NOTES for sound in unit.sounds])
    peaks = np.array([sound.peak_db for unit in NOTES for sound in unit.sounds])
    for drawn, low, high in ((detuned, -45, 45), (peaks, -24, -3)):
        counts, _ = np.histogram(drawn, bins=6, range=(low, high))
        assert counts.sum() == 2304  # none outside
        assert counts.min() > 0.8 * 2304 / 6


def test_fluid_leaves_out_only_notes_of_the_training_part() -> None:
    left_out = {s.id for u in NOTES for s in u.sounds} - {s.id for u in notes.units_of_fluid() for s in u.sounds}
    assert len(left_out) == 22
    assert left_out <= {sound.id for sound in sounds_of(NOTES, "train")}


def test_the_pieces_are_enough_and_every_key_is_equally_frequent_in_each_part() -> None:
    assert [len(sounds_of(PIECES, part)) for part in PARTS] == [240, 48, 144]
    keys = {f"{tonic} {mode}" for tonic in notes.PITCH_CLASSES for mode in ("major", "minor")}
    for part, times in zip(PARTS, (10, 2, 6), strict=True):
        assert Counter(sound.targets["key"] for sound in sounds_of(PIECES, part)) == dict.fromkeys(keys, times)


def test_no_progression_is_heard_in_two_pieces() -> None:
    # The group ends with the chords; V7 counts as V.
    progressions = [unit.group.split()[1].replace("V7", "V") for unit in PIECES]
    assert len(set(progressions)) == len(PIECES) == 36


def test_no_program_of_a_test_piece_is_heard_in_training() -> None:
    heard = {part: {p for unit in PIECES if unit.role == part for p in unit.programs} for part in PARTS}
    assert not heard["test"] & heard["train"]
    assert not heard["valid"] & (heard["train"] | heard["test"])
    assert len(heard["test"]) >= 12


def test_transposing_moves_every_note_by_the_same_interval() -> None:
    for unit in PIECES:
        lowest = unit.sounds[0]
        for tonic, sound in enumerate(unit.sounds):
            moves = {
                one.pitch - other.pitch
                for voice, original in zip(sound.voices, lowest.voices, strict=True)
                for one, other in zip(voice, original, strict=True)
            }
            assert len(moves) == 1
            assert moves.pop() % 12 == tonic
            assert sound.targets["tonic"] == notes.PITCH_CLASSES[tonic]


def test_every_piece_begins_on_its_tonic_and_closes_with_dominant_and_tonic() -> None:
    for unit in PIECES:
        chords = unit.group.split()[1].split("-")
        tonic = "I" if unit.name.startswith("major") else "i"
        assert (chords[0], chords[-1]) == (tonic, tonic)
        assert chords[-2] in ("V", "V7")
        melody, _, bass = unit.sounds[0].voices  # in C
        assert melody[-1].pitch % 12 == bass[-1].pitch % 12 == 0


def test_a_minor_piece_raises_its_leading_tone_and_keeps_its_third_minor() -> None:
    for unit in PIECES:
        sounded = {strike.pitch % 12 for voice in unit.sounds[0].voices for strike in voice}
        assert 11 in sounded
        assert (3 in sounded, 4 in sounded) == ((False, True) if unit.name.startswith("major") else (True, False))


def test_every_strike_is_within_its_clip_and_what_midi_can_say() -> None:
    for unit in (*NOTES, *PIECES):
        for strike in (strike for sound in unit.sounds for voice in sound.voices for strike in voice):
            assert 0 <= strike.start_s < strike.end_s < unit.duration_s
            assert 0 <= strike.pitch <= 127
            assert 1 <= strike.velocity <= 127
