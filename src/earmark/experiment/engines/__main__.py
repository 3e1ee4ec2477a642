"""What an sbatch script that was printed calls on each machine: python -m earmark.experiment.engines FOLDER 3 32."""

import sys
from pathlib import Path

from earmark.experiment.engines.parcel import Parcel

folder, number, of = sys.argv[1:]
parcel = Parcel.opened(Path(folder))
for job in parcel.share(int(number), int(of)):
    parcel.do(job)
