"""Asks a tool's own code whether locks are fresh.

oracle.py TOOL < JSON list of folders > JSON list of "fresh", "stale" or "error: …"
"""
import json
import os
import sys
from pathlib import Path


def poetry(folder):
    from poetry.factory import Factory

    p = Factory().create_poetry(Path(folder))
    return p.locker.is_locked() and p.locker.is_fresh()


def pdm(folder):
    from pdm.core import Core

    core = Core()
    p = core.create_project(folder)
    if hasattr(p, "is_lockfile_fresh"):
        return p.is_lockfile_fresh()
    return p.is_lockfile_hash_match()


def pipenv(folder):
    from pipenv.project import Project

    os.chdir(folder)
    os.environ["PIPENV_PIPFILE"] = str(Path(folder) / "Pipfile")
    p = Project()
    if hasattr(p, "pipfile") and hasattr(p.pipfile, "calculate_hash"):
        return p.lockfile.hash() == p.pipfile.calculate_hash()
    return p.get_lockfile_hash() == p.calculate_pipfile_hash()


ask = {"poetry": poetry, "pdm": pdm, "pipenv": pipenv}[sys.argv[1]]
folders = json.load(sys.stdin)
out, sys.stdout = sys.stdout, sys.stderr
answers = []
for folder in folders:
    try:
        answers.append("fresh" if ask(folder) else "stale")
    except BaseException as e:  # a manifest that the tool refuses
        answers.append(f"error: {type(e).__name__}: {e}"[:200])
json.dump(answers, out)
