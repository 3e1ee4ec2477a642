"""A SLURM of three shell scripts: sbatch starts the tasks of an array as processes, sacct says how they ended."""

from pathlib import Path

SBATCH = """\
#!/bin/bash
script=${@: -1}
cp "$script" "$MADE_UP_SLURM/$$.sbatch"
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$script")
start() {
    name=$1
    shift
    (env "$@" bash "$script"; [ $? = 0 ] && echo COMPLETED || echo FAILED) >"$MADE_UP_SLURM/$name.state" 2>/dev/null &
}
if [ -n "$last" ]; then
    for n in $(seq 0 "$last"); do
        start "$$_$n" SLURM_JOB_ID="$$$n" SLURM_ARRAY_JOB_ID="$$" SLURM_ARRAY_TASK_ID="$n"
    done
else
    start "$$" SLURM_JOB_ID="$$"
fi
echo "Submitted batch job $$"
"""

SRUN = """\
#!/bin/bash
while [[ $1 == --* ]]; do
    case $1 in --output | --error) shift ;; esac
    shift
done
exec "$@" >/dev/null
"""

SACCT = """\
#!/bin/bash
echo 'JobID|State|NodeList'
cd "$MADE_UP_SLURM"
for state in *.state; do
    echo "${state%.state}|$(cat "$state" | grep . || echo RUNNING)|here"
done
"""


def install(folder: Path) -> Path:
    """Write the commands into a folder, for PATH, which MADE_UP_SLURM must name: scripts and states lie there too."""
    folder.mkdir(parents=True)
    for name, text in {"sbatch": SBATCH, "srun": SRUN, "sacct": SACCT}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder
