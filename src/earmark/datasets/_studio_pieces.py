"""The recipe of the key pieces: progressions of eight chords from a small grammar, each in all twelve keys.

A chord has a function: tonic, subdominant or dominant. A piece is two phrases of four functions; the first
stays open, the second closes with dominant and tonic. In minor the leading tone over a dominant is raised, which
tells a minor key from its relative major. No two pieces of a mode have the same roots, and no program that plays
in the test part plays in the training part.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from earmark import identity
from earmark.datasets._studio_notes import PITCH_CLASSES
from earmark.datasets._studio_render import Sound, Strike, Unit

Item = TypeVar("Item")


class Chord(NamedTuple):
    """A chord's name and its pitch classes above the tonic, root first."""

    name: str
    pitches: tuple[int, ...]


class Mode(NamedTuple):
    """The chords of each function (a likelier one stands twice), and the scales under them and under dominants."""

    name: str
    chords: dict[str, tuple[Chord, ...]]
    scale: tuple[int, ...]
    dominant_scale: tuple[int, ...]


_FIVE = (Chord("V", (7, 11, 2)), Chord("V7", (7, 11, 2, 5)))
_I, _SMALL_I = Chord("I", (0, 4, 7)), Chord("i", (0, 3, 7))
MODES = (
    Mode(
        "major",
        {
            "T": (_I, _I, Chord("vi", (9, 0, 4))),
            "S": (Chord("IV", (5, 9, 0)), Chord("ii", (2, 5, 9))),
            "D": (*_FIVE, Chord("vii°", (11, 2, 5))),
            "V": _FIVE,
            "1": (_I,),
        },
        (0, 2, 4, 5, 7, 9, 11),
        (0, 2, 4, 5, 7, 9, 11),
    ),
    Mode(
        "minor",
        {
            "T": (_SMALL_I, _SMALL_I, Chord("VI", (8, 0, 3))),
            "S": (Chord("iv", (5, 8, 0)), Chord("ii°", (2, 5, 8))),
            "D": (*_FIVE, Chord("vii°", (11, 2, 5))),
            "V": _FIVE,
            "1": (_SMALL_I,),
        },
        (0, 2, 3, 5, 7, 8, 10),
        (0, 2, 3, 5, 7, 8, 11),
    ),
)
OPENINGS = ("1TSD", "1SSV", "1DTS", "1SDT", "1STV", "1TTD")
CLOSINGS = ("TSV1", "SSV1", "1SV1", "DTV1", "STV1")


class Band(NamedTuple):
    """The programs that may play each of the three voices."""

    melody: tuple[int, ...]
    chords: tuple[int, ...]
    bass: tuple[int, ...]


BANDS = {
    "train": Band((0, 11, 24, 40, 56, 68, 73, 80), (0, 6, 16, 25, 48, 61, 89), (32, 33, 38, 43, 58)),
    "valid": Band((10, 66, 74), (2, 20, 51), (34, 67)),
    "test": Band((4, 12, 22, 57, 69, 71, 75, 81), (5, 19, 26, 46, 50, 52, 62), (35, 36, 42, 70)),
}
N_PROGRESSIONS = {"train": 10, "valid": 2, "test": 6}  # of each mode

DURATION_S = 6.5
LAST_END_S = 6.2
BEATS_S = (0.34, 0.41)
REST_S = 0.01  # before a repeated note
MOST_DETUNED_CENTS = 20.0
PEAKS_DB = (-18.0, -3.0)
# Where a chord's two beats are struck, in beats.
MELODIES = ((0.0,), (0.0, 1.0), (0.0, 1.5), (0.0, 1.0, 1.5), (0.0, 0.5, 1.0, 1.5))
ACCOMPANIMENTS = ("held", "beats", "afterbeats", "broken")
# Ranges of the lowest pitches of each voice, and of a piece's lowest transposition, in semitones.
MELODY_LOWEST, CHORDS_LOWEST, BASS_LOWEST = (66, 78), (53, 65), (40, 47)
LOWEST_SHIFTS = (-9, -1)
MELODY_SPAN = 15


