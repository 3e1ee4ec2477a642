"""What a worker of the service answers, asked without the service around it."""

import os
from pathlib import Path

import pytest

from earmark import catalogue
from earmark.catalogue import parts
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


def test_a_search_leaves_out_rows_that_were_cut_off_since(tmp_path: Path) -> None:
    music, cat = folder_of(tmp_path / "music", 3), tmp_path / "cat"
    catalogue.add(cat, music, NETWORK)
    loaded = Loaded(Offer(catalogue=str(cat)), Limits())
    before = loaded.answer("search", music / "00.wav", {})
    (rows,) = cat.glob(f"*{parts.ROWS}")
    os.truncate(rows, rows.stat().st_size // 3)
    after = loaded.answer("search", music / "00.wav", {})
    assert (before["searched"], after["searched"]) == (3, 1)
    scores = {one["id"]: one["score"] for one in before["found"]}
    assert all(one["score"] == pytest.approx(scores[one["id"]], abs=1e-6) for one in after["found"])
