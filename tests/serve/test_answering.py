"""What a worker of the service answers, asked without the service around it."""

from pathlib import Path

from earmark import catalogue
from earmark.serve.answering import Loaded
from earmark.serve.limits import Limits
from earmark.serve.offer import Offer
from tests.catalogue.sounding_files import NETWORK, folder_of, sounding


def test_a_search_sees_what_was_added_and_merged_since(tmp_path: Path) -> None:
    music, cat = folder_of(tmp_path / "music", 2), tmp_path / "cat"
    catalogue.add(cat, music / "00.wav", NETWORK)
    loaded = Loaded(Offer(catalogue=str(cat)), Limits())

    def searched() -> int:
        found = loaded.answer("search", music / "00.wav", {})
        assert found["found"][0]["score"] > 0.999
        return int(found["searched"])

    assert searched() == 1
    catalogue.add(cat, music)
    assert searched() == 2
    catalogue.compact(cat)
    assert searched() == 2
    sounding(music / "new.wav", 9)
    catalogue.add(cat, music)
    assert searched() == 3