class Shape(NamedTuple):
    """How one piece moves: seconds of a beat, rhythms of the two phrases, accompaniment, whether the bass walks.

    Its twelve keys lie `lowest_shift` to `lowest_shift` + 11 semitones above C. Drawn for each piece, so that how
    high it sounds does not tell its key.
    """

    beat_s: float
    rhythms: tuple[tuple[float, ...], ...]
    accompaniment: str
    walks: bool
    melody_lowest: int
    chords_lowest: int
    bass_lowest: int
    lowest_shift: int


def units() -> tuple[Unit, ...]:
    """Return the 36 progressions, 18 of each mode, each in its twelve keys."""
    found: list[Unit] = []
    for mode in MODES:
        parts = [part for part, count in N_PROGRESSIONS.items() for _ in range(count)]
        taken: set[tuple[int, ...]] = set()
        for number, part in enumerate(parts):
            rng = identity.generator("studio", "piece", mode.name, number)
            progression = draw_progression(mode, rng)
            while roots(progression) in taken:
                progression = draw_progression(mode, rng)
            taken.add(roots(progression))
            turn = sum(unit.role == part for unit in found)
            programs = tuple(voice[turn % len(voice)] for voice in BANDS[part])
            found.append(_unit(f"{mode.name}-{number:02d}", mode, part, programs, progression, rng))
    return tuple(found)


def roots(progression: Sequence[Chord]) -> tuple[int, ...]:
    """Return the roots of chords above the tonic: a progression is another one only where these differ."""
    return tuple(chord.pitches[0] for chord in progression)


def draw_progression(mode: Mode, rng: np.random.Generator) -> tuple[Chord, ...]:
    """Return eight chords of the grammar."""
    functions = _pick(OPENINGS, rng) + _pick(CLOSINGS, rng)
    return tuple(_pick(mode.chords[function], rng) for function in functions)


def _pick(items: Sequence[Item], rng: np.random.Generator) -> Item:
    return items[int(rng.integers(len(items)))]


def _unit(
    name: str,
    mode: Mode,
    part: str,
    programs: tuple[int, ...],
    progression: tuple[Chord, ...],
    rng: np.random.Generator,
) -> Unit:
    shape = Shape(
        beat_s=float(rng.uniform(*BEATS_S)),
        rhythms=(_pick(MELODIES, rng), _pick(MELODIES, rng)),
        accompaniment=_pick(ACCOMPANIMENTS, rng),
        walks=bool(rng.integers(2)),
        melody_lowest=int(rng.integers(*MELODY_LOWEST)),
        chords_lowest=int(rng.integers(*CHORDS_LOWEST)),
        bass_lowest=int(rng.integers(*BASS_LOWEST)),
        lowest_shift=int(rng.integers(*LOWEST_SHIFTS)),
    )
    voices = (
        _melody(mode, progression, shape, rng),
        _accompaniment(progression, shape, rng),
        _bass(progression, shape, rng),
    )
    label = "-".join(chord.name for chord in progression)
    return Unit(
        name=name,
        group=f"{name} {label}",
        role=part,
        programs=programs,
        duration_s=DURATION_S,
        sounds=tuple(_transposed(name, mode, tonic, shape, voices) for tonic in range(12)),
    )


def _transposed(name: str, mode: Mode, tonic: int, shape: Shape, voices: tuple[tuple[Strike, ...], ...]) -> Sound:
    shift = (tonic - shape.lowest_shift) % 12 + shape.lowest_shift
    rng = identity.generator("studio", "piece", name, PITCH_CLASSES[tonic])
    return Sound(
        id=f"{name}/tonic-{tonic:02d}",
        voices=tuple(tuple(one._replace(pitch=one.pitch + shift) for one in voice) for voice in voices),
        detune_cents=round(float(rng.uniform(-MOST_DETUNED_CENTS, MOST_DETUNED_CENTS)), 3),
        peak_db=round(float(rng.uniform(*PEAKS_DB)), 3),
        targets={
            "key": f"{PITCH_CLASSES[tonic]} {mode.name}",
            "tonic": PITCH_CLASSES[tonic],
            "mode": mode.name,
        },
    )


