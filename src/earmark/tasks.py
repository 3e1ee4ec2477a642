"""Tasks: which label of which dataset is predicted, of what kind, on which split. A task is a value.

A task with a dataset is complete; one without (a problem) is crossed with the datasets of an experiment.
"""

from dataclasses import dataclass

from earmark.errors import UnknownName
from earmark.nouns import Kind


@dataclass(frozen=True)
class Task:
    """A label to predict. `n_train` keeps so many training clips, drawn by label with a fixed seed."""

    name: str
    label: str
    kind: Kind
    dataset: str | None = None
    split: str | None = None
    n_train: int | None = None
    description: str = ""


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("studio_family", "family", "multiclass", "studio", "program", description="instrument family of a note"),
        Task("studio_pitch", "pitch", "pitch", "studio", "program", description="MIDI number of a detuned note"),
        Task("studio_pitch_class", "pitch_class", "multiclass", "studio", "program", description="its pitch class"),
        Task(
            "studio_pitch_class_240", "pitch_class", "multiclass", "studio", "program", 240, "the same from 240 labels"
        ),
        Task("studio_key", "key", "key", "studio-pieces", "progression", description="key of a short piece"),
        Task("tinysol_instrument", "instrument", "multiclass", "tinysol", "folds", description="14 instruments"),
        Task("tinysol_family", "family", "multiclass", "tinysol", "folds", description="4 instrument families"),
        Task("tinysol_pitch", "pitch", "pitch", "tinysol", description="MIDI number of a note"),
        Task("tinysol_pitch_class", "pitch_class", "multiclass", "tinysol", description="pitch class of a note"),
        Task("tinysol_register", "register", "multiclass", "tinysol", description="octave of a note"),
        Task("beatport_key", "key", "key", "beatport-key", description="key of two minutes of dance music"),
        Task(
            "giantsteps_key", "key", "key", "giantsteps-key", "castellon2021", None, "key of two minutes of dance music"
        ),
        Task("gtzan_genre", "genre", "multiclass", "gtzan", "fault_filtered", description="10 genres of half a minute"),
        Task("emomusic", "emotion", "regression", "emomusic", "castellon2021", None, "arousal and valence of 45 s"),
        Task("emomusic_arousal", "arousal", "regression", "emomusic", "castellon2021", description="arousal of 45 s"),
        Task("emomusic_valence", "valence", "regression", "emomusic", "castellon2021", description="valence of 45 s"),
        Task("magnatagatune_top50", "tags", "multilabel", "magnatagatune", "won2020", description="50 tags of 29 s"),
        Task("mtg_jamendo_top50", "tags", "multilabel", "mtg-jamendo:top50", "official", description="50 tags"),
        Task("mtg_jamendo_all", "tags", "multilabel", "mtg-jamendo:all", "official", description="183 tags"),
        Task("mtg_jamendo_genre", "tags", "multilabel", "mtg-jamendo:genre", "official", description="genre tags"),
        Task(
            "mtg_jamendo_instrument",
            "tags",
            "multilabel",
            "mtg-jamendo:instrument",
            "official",
            None,
            "instrument tags",
        ),
        Task(
            "mtg_jamendo_moodtheme", "tags", "multilabel", "mtg-jamendo:moodtheme", "official", None, "mood and theme"
        ),
        Task("vocalset_singer", "singer", "multiclass", "vocalset", description="which of 20 singers"),
        Task("vocalset_technique", "technique", "multiclass", "vocalset", "singers", None, "10 vocal techniques"),
        Task("nsynth_pitch", "pitch", "pitch", "nsynth", "official", description="MIDI number, 112 of them"),
        Task("nsynth_pitch_88", "pitch_88", "pitch", "nsynth", "official", description="MIDI 21 to 108, as HEAR"),
        Task("nsynth_family", "family", "multiclass", "nsynth", "official", description="11 instrument families"),
        Task("instrument_classification", "instrument", "multiclass", description="which instrument plays"),
        Task("pitch_class_classification", "pitch_class", "multiclass", description="pitch class of a note"),
        Task("pitch_estimation", "pitch", "pitch", description="MIDI number of a note"),
        Task("key_estimation", "key", "key", description="key of a piece"),
        Task("genre_classification", "genre", "multiclass", description="genre of a track"),
        Task("autotagging", "tags", "multilabel", description="tags of a track"),
        Task("singer_identification", "singer", "multiclass", description="who sings"),
        Task("technique_identification", "technique", "multiclass", description="vocal technique"),
        Task("emotion_regression", "emotion", "regression", description="arousal and valence"),
        Task("audio_level", "audio.level", "regression", description="level in dB full scale, computed"),
        Task("audio_centroid", "audio.centroid", "regression", description="spectral centroid in Hz, computed"),
        Task("audio_pitch", "audio.pitch", "regression", description="pitch of a note in MIDI numbers, computed"),
        Task("audio_tempo", "audio.tempo", "regression", description="tempo in beats per minute, computed"),
    )
}


def find_task(name: str) -> Task:
    """Return the task of that name."""
    if name not in TASKS:
        raise UnknownName("task", name, TASKS)
    return TASKS[name]
