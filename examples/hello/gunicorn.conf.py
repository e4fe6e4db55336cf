"""How gunicorn runs the application: from the environment, like all else."""

import glob
import os
import tempfile

# Set before the workers fork and import prometheus_client.
metrics = os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", os.path.join(tempfile.gettempdir(), "prometheus"))

workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "2"))
# gunicorn itself reads PORT and binds 0.0.0.0:$PORT.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
graceful_timeout = 10
# Load once, before forking: a broken configuration stops the server, not one
# worker after the other.
preload_app = True


def on_starting(server):
    os.makedirs(metrics, exist_ok=True)
    for old in glob.glob(os.path.join(metrics, "*.db")):
        os.remove(old)


def child_exit(server, worker):
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
