"""What went wrong in another process, as an error of this one."""

import re
import signal

from torch.multiprocessing.spawn import ProcessException, ProcessExitedException

from earmark import errors
from earmark.errors import EarmarkError, MissingPart, UserError

RAISED = re.compile(r"^(?P<module>[\w.]+)\.(?P<kind>\w+): (?P<text>.*)", re.MULTILINE | re.DOTALL)
MEMORY = "OutOfMemoryError"


def told(error: ProcessException, no_memory: str) -> Exception:
    """Return the error of ours that a process of torch's ended with; others as they came, traceback and all.

    `no_memory` is what to say of one without memory: it raised that, or the system killed it.
    """
    if isinstance(error, ProcessExitedException):
        name = error.signal_name or f"exit code {error.exit_code}"
        text = f"The process of device {error.error_index} was ended from outside ({name})."
        return UserError(f"{text} {no_memory}" if error.exit_code == -signal.SIGKILL else text)
    last = RAISED.search(error.msg, error.msg.rfind("Traceback"))
    if last is None:
        return error
    if last["kind"] == MEMORY:
        return UserError(f"{no_memory} (device {error.error_index}: {last['text'].strip()})")
    kind = getattr(errors, last["kind"], None) if last["module"] == errors.__name__ else None
    if not (isinstance(kind, type) and issubclass(kind, EarmarkError)):
        return error
    text = last["text"].strip()
    return MissingPart(text) if issubclass(kind, MissingPart) else UserError(text)
