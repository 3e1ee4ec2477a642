"""The trainer: gradients of sums, added over portions and devices, divided once; Lightning does devices and precision.

One batch of Lightning is one optimiser step of ours, so its own counters and checkpoints are not used: `ledger` keeps
what a step depends on, and everything random is told by seed and number of the step.
"""

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy, Strategy
from lightning.pytorch.trainer.states import TrainerStatus
from torch import Tensor
from torch.utils.data import DataLoader

from earmark import identity
from earmark.representations import checkpoint
from earmark.representations.checkpoint import Contents
from earmark.representations.objective import Measured, Objective, Step, added, means
from earmark.training.ledger import Ledger, State
from earmark.training.recipe import Recipe
from earmark.training.stream import Segments, Steps, Stream

log = logging.getLogger(__name__)

PRECISIONS: Mapping[str, Any] = {"float32": "32-true", "bf16": "bf16-mixed", "float64": "64-true"}
MEASURED_SEGMENTS = 256


class System(Protocol):
    """What is trained: a value that every process can make its objective from."""

    name: str
    sample_rate: int

    def build(self, seed: int) -> Objective:
        """Return the objective with random weights."""
        ...

    def contents(self, objective: Objective) -> Contents:
        """Return what a checkpoint of it holds."""
        ...


@dataclass(frozen=True)
class Training:
    """All that a process must know to train; `about` goes into the card of every checkpoint, and into the identity."""

    name: str
    system: System
    recipe: Recipe
    segments: Callable[[], Segments]
    folder: Path
    about: Mapping[str, object]

    @property
    def ledger(self) -> Ledger:
        """The folder's keeper."""
        recipe = {name: one for name, one in asdict(self.recipe).items() if name not in NO_CHANGE}
        return Ledger(self.folder, self.name, identity.key_of(recipe=recipe, about=self.about))


NO_CHANGE = ("save_every_steps", "keep_checkpoints")  # of a recipe: what changes no weight
Say = Callable[[str], None]


@dataclass(frozen=True)
class Hardware:
    """Where to train: "cpu" or "cuda", on how many devices, with how many processes that read segments for each."""

    device: str = "cpu"
    n_devices: int = 1
    readers: int = 0


def fit(training: Training, hardware: Hardware, *, resume: bool = False, say: Say = log.info) -> Path:
    """Train to the recipe's last step and return the folder of the last checkpoint.

    Raises UserError for a folder that holds another run, or one that `resume` was not asked for.
    """
    training.ledger.begin(resume)
    with _quiet_lightning():
        trainer = _trainer(training, hardware)
        try:
            trainer.fit(_Pretraining(training, hardware, say))
        except SystemExit as error:
            if trainer.state.status == TrainerStatus.INTERRUPTED:
                raise KeyboardInterrupt from error
            raise
    return training.ledger.checkpoints()[-1]


