"""What a service was started with."""

from dataclasses import dataclass
from pathlib import Path

from earmark.errors import UserError


@dataclass(frozen=True)
class Offer:
    """What a service answers with: a representation by name, saved probes and a catalogue by their folders."""

    representation: str | None = None
    probes: tuple[str, ...] = ()
    catalogue: str | None = None

    def __post_init__(self) -> None:
        names = [Path(one).name for one in self.probes]
        if len(set(names)) < len(names):
            raise UserError(f"Expected probes whose folders differ in name, got {', '.join(names)}.")
        if not (self.representation or self.probes or self.catalogue):
            raise UserError("Expected something to serve: --representation NAME, --probe FOLDER or --catalogue STORE.")