def _strikes(
    starts: Sequence[float], pitches: Sequence[int], shape: Shape, end_beat: float, velocity: int
) -> list[Strike]:
    """Return notes that each last until the next; starts in beats. What ends with the piece rings to its end."""
    ends = [*starts[1:], end_beat]
    return [
        Strike(_seconds(start, shape), (LAST_END_S if end >= 16 else _seconds(end, shape)) - REST_S, pitch, velocity)
        for start, end, pitch in zip(starts, ends, pitches, strict=True)
    ]


def _seconds(beat: float, shape: Shape) -> float:
    return round(beat * shape.beat_s, 6)


def _above(lowest: int, pitch_class: int) -> int:
    return lowest + (pitch_class - lowest) % 12


def _nearest(pitch: int, classes: Sequence[int], shape: Shape) -> int:
    within = range(shape.melody_lowest, shape.melody_lowest + MELODY_SPAN + 1)
    return min((p for p in within if p % 12 in classes), key=lambda p: (abs(p - pitch), p))


def _melody(mode: Mode, progression: Sequence[Chord], shape: Shape, rng: np.random.Generator) -> tuple[Strike, ...]:
    """Return a line with a tone of the chord on its first beat and steps of the scale after it, tonic last."""
    pitch, found = shape.melody_lowest + int(rng.integers(4, 12)), list[Strike]()
    for number, chord in enumerate(progression):
        is_last = number == len(progression) - 1
        rhythm = (0.0,) if is_last else shape.rhythms[number // 4]
        scale = mode.dominant_scale if 11 in chord.pitches else mode.scale
        line = [_nearest(pitch + int(rng.integers(-4, 5)), chord.pitches[:1] if is_last else chord.pitches, shape)]
        for _ in rhythm[1:]:
            direction = 2 * int(rng.integers(2)) - 1
            line.append(
                _nearest(line[-1] + 2 * direction, [degree for degree in scale if degree != line[-1] % 12], shape)
            )
        pitch = line[-1]
        starts = [2 * number + start for start in rhythm]
        found += _strikes(starts, line, shape, 2 * number + 2, int(rng.integers(88, 110)))
    return tuple(found)


def _accompaniment(progression: Sequence[Chord], shape: Shape, rng: np.random.Generator) -> tuple[Strike, ...]:
    """Return the chords in close position, so that common tones stay where they are; the last one is held."""
    found: list[Strike] = []
    for number, chord in enumerate(progression):
        pitches = sorted(_above(shape.chords_lowest, pitch) for pitch in chord.pitches)
        start, end, velocity = 2.0 * number, 2.0 * number + 2, int(rng.integers(58, 76))
        style = "held" if number == len(progression) - 1 else shape.accompaniment
        if style == "broken":
            order = [pitches[0], pitches[1], pitches[2], pitches[-1] if len(pitches) == 4 else pitches[1]]
            found += _strikes([start + 0.5 * count for count in range(4)], order, shape, end, velocity)
            continue
        starts = {"held": [start], "beats": [start, start + 1], "afterbeats": [start + 0.5, start + 1.5]}[style]
        for pitch in pitches:
            found += _strikes(starts, [pitch] * len(starts), shape, end, velocity)
    return tuple(found)


def _bass(progression: Sequence[Chord], shape: Shape, rng: np.random.Generator) -> tuple[Strike, ...]:
    """Return the roots, sometimes thirds inside a phrase; a walking bass adds the fifth on the second beat."""
    found: list[Strike] = []
    for number, chord in enumerate(progression):
        is_inside = number % 4 in (1, 2) and number < 6
        lowest = chord.pitches[1] if is_inside and rng.random() < 0.3 else chord.pitches[0]
        walks = shape.walks and number < len(progression) - 1
        starts = [2.0 * number, 2.0 * number + 1] if walks else [2.0 * number]
        pitches = [_above(shape.bass_lowest, tone) for tone in (lowest, chord.pitches[2])[: len(starts)]]
        found += _strikes(starts, pitches, shape, 2 * number + 2, int(rng.integers(72, 92)))
    return tuple(found)
