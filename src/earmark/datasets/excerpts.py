"""What a corpus to train on needs beyond a dataset: how long each clip is, and one fixed piece of each.

A corpus is a dataset like any other, of which nobody reads the labels: its clips are tracks, and the card says under
which licence. `excerpts` makes of it MULE's small training set, ten seconds of each track, the same ones for good
(McCallum et al. 2022, section 4). Lengths are read from the files' headers, which takes long for two million of them,
and are remembered in the home, by each file's place, size and time of change.
"""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from earmark import audio, durable, places
from earmark.datasets._listing import clip_id
from earmark.datasets._stamps import stamps_of
from earmark.datasets.base import Dataset, version_of_clips
from earmark.errors import AudioError, DataError
from earmark.identity import generator, key_of
from earmark.nouns import Clip
