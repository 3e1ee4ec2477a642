"""The trainer: gradients of sums, added over portions and devices, divided once; Lightning does devices and precision.

One batch of Lightning is one optimiser step of ours, so its own counters and checkpoints are not used: `ledger` keeps
what a step depends on, and everything random is told by seed and number of the step.
"""

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader

from earmark import identity
from earmark.errors import MissingPart, UserError
from earmark.representations import checkpoint
from earmark.representations.objective import Heard, Objective
from earmark.training._far_errors import told
from earmark.training._watching import Watch
from earmark.training.batch import Batch, gradient_norm, measure
from earmark.training.job import Hardware, Say, Training
from earmark.training.ledger import State
from earmark.training.stream import Steps, Stream, stacked

try:
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.loggers import TensorBoardLogger
    from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy, Strategy
    from lightning.pytorch.trainer.states import TrainerStatus
except ModuleNotFoundError as error:
    raise MissingPart(f"Training needs {error.name}. Type: pip install 'earmark[train]'") from error

log = logging.getLogger(__name__)
THEIRS = logging.getLogger("lightning.pytorch"), logging.getLogger("lightning.fabric")

PRECISIONS: Mapping[str, Any] = {"float32": "32-true", "bf16": "bf16-mixed", "float64": "64-true"}
MEASURED_SEGMENTS = 256
"""At most so many segments, and never more than a step has, are what a network standardises by. More would be nearer to
the corpus where steps are small (16 of 3 s in `tiny`), but every network recorded in docs/learned began this way, and
the same file must give the same weights again."""
NO_MEMORY = "A device has too little memory: make portions smaller (portion_s), and go on with --resume."


def fit(training: Training, hardware: Hardware, *, resume: bool = False, say: Say = log.info) -> Path:
    """Train to the recipe's last step and return the folder of the last checkpoint.

    Raises UserError for a folder that holds another run, or one that `resume` was not asked for, and where a device has
    no memory left; what another process raised is raised here.
    """
    for device in range(hardware.n_devices):
        training.recipe.portions(device, hardware.n_devices)
    training.ledger.begin(resume)
    with _quiet_lightning():
        trainer = _trainer(training, hardware)
        try:
            trainer.fit(_Pretraining(training, hardware, say))
        except torch.OutOfMemoryError as error:
            raise UserError(f"{NO_MEMORY} ({error})") from error
        except (ProcessRaisedException, ProcessExitedException) as error:
            raise told(error, NO_MEMORY) from error
        except SystemExit as error:
            if trainer.state.status == TrainerStatus.INTERRUPTED:
                raise KeyboardInterrupt from error
            raise
    return training.ledger.checkpoints()[-1]


class _Summing(DDPStrategy):
    """Processes that are not wrapped: gradients are added by the module itself, once a step."""

    def setup_environment(self) -> None:
        _hush()  # in a process of its own nobody else does
        super().setup_environment()

    def configure_ddp(self) -> None:
        pass


