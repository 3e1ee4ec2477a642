"""The recipe of the notes: 12 families × 8 General MIDI programs × 24 notes of one second.

Pitch says nothing of the instrument: every program plays every pitch class twice, in two of the three octaves
G2-F#5, and in each part of the split every pitch is played equally often.
"""

from dataclasses import replace

from earmark import identity
from earmark.datasets._studio_render import Sound, Strike, Unit, program_name

FAMILIES = (
    *("piano", "chromatic percussion", "organ", "guitar", "bass", "strings"),
    *("ensemble", "brass", "reed", "pipe", "synth lead", "synth pad"),
)
"""In the order of General MIDI: family f is programs 8f to 8f + 7."""

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

# Chosen so that in TimGM6mb no test program shares a sample with a training program of its family. Only the
# pads (91, 93) cannot help it: they are all made of the same few waves.
TEST = frozenset({5, 6, 9, 12, 16, 19, 26, 27, 34, 37, 42, 45, 50, 52, 57, 61, 66, 71, 73, 79, 80, 81, 91, 93})
VALID = frozenset({7, 10, 22, 31, 36, 46, 51, 62, 69, 74, 87, 92})

LOWEST_PITCH = 43  # G2. TimGM6mb's whistle is silent above F#5
N_OCTAVES = 3
TURN = 2  # turns the plan until nothing falls on E4 of TimGM6mb's alto saxophone, which is silent
FLUID_HIGHEST_PITCHES = {43: 57, 58: 72, 67: 72}
"""Above these FluidR3 is silent: contrabass, tuba, baritone saxophone, all of the training part."""

DURATION_S = 1.0
HELD_S = 0.8
MOST_DETUNED_CENTS = 45.0  # of a note as its font plays it; TimGM6mb's flute is itself up to 10 cents sharp
VELOCITIES = (64, 127)
PEAKS_DB = (-24.0, -3.0)


def role(program: int) -> str:
    """Return the part of the split that a program is in: "train", "valid" or "test"."""
    return "test" if program in TEST else "valid" if program in VALID else "train"


def units() -> tuple[Unit, ...]:
    """Return the 96 programs, each with its 24 notes."""
    programs = range(8 * len(FAMILIES))
    ranked = [program for part in ("train", "valid", "test") for program in programs if role(program) == part]
    # The parts hold 60, 12 and 24 programs, multiples of three: so each octave is left out equally often in each.
    return tuple(_unit(program, ranked.index(program)) for program in programs)


def units_of_fluid() -> tuple[Unit, ...]:
    """Return the same but for the 22 notes that FluidR3 cannot play."""
    return tuple(
        replace(unit, sounds=tuple(sound for sound in unit.sounds if _is_in_fluid(unit, sound))) for unit in units()
    )


def _is_in_fluid(unit: Unit, sound: Sound) -> bool:
    return sound.voices[0][0].pitch <= FLUID_HIGHEST_PITCHES.get(unit.programs[0], 127)


def _unit(program: int, rank: int) -> Unit:
    pitches = [
        LOWEST_PITCH + 12 * octave + step
        for octave in range(N_OCTAVES)
        for step in range(12)
        if (step + rank + TURN) % N_OCTAVES != octave
    ]
    name = f"program-{program:03d}"
    return Unit(
        name=name,
        group=f"{name} {program_name(program)}",
        role=role(program),
        programs=(program,),
        duration_s=DURATION_S,
        sounds=tuple(_note(name, program, pitch) for pitch in pitches),
    )


def _note(unit: str, program: int, pitch: int) -> Sound:
    rng = identity.generator("studio", "note", program, pitch)
    detune_cents = round(float(rng.uniform(-MOST_DETUNED_CENTS, MOST_DETUNED_CENTS)), 3)
    velocity = int(rng.integers(VELOCITIES[0], VELOCITIES[1] + 1))
    return Sound(
        id=f"{unit}/pitch-{pitch:03d}",
        voices=((Strike(0.0, HELD_S, pitch, velocity),),),
        detune_cents=detune_cents,
        peak_db=round(float(rng.uniform(*PEAKS_DB)), 3),
        targets={
            "family": FAMILIES[program // 8],
            "pitch": pitch,
            "pitch_class": PITCH_CLASSES[pitch % 12],
            "program": program_name(program),
            "detune_cents": detune_cents,
            "velocity": velocity,
        },
    )
