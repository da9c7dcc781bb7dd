"""A real Slurm of one node on this machine, within a block.

By hand: `python -m tests.slurm.cluster COMMAND …` runs a command within such a cluster.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")

# Without enforcement, which containers often do not allow; the scheduler runs every second. A
# requeued job waits until its credential has expired, which takes two minutes by default.
_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=15
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobRequeue=1
ReturnToService=2
KillWait=15
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SchedulerParameters=sched_interval=1,batch_sched_delay=1,requeue_delay=1
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Reason why no cluster can be started here, or None."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    absent = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if absent:
        return f"{absent[0]} is not installed (Debian: apt-get install slurm-wlm munge)"
    if os.geteuid() != 0:
        return "only root can start Slurm's daemons"
    return None


@contextmanager
def cluster(cpus: int = 4) -> Iterator[dict[str, str]]:
    """Starts munged, slurmctld and slurmd; yields the environment variables of their clients.

    Args:
        cpus: CPU cores that the node reports.

    Raises:
        RuntimeError: a daemon did not start; the message holds the end of the logs.
    """
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    conf = _CONF.format(folder=folder, host=host, cpus=cpus, ports=(_free_port(), _free_port()))
    (folder / "slurm.conf").write_text(conf)
    environment = os.environ | {
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
    }
    places = {"key-file": key, "socket": folder / "munge.socket", "pid-file": folder / "munged.pid"}
    places |= {"log-file": folder / "munged.log", "seed-file": folder / "munge.seed"}
    try:
        for command in (
            ["munged", "--force", *(f"--{name}={place}" for name, place in places.items())],
            ["slurmctld"],
            ["slurmd"],
        ):
            subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
        _wait_for_node(environment, folder)
        yield environment
    finally:
        subprocess.run(["scancel", "--me"], env=environment, capture_output=True, timeout=30)
        for name in ("slurmd", "slurmctld", "munged"):
            _stop(folder / f"{name}.pid")
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_node(environment: dict[str, str], folder: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        words = ["sinfo", "--noheader", "--format=%t"]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        if done.stdout.strip() == "idle":
            return
        time.sleep(0.2)
    logs = [(folder / f"{name}.log").read_text()[-2000:] for name in ("slurmctld", "slurmd")]
    raise RuntimeError("Slurm did not start:\n" + "\n".join(logs))


def _stop(file: Path) -> None:
    try:
        number = int(file.read_text())
        os.kill(number, 15)
        for _ in range(100):
            os.kill(number, 0)
            time.sleep(0.1)
    except (OSError, ValueError):
        return  # it has never started, or has ended


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


if __name__ == "__main__":
    if reason := missing():
        sys.exit(f"no Slurm here: {reason}")
    with cluster() as inside:
        sys.exit(subprocess.run(sys.argv[1:], env=inside).returncode)
