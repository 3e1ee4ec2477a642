"""What goes wrong in another process of a training is said in this one."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from torch.multiprocessing.spawn import ProcessRaisedException

from earmark.errors import UserError
from earmark.training.job import Hardware
from earmark.training.trainer import fit
from tests.training.small_objective import SmallSegments, made


class NoMore(SmallSegments):
    def at(self, epoch: int, index: int) -> NDArray[np.float32]:
        raise UserError("Expected more of the corpus.\nGive it.")


class Killing(SmallSegments):
    def at(self, epoch: int, index: int) -> NDArray[np.float32]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Broken(SmallSegments):
    def at(self, epoch: int, index: int) -> NDArray[np.float32]:
        raise ZeroDivisionError


def test_what_a_second_process_raised_is_one_message(tmp_path: Path) -> None:
    training = replace(made(tmp_path), segments=NoMore)
    with pytest.raises(UserError, match=r"^Expected more of the corpus\.\nGive it\.$"):
        fit(training, Hardware(n_devices=2))


def test_a_process_that_is_killed_is_named_with_what_to_do(tmp_path: Path) -> None:
    training = replace(made(tmp_path), segments=Killing)
    with pytest.raises(UserError, match=r"process of device \d was ended from outside \(SIGKILL\)\. .* smaller"):
        fit(training, Hardware(n_devices=2))


def test_an_error_that_is_not_ours_keeps_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(ProcessRaisedException, match=r"(?s)Traceback.*ZeroDivisionError"):
        fit(replace(made(tmp_path), segments=Broken), Hardware(n_devices=2))
