"""What an sbatch script that was printed calls on each machine: python -m earmark.experiment.engines FOLDER 3 32.

All jobs of the share are done; then it ends with the first error that one of them raised, for the task's log.
"""

import sys
from pathlib import Path

from earmark.experiment.engines.parcel import Parcel

if __name__ == "__main__":
    folder, number, of = sys.argv[1:]
    parcel = Parcel.opened(Path(folder))
    jobs = parcel.share(int(number), int(of))
    for job in jobs:
        parcel.do(job)
    for job in jobs:
        parcel.answer(job)
