"""Why an archive is not unpacked."""

AGAIN = "Remove it and fetch it again."
DISTRUST = "Data needs no such thing: do not use this archive, and tell who published it."
BY_HAND = "If you trust it, unpack it by hand."


class Unfit(Exception):
    """Why an archive is not unpacked, and what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy
