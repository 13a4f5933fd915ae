"""Ray: being connected to a cluster, and what its workers get."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from qgbatch.errors import SettingsError
from qgbatch.settings import RunnerSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pool:
    """How many workers there may be, and what each gets."""

    min_workers: int
    max_workers: int
    num_cpus: int
    num_gpus: float


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
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters of it comes as an exception
    if not address:
        # The name is that of the one place where Ray chooses between loopback and all networks.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray
    from ray.data import DataContext

    with TemporaryDirectory(prefix="qgbatch-ray-", ignore_cleanup_errors=True) as directory:
        on_sigterm = signal.getsignal(signal.SIGTERM)
        try:
            with _silent_stderr():
                ray.init(
                    address or "local",
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                    include_dashboard=None if address else False,
                    _temp_dir=None if address else directory,
                )
        except (ConnectionError, ValueError) as error:
            raise SettingsError(
                f"--ray-address {address}: no Ray cluster answers ({error}).",
                "Start one with: ray start --head; or leave the option out.",
            ) from error
        try:
            with suppress(ValueError):  # only the main thread sets handlers; Ray has put its own there
                signal.signal(signal.SIGTERM, on_sigterm)
            context = DataContext.get_current()
            context.enable_progress_bars = False
            logging.getLogger("ray.data").setLevel(logging.CRITICAL)
            yield
        finally:
            ray.shutdown()


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what native code writes to standard error; Ray's says there that it was told to be silent."""
    saved = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


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
    min_workers, max_workers = runner.bounds or (0, 0)
    if not max_workers:
        min_workers = max_workers = max(1, int(n_gpus / num_gpus) if num_gpus else sum(cpus))
    if sum(cpus) < min_workers:
        logger.warning("The cluster has %d cores: not all of %d workers may start.", sum(cpus), min_workers)
    return Pool(min_workers, max_workers, share_cores(cpus, max_workers), num_gpus)


def share_cores(cpus: Sequence[int], n_workers: int) -> int:
    """The most cores for each of the workers with which nodes of so many cores hold all of them, or one."""
    fitting = (cores for cores in range(max(cpus), 1, -1) if sum(n // cores for n in cpus) >= n_workers)
    return next(fitting, 1)
