"""The example application with what releases do wrong, switched by the environment."""

import os
import random

from flask import request
from prometheus_client import Gauge

from hello.app import OPERATIONS, create_app

CRASH_SHARE = float(os.environ.get("CRASH_SHARE", "0"))
LEAK_KB = int(os.environ.get("LEAK_KB", "0"))

MEMORY = Gauge("app_resident_memory_bytes", "Resident memory of all workers.", multiprocess_mode="livesum")
PAGE = os.sysconf("SC_PAGE_SIZE")

app = create_app()
kept = []


@app.before_request
def misbehave():
    if request.path in OPERATIONS:
        return
    if CRASH_SHARE and random.random() < CRASH_SHARE:
        os._exit(1)
    if LEAK_KB:
        kept.append(bytearray(os.urandom(1024) * LEAK_KB))
    with open("/proc/self/statm", encoding="ascii") as f:
        MEMORY.set(int(f.read().split()[1]) * PAGE)


@app.get("/boom")
def boom():
    return "boom", 500
