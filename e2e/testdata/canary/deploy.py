#!/usr/bin/env python3
"""A target's command, as somebody would write it: blue and green behind haproxy.

deploy.py SETTINGS is told by FAIRLEAD_PHASE what to do. It starts the release on
the idle port, waits until it is healthy, sends the traffic there and stops the
other one. The settings name the program, the two ports, haproxy's socket and the
environment of each release.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request


def main():
    settings = json.load(open(sys.argv[1], encoding="utf-8"))
    place = sys.argv[1] + ".state"
    state = json.load(open(place, encoding="utf-8")) if os.path.exists(place) else {}
    phase, digest = os.environ["FAIRLEAD_PHASE"], os.environ.get("FAIRLEAD_DIGEST")
    if phase == "observe":
        print(state.get("digest", ""))
        return
    with open(sys.argv[1] + ".log", "a", encoding="utf-8") as log:
        print(phase, digest, file=log)
    if phase == "abort" or state.get("digest") == digest:
        return
    port = next(p for p in settings["ports"] if p != state.get("port"))
    process = start(settings, settings["releases"][digest], port)
    if not healthy(port):
        stop(process.pid)
        sys.exit("it does not get healthy")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(settings["socket"])
        s.sendall(f"set server production/one addr 127.0.0.1 port {port}\n".encode())
        s.recv(4096)
    with open(place, "w", encoding="utf-8") as f:
        json.dump({"digest": digest, "port": port, "pid": process.pid}, f)
    if state:
        time.sleep(3)  # what is under way ends, and what waits to be accepted
        stop(state["pid"])


def start(settings, environment, port):
    env = dict(os.environ, **settings["environment"], **environment)
    env["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(dir=settings["dir"])
    log = open(os.path.join(settings["dir"], f"app-{port}.log"), "ab")
    return subprocess.Popen(
        [*settings["program"], "--bind", f"127.0.0.1:{port}", "shop:app"], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def stop(pid):
    try:
        os.killpg(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass


def healthy(port):
    for _ in range(300):
        try:
            if urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2).status == 200:
                return True
        except OSError:
            pass
        time.sleep(0.1)
    return False


main()
