"""The Ray cluster: how to connect to it, and how many workers with which resources to start."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from qgbatch.errors import SettingsError
from qgbatch.settings import RunnerSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pool:
    """The number of workers, and the resources of each."""

    min_workers: int
    max_workers: int
    num_cpus: int
    """CPU cores per worker."""
    num_gpus: float
    """GPUs per worker; a fraction if workers share one."""


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a Ray cluster for the duration of the block.

    Without an address, the environment variable ``RAY_ADDRESS`` is used. Without either, Ray starts on
    this machine only; it then listens on the loopback interface and its files are removed afterwards.

    Raises:
        SettingsError: No cluster answers at the address.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    _set_ray_environment(is_local=not address)
    import ray
    from ray.data import DataContext

    with TemporaryDirectory(prefix="qgbatch-ray-", ignore_cleanup_errors=True) as directory:
        on_sigterm = signal.getsignal(signal.SIGTERM)
        try:
            _keep_command_line_private()
            _keep_standard_output_empty()
            # Ray adds the current directory to the import path of the workers. Its name need not be UTF-8,
            # and a file in it could replace a module.
            with _silent_stderr(), chdir(directory):
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
                "Start one with: ray start --head; or omit the option.",
            ) from error
        try:
            with suppress(ValueError):  # Ray replaced our handler; only the main thread can restore it
                signal.signal(signal.SIGTERM, on_sigterm)
            context = DataContext.get_current()
            context.enable_progress_bars = False
            logging.getLogger("ray.data").setLevel(logging.CRITICAL)
            yield
        finally:
            ray.shutdown()


def _set_ray_environment(*, is_local: bool) -> None:
    """Set environment variables that Ray reads when it is imported; the user's own values win."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # each retry takes 40 s if nothing answers
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # errors arrive as exceptions anyway
    if is_local:
        # Despite its name, 0 makes Ray bind to loopback only, on Linux too.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"


def _keep_command_line_private() -> None:
    """Keep Ray from recording the command line, which fails if a name in it is not UTF-8."""
    from ray._private import utils

    utils.get_entrypoint_name = lambda: "qgbatch"


def _keep_standard_output_empty() -> None:
    """Keep Ray from printing there that a worker died, which ``log_to_driver`` does not prevent."""
    from ray._private import worker

    worker._worker_logs_enabled = False


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Discard what native code writes to standard error, such as Ray's notes about its log settings."""
    saved = os.dup(2)
    with open(os.devnull, "wb") as devnull:
        os.dup2(devnull.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def choose_pool(runner: RunnerSettings, device: str) -> Pool:
    """Choose the number of workers and their resources.

    By default there is one worker per GPU, or one per CPU core if the cluster has no GPU. The cores
    are divided among the workers.

    Args:
        runner: May set the number of workers and the GPUs per worker.
        device: The setting ``--device``; with ``cpu`` no worker reserves a GPU.

    Raises:
        SettingsError: A worker needs more GPUs than the cluster has.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    node_cores = [int(node.get("CPU", 0)) for node in nodes]
    n_cores, n_gpus = sum(node_cores), sum(node.get("GPU", 0.0) for node in nodes)
    uses_gpu = device == "auto" or device.startswith("cuda")
    num_gpus = runner.gpus_per_worker
    if num_gpus is None:
        num_gpus = 1.0 if n_gpus and uses_gpu else 0.0
    if num_gpus > n_gpus:
        raise SettingsError(
            f"--gpus-per-worker {num_gpus:g}: the cluster has only {n_gpus:g} GPUs.",
            "Use a smaller number.",
        )
    min_workers, max_workers = runner.bounds or (0, 0)
    if not max_workers:
        min_workers = max_workers = max(1, int(n_gpus / num_gpus) if num_gpus else n_cores)
    if n_cores < min_workers:
        logger.warning(
            "The cluster has %d CPU cores for %d workers: some workers may not start.", n_cores, min_workers
        )
    return Pool(min_workers, max_workers, cores_per_worker(node_cores, max_workers), num_gpus)


def cores_per_worker(node_cores: Sequence[int], n_workers: int) -> int:
    """The largest number of cores per worker with which all workers fit on the nodes; at least 1.

    Args:
        node_cores: CPU cores of each node. A worker runs on one node.
        n_workers: The number of workers.
    """
    fitting = (
        cores
        for cores in range(max(node_cores), 1, -1)
        if sum(available // cores for available in node_cores) >= n_workers
    )
    return next(fitting, 1)
