"""Ray: being connected to a cluster, and what its workers get."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from qgbatch.errors import ModelError, SettingsError
from qgbatch.settings import RunnerSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pool:
    """How many workers there may be, and what each gets."""

    fewest: int
    most: int
    num_cpus: int
    num_gpus: float


def require_ray() -> None:
    """See that Ray is installed, before anything is read.

    Raises:
        ModelError: it is not.
    """
    if not importlib.util.find_spec("ray"):
        raise ModelError("--runner ray needs the package ray.", "Install it: pip install 'qgbatch[ray]'")


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be connected to the cluster at an address (or in ``RAY_ADDRESS``), else to one of this machine alone.

    The one of this machine listens on loopback only and leaves no files.

    Raises:
        SettingsError: no cluster answers there.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # each takes 40 s where nobody answers
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what ends the run is said by us
    if not address:
        # The name is that of the one place where Ray chooses between loopback and all networks.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray
    from ray.data import DataContext

    with TemporaryDirectory(prefix="qgbatch-ray-", ignore_cleanup_errors=True) as directory:
        try:
            ray.init(
                address or "local",
                logging_level=logging.ERROR,
                include_dashboard=None if address else False,
                _temp_dir=None if address else directory,
            )
        except (ConnectionError, ValueError) as error:
            raise SettingsError(
                f"--ray-address {address}: no Ray cluster answers ({error}).",
                "Start one with: ray start --head; or leave the option out.",
            ) from error
        try:
            context = DataContext.get_current()
            context.enable_progress_bars = False
            context.max_errored_blocks = -1  # the driver sees which are missing
            logging.getLogger("ray.data").setLevel(logging.CRITICAL)
            yield
        finally:
            ray.shutdown()


def choose_pool(runner: RunnerSettings, device: str) -> Pool:
    """A worker for each GPU, or for each core where there is none, but for what is asked for.

    The cores of the cluster are shared out among the workers.

    Raises:
        SettingsError: a worker needs more GPUs than the cluster has.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    cpus, n_gpus = [int(node.get("CPU", 0)) for node in nodes], sum(node.get("GPU", 0.0) for node in nodes)
    wants_gpu = device == "auto" or device.startswith("cuda")
    num_gpus = runner.gpus_per_worker
    if num_gpus is None:
        num_gpus = 1.0 if n_gpus and wants_gpu else 0.0
    if num_gpus > n_gpus:
        raise SettingsError(
            f"--gpus-per-worker {num_gpus:g}: the cluster has {n_gpus:g} GPUs.", "Ask for fewer."
        )
    fewest, most = runner.bounds or (0, 0)
    if not most:
        fewest = most = max(1, int(n_gpus / num_gpus) if num_gpus else sum(cpus))
    if sum(cpus) < fewest:
        logger.warning("The cluster has %d cores: not all of %d workers may start.", sum(cpus), fewest)
    return Pool(fewest, most, share_cores(cpus, most), num_gpus)


def share_cores(cpus: Sequence[int], n_workers: int) -> int:
    """The most cores for each of the workers with which nodes of so many cores hold all of them, or one."""
    fitting = (cores for cores in range(max(cpus), 1, -1) if sum(n // cores for n in cpus) >= n_workers)
    return next(fitting, 1)