class _Summing(DDPStrategy):
    """Processes that are not wrapped: gradients are added by the module itself, once a step."""

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
            self.objective.load_state_dict(self.state.objective)
        else:
            self.objective.prepare(self.stream.between(0, min(recipe.segments_per_step, MEASURED_SEGMENTS)))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        adam = self.training_.recipe.adam
        optimiser = torch.optim.AdamW(
            [one for one in self.objective.parameters() if one.requires_grad],
            betas=adam.betas,
            eps=adam.epsilon,
            weight_decay=adam.weight_decay,
        )
        if self.state.optimiser:
            optimiser.load_state_dict(dict(self.state.optimiser))
        return optimiser

    def train_dataloader(self) -> DataLoader[Tensor]:
        share = range(self.portions[0].start, self.portions[-1].stop)
        readers = self.hardware.readers
        return DataLoader(
            Steps(self.stream, self.training_.recipe.segments_per_step, share),
            batch_size=None,
            sampler=range(self.state.step, self.training_.recipe.n_steps),
            num_workers=readers,
            persistent_workers=readers > 0,
            pin_memory=self.hardware.device == "cuda",
        )

    def transfer_batch_to_device(self, batch: Tensor, device: torch.device, dataloader_idx: int) -> Tensor:
        return batch  # portion by portion: a step may be hours of audio

    def on_train_start(self) -> None:
        self.began = time.perf_counter() - self.state.seconds
        self.objective.train()
        if self.state.step == 0:
            self._checkpoint()

    def training_step(self, segments: Tensor, batch_idx: int) -> None:
        recipe, step = self.training_.recipe, self.state.step
        optimiser: Any = self.optimizers()
        for group in optimiser.param_groups:
            group["lr"] = recipe.schedule.at(step, recipe.n_steps)
        self.objective.before_step(step)
        optimiser.zero_grad(set_to_none=True)
        measured = self._accumulate(segments)
        norms = self._divide(measured.loss.count)
        optimiser.step()
        self._read(measured, {**norms, "learning_rate": recipe.schedule.at(step, recipe.n_steps)}, segments.shape[1])

    def _accumulate(self, segments: Tensor) -> Step:
        """Add gradients over portions, and return what was measured over all portions of all devices."""
        whole = self._survey(segments)
        steps = []
        for portion, generator in self._portions(segments):
            one = self.objective(portion, generator, whole)
            self.manual_backward(one.loss.total)
            steps.append(Step(_exact(one.loss), {name: _exact(value) for name, value in one.monitors.items()}))
        monitors = {name: self._over_devices(added(one.monitors[name] for one in steps)) for name in steps[0].monitors}
        return Step(self._over_devices(added(one.loss for one in steps)), monitors)

    def _survey(self, segments: Tensor) -> Measured | None:
        if not self.is_split:
            return None
        with torch.no_grad():
            found = [self.objective.survey(portion, generator) for portion, generator in self._portions(segments)]
        return self._over_devices(added(one for one in found if one is not None)) if found[0] is not None else None

    def _portions(self, segments: Tensor) -> Iterator[tuple[Tensor, torch.Generator]]:
        """Yield segments on the device, with a generator that their place in the step alone decides."""
        first = self.portions[0].start
        dtype = next(self.objective.parameters()).dtype
        for portion in self.portions:
            seed = identity.seed_for("objective", self.training_.recipe.seed, self.state.step, portion.start)
            part = segments[portion.start - first : portion.stop - first]
            yield part.to(self.device, dtype, non_blocking=True), torch.Generator().manual_seed(seed % 2**63)

    def _divide(self, count: Tensor) -> dict[str, float]:
        """Add gradients over devices, divide them once, and return their norms by part, before any clipping."""
        own = [one for one in self.objective.parameters() if one.requires_grad]
        for one in own:
            # Of a block that was dropped everywhere, nought: the optimiser must do the same however a step is split.
            gradient = torch.zeros_like(one) if one.grad is None else one.grad
            one.grad = self._sum(gradient).div_(count.to(one.dtype))
        norms = {
            f"gradient_norm_{name}": float(
                torch.nn.utils.get_total_norm([p.grad for p in part.parameters() if p.grad is not None])
            )
            for name, part in self.objective.parts().items()
        }
        if self.training_.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(own, self.training_.recipe.clip_norm)
        return norms

    def _over_devices(self, measured: Measured) -> Measured:
        return Measured(self._sum(measured.total), self._sum(measured.count))

    def _sum(self, values: Tensor) -> Tensor:
        summed: Tensor = self.trainer.strategy.reduce(values, reduce_op="sum")
        return summed

    def _read(self, measured: Step, also: Mapping[str, float], n_samples: int) -> None:
        """Count the step as done, show what was measured, and save where it is time to."""
        state, recipe = self.state, self.training_.recipe
        loss = float(measured.loss.total / measured.loss.count)
        reading = {"step": state.step, "loss": loss, **self.objective.read(means(measured.monitors)), **also}
        state.remember(reading)
        state.step += 1
        state.audio_s += recipe.segments_per_step * n_samples / self.training_.system.sample_rate
        state.seconds = time.perf_counter() - self.began
        new = state.note(self.objective.alarms(state.history))
        if not self.trainer.is_global_zero:
            return
        self.training_.ledger.add(reading)
        for logger in self.trainer.loggers:
            logger.log_metrics(reading, step=state.step - 1)
        for alarm in new:
            self.say(f"alarm: {alarm.text}")
        self.say(self._line(loss))
        if state.step % recipe.save_every_steps == 0 or state.step == recipe.n_steps:
            self._checkpoint()
            optimiser: Any = self.optimizers()
            state.objective, state.optimiser = self.objective.state_dict(), optimiser.optimizer.state_dict()
            self.training_.ledger.save(state)
            state.objective, state.optimiser = {}, {}

    def _line(self, loss: float) -> str:
        state = self.state
        speed = state.audio_s / state.seconds
        return f"step {state.step}/{self.training_.recipe.n_steps}, loss {loss:.4f}, {speed:,.0f}× real time"

    def _checkpoint(self) -> None:
        if self.trainer.is_global_zero:
            recipe, system = self.training_.recipe, self.training_.system
            contents = system.contents(self.objective)
            self.training_.ledger.checkpoint(self.state.step, contents, self._card(), recipe.keep_checkpoints)

    def _card(self) -> dict[str, object]:
        state = self.state
        return {
            **self.training_.about,
            "name": self.training_.name,
            "representation": self.training_.system.name,
            "recipe": asdict(self.training_.recipe),
            "steps": state.step,
            "audio_s": state.audio_s,
            "monitors": state.summary(),
            "alarms": [alarm._asdict() for alarm in state.alarms],
            "device": str(self.device.type),
            "n_devices": self.trainer.world_size,
            "torch": torch.__version__,
        }


def _exact(measured: Measured) -> Measured:
    """Return sums without gradient, in double precision: counts of samples outgrow single."""
    return Measured(measured.total.detach().double(), measured.count.detach().double())


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
    theirs = logging.getLogger("lightning.pytorch")
    level = theirs.level
    theirs.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        try:
            yield
        finally:
            theirs.setLevel(level)