class _Pretraining(LightningModule):
    """Builds the objective in its process, from the state on the disk where there is one."""

    objective: Objective

    def __init__(self, training: Training, hardware: Hardware, say: Say) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.training_ = training
        self.hardware = hardware
        self.say = say
        self.state = State()
        self.began = 0.0

    def setup(self, stage: str) -> None:
        recipe = self.training_.recipe
        self.state = self.training_.ledger.state()
        self.stream = Stream(self.training_.segments(), recipe.seed)
        self.portions = recipe.portions(self.global_rank, self.trainer.world_size)
        self.is_split = recipe.n_portions(self.trainer.world_size) > 1
        self.objective = self.training_.system.build(recipe.seed)
        if self.state.objective:
            file = str(self.training_.folder)
            checkpoint.refuse_other_tensors(self.state.objective, self.objective.state_dict(), file)
            if recipe.precision == "float64":
                self.objective.double()  # Lightning does so after this, when the digits would be lost
            self.objective.load_state_dict(self.state.objective)
        else:
            self.objective.prepare(self.stream.between(0, min(recipe.segments_per_step, MEASURED_SEGMENTS)))
        self.validation = self._validation_batch()
        says, n_segments = self.trainer.is_global_zero, len(self.stream.segments)
        loggers = list(self.trainer.loggers)
        self.watch = Watch(self.training_, self.state, self.objective, n_segments, says, self.say, loggers)

    def _validation_batch(self) -> Batch | None:
        """Return what this device hears of the validation segments: always the same, with the same draws."""
        ours, validation, n_devices = self.training_.recipe, self.training_.validation, self.trainer.world_size
        if validation is None:
            return None
        held_out = validation.segments()
        share = replace(ours, segments_per_step=min(validation.n_segments, len(held_out)))
        portions = share.portions(self.global_rank, n_devices)
        heard = [held_out.at(0, index) for portion in portions for index in portion]
        seed = identity.seed_for("validation", ours.seed)
        return Batch(stacked(heard), portions, share.n_portions(n_devices) > 1, seed)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        adam = self.training_.recipe.adam
        optimiser = torch.optim.AdamW(
            [one for one in self.objective.parameters() if one.requires_grad],
            betas=adam.betas,
            eps=adam.epsilon,
            weight_decay=adam.weight_decay,
            fused=True,  # one pass over memory, where the plain one takes ten
        )
        if self.state.optimiser:
            optimiser.load_state_dict(dict(self.state.optimiser))
        return optimiser

    def train_dataloader(self) -> DataLoader[Heard]:
        share = range(self.portions[0].start, self.portions[-1].stop)
        readers = self.hardware.readers
        return DataLoader(
            Steps(self.stream, self.training_.recipe.segments_per_step, share),
            batch_size=None,
            sampler=range(self.state.step, 0 if self.state.is_stopped else self.training_.recipe.n_steps),
            num_workers=readers,
            persistent_workers=readers > 0,
            pin_memory=self.hardware.device == "cuda",
        )

    def transfer_batch_to_device(self, batch: Heard, device: torch.device, dataloader_idx: int) -> Heard:
        return batch  # portion by portion: a step may be hours of audio

    def on_train_start(self) -> None:
        self.began = time.perf_counter() - self.state.seconds
        self.objective.train()
        if self.state.step == 0:
            self._checkpoint()

    def training_step(self, segments: Heard, batch_idx: int) -> None:
        recipe, step = self.training_.recipe, self.state.step
        optimiser: Any = self.optimizers()
        for group in optimiser.param_groups:
            group["lr"] = recipe.schedule.at(step, recipe.n_steps)
        self.objective.before_step(step)
        optimiser.zero_grad(set_to_none=True)
        seed = identity.seed_for("objective", recipe.seed, step)
        batch = Batch(segments, self.portions, self.is_split, seed)
        measured = measure(self.objective, batch, self._sum, self.manual_backward)
        norms = self._divide(measured.loss.count)
        optimiser.step()
        self._count()
        self.watch.step(measured, {**norms, "learning_rate": recipe.schedule.at(step, recipe.n_steps)})
        if self.state.step % recipe.save_every_steps == 0 or self.state.step == recipe.n_steps:
            self._validate()
            self._save()

    def _divide(self, count: Tensor) -> dict[str, float]:
        """Add gradients over devices, divide them once, and return their norms by part, before any clipping."""
        own = [one for one in self.objective.parameters() if one.requires_grad]
        for one in own:
            # Of a block that was dropped everywhere, nought: the optimiser must do the same however a step is split.
            gradient = torch.zeros_like(one) if one.grad is None else one.grad
            one.grad = self._sum(gradient).div_(count.to(one.dtype))
        norms = {f"gradient_norm_{name}": gradient_norm(part) for name, part in self.objective.parts().items()}
        if self.training_.recipe.clip_norm is not None:
            clip_grad_norm_(own, self.training_.recipe.clip_norm)
        return norms

    def _sum(self, values: Tensor) -> Tensor:
        summed: Tensor = self.trainer.strategy.reduce(values, reduce_op="sum")
        return summed

    def _count(self) -> None:
        """Count the step as done."""
        self.state.step += 1
        self.state.audio_s += self.training_.recipe.segments_per_step * self.stream.segments.segment_s
        self.state.seconds = time.perf_counter() - self.began

    def _validate(self) -> None:
        """Measure the held-out segments, without masks of training such as dropout, and stop where it is no use."""
        state, asked = self.state, self.training_.validation
        if self.validation is None or asked is None:
            return
        self.objective.eval()
        measured = measure(self.objective, self.validation, self._sum)
        self.objective.train()
        loss = self.watch.validation(measured)["loss"]
        since = len(state.validations) - 1 - state.best
        state.is_stopped = asked.patience is not None and since >= asked.patience
        self.trainer.should_stop = state.is_stopped
        if self.trainer.is_global_zero:
            self.say(f"step {state.step:,}, validation loss {loss:.4f}" + ", stopped" * state.is_stopped)

    def _save(self) -> None:
        if not self.trainer.is_global_zero:
            return
        self._checkpoint()
        state, optimiser = self.state, cast(Any, self.optimizers())
        whole = replace(state, objective=self.objective.state_dict(), optimiser=optimiser.optimizer.state_dict())
        self.training_.ledger.save(whole)

    def _checkpoint(self) -> None:
        if self.trainer.is_global_zero:
            recipe, system = self.training_.recipe, self.training_.system
            contents = system.contents(self.objective)
            best = self.state.validations[self.state.best]["step"] if self.state.validations else 0
            where = {"device": str(self.device.type), "n_devices": self.trainer.world_size}
            card, kept = {**self.watch.card(), **where}, (0, int(best))
            self.training_.ledger.checkpoint(self.state.step, contents, card, recipe.keep_checkpoints, kept)


def _trainer(training: Training, hardware: Hardware) -> Trainer:
    is_gpu = hardware.device == "cuda"
    kind = torch.device("cuda", 0) if is_gpu else torch.device("cpu")
    strategy: Strategy = SingleDeviceStrategy(kind)
    if hardware.n_devices > 1:
        strategy = _Summing(start_method="spawn", process_group_backend="nccl" if is_gpu else "gloo")
    return Trainer(
        accelerator="cuda" if is_gpu else "cpu",
        devices=hardware.n_devices,
        strategy=strategy,
        precision=PRECISIONS[training.recipe.precision],
        max_epochs=1,
        logger=TensorBoardLogger(training.folder, name="", version="tensorboard"),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice, which is about its own loops, from the user."""
    levels = [theirs.level for theirs in THEIRS]
    with warnings.catch_warnings():
        _hush()
        try:
            yield
        finally:
            for theirs, level in zip(THEIRS, levels, strict=True):
                theirs.setLevel(level)


def _hush() -> None:
    for theirs in THEIRS:
        theirs.setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
