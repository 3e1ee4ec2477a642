"""One clip on the page: what was said of it, its spectrogram, and what the model heard."""

import streamlit as st

from earmark.deformations import CLEAN
from earmark.errors import EarmarkError
from earmark.reports.app import boxes, held
from earmark.reports.app.held import Opened
from earmark.runs.predictions import Predicted


def clip(run: Opened, of: Predicted, dataset: str, name: str, said: str, details: str) -> None:
    """Draw a clip as it was heard under the condition of a file of predictions; where it cannot be, the reason."""
    picture, words = st.columns((2, 3), vertical_alignment="center")
    words.html(boxes.clip(name, said, details))
    try:
        where = held.heard(run).get((dataset, name))
        if where is None:
            words.html(boxes.note([f"The run does not say where '{name}' lies."]))
            return
        sound = held.sound(run, dataset, name, of.deformation, of.task, where)
    except (EarmarkError, OSError) as error:
        words.html(boxes.note([f"It cannot be heard: {error}"]))
        return
    picture.image(sound.mel_png, width="stretch", alt=f"Mel spectrogram of {name}")
    words.audio(sound.ogg, format="audio/ogg", alt=f"{name}, {heard_as(of)}")


def heard_as(of: Predicted) -> str:
    """Return under which condition clips were heard."""
    return "heard clean" if of.deformation == CLEAN.name else f"heard under {of.deformation}"
