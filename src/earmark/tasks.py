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
        Task("vocalset_pitch", "pitch", "pitch", "annotated-vocalset", "singers", None, "MIDI number of a sung note"),
        Task(
            "vocalset_pitch_median", "pitch", "pitch", "annotated-vocalset:median", "singers", None, "by its median F0"
        ),
        Task("nsynth_pitch", "pitch", "pitch", "nsynth", "official", description="MIDI number, 112 of them"),
        Task("nsynth_pitch_88", "pitch_88", "pitch", "nsynth", "official", description="MIDI 21 to 108, as HEAR"),
        Task("nsynth_family", "family", "multiclass", "nsynth", "official", description="11 instrument families"),
        Task("esc50", "sound", "multiclass", "esc50", "folds", description="50 environmental sounds"),
        Task("fsd50k", "tags", "multilabel", "fsd50k", "official", description="200 classes of sounds"),
        Task("fsd50k_hear", "tags", "multilabel", "fsd50k", "hear", description="the same, without 12 long clips"),
        Task("speech_commands", "word", "multiclass", "speech-commands", "official", description="35 spoken words"),
        Task("speech_commands_hear", "command", "multiclass", "speech-commands:hear", "hear-full", None, "12 classes"),
        Task("speech_commands_hear_5h", "command", "multiclass", "speech-commands:hear", "hear-5h", None, "12 classes"),
        Task("crema_d_emotion", "emotion", "multiclass", "crema-d", "tfds", description="emotion that an actor meant"),
        Task(
            "medley_solos_instrument", "instrument", "multiclass", "medley-solos-db", "official", None, "8 instruments"
        ),
        Task("msds", "tags", "multilabel", "msd:msds", "lee2017", description="50 tags of Last.fm"),
        Task("msd50", "tags", "multilabel", "msd:msd50", "won2021", description="50 cleaned tags of Last.fm"),
        Task("msd100", "tags", "multilabel", "msd:msd100", "won2021", description="100 cleaned tags of Last.fm"),
        Task("msd500", "tags", "multilabel", "msd:msd500", "cals", description="500 cleaned tags of Last.fm"),
        Task("msd_cals", "tags", "multilabel", "msd:cals", "cals", description="50 cleaned tags, by artist"),
        Task("mumu_genres", "genres", "multilabel", "mumu", description="250 genres of a track's album"),
        Task("all_music_moods", "moods", "multilabel", "all-music-moods", "artists", description="188 moods"),
        Task("musicnet_composer", "composer", "multiclass", "musicnet", "official", description="10 composers"),
        Task("musicnet_instruments", "instruments", "multilabel", "musicnet", "official", description="11 instruments"),
        Task("fma_small_genre", "genre", "multiclass", "fma:small", "official", description="8 genres"),
        Task("fma_medium_genre", "genre", "multiclass", "fma:medium", "official", description="16 genres"),
        Task("fma_large_genres", "genres", "multilabel", "fma:large", "official", description="161 genres"),
        Task(
            "hear_nsynth_pitch_5h",
            "pitch",
            "pitch",
            "hear-task:nsynth_pitch-5h",
            "official",
            None,
            "HEAR: 88 pitches, 5 h",
        ),
        Task(
            "hear_nsynth_pitch_50h",
            "pitch",
            "pitch",
            "hear-task:nsynth_pitch-50h",
            "official",
            None,
            "HEAR: 88 pitches, 50 h",
        ),
        Task(
            "hear_speech_commands_5h",
            "label",
            "multiclass",
            "hear-task:speech_commands-5h",
            "official",
            None,
            "HEAR: 12 words, 5 h",
        ),
        Task(
            "hear_speech_commands",
            "label",
            "multiclass",
            "hear-task:speech_commands",
            "official",
            None,
            "HEAR: 12 words",
        ),
        Task(
            "hear_beehive_states_fold0",
            "label",
            "multiclass",
            "hear-task:beehive_states_fold0",
            "official",
            None,
            "HEAR: is there a queen",
        ),
        Task(
            "hear_beehive_states_fold1",
            "label",
            "multiclass",
            "hear-task:beehive_states_fold1",
            "official",
            None,
            "HEAR: is there a queen",
        ),
        Task(
            "hear_beijing_opera",
            "label",
            "multiclass",
            "hear-task:beijing_opera",
            "folds",
            None,
            "HEAR: percussion of the opera",
        ),
        Task(
            "hear_crema_d", "label", "multiclass", "hear-task:tfds_crema_d", "folds", None, "HEAR: emotion of a voice"
        ),
        Task("hear_esc50", "label", "multiclass", "hear-task:esc50", "folds", None, "HEAR: 50 sounds"),
        Task("hear_fsd50k", "label", "multilabel", "hear-task:fsd50k", "official", None, "HEAR: 200 sound labels"),
        Task(
            "hear_gunshot_triangulation",
            "label",
            "multiclass",
            "hear-task:gunshot_triangulation",
            "folds",
            None,
            "HEAR: from where a gun was heard",
        ),
        Task("hear_gtzan", "label", "multiclass", "hear-task:tfds_gtzan", "folds", None, "HEAR: 10 genres"),
        Task(
            "hear_gtzan_music_speech",
            "label",
            "multiclass",
            "hear-task:tfds_gtzan_music_speech",
            "folds",
            None,
            "HEAR: music or speech",
        ),
        Task("hear_libricount", "label", "multiclass", "hear-task:libricount", "folds", None, "HEAR: how many speak"),
        Task(
            "hear_mridangam_stroke",
            "label",
            "multiclass",
            "hear-task:mridangam_stroke",
            "folds",
            None,
            "HEAR: stroke of a drum",
        ),
        Task(
            "hear_mridangam_tonic",
            "label",
            "multiclass",
            "hear-task:mridangam_tonic",
            "folds",
            None,
            "HEAR: tonic of a drum",
        ),
        Task(
            "hear_vocal_imitation",
            "label",
            "multiclass",
            "hear-task:vocal_imitation",
            "folds",
            None,
            "HEAR: imitated sounds",
        ),
        Task(
            "hear_vox_lingua_top10",
            "label",
            "multiclass",
            "hear-task:vox_lingua_top10",
            "folds",
            None,
            "HEAR: 10 languages",
        ),
        Task("recording", "track", "multiclass", "recording", "time", description="which unheard track 1 s is from"),
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
