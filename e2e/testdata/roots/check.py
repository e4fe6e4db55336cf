"""Looks at an installation from inside: hashes, imports, shared libraries.

Prints one JSON document: what was looked at, and every problem.
"""

import base64
import contextlib
import hashlib
import importlib.metadata
import io
import json
import os
import pathlib
import subprocess
import sys
import sysconfig

site = pathlib.Path(sysconfig.get_path("purelib"))
problems = []
# Modules that import only after another one, as they say themselves.
first = {"psycopg_binary": "psycopg"}
files = modules = libraries = 0


def top_level(distribution):
    """The modules that a distribution brings, as its own files show."""
    names = set()
    for file in distribution.files or []:
        parts = file.parts
        if parts[0].startswith("..") or parts[0].endswith((".dist-info", ".libs", ".data")):
            continue
        if len(parts) > 1:
            if parts[1] == "__init__.py" or parts[1].startswith("__init__.cpython"):
                names.add(parts[0])
        elif file.suffix == ".py" or file.suffix == ".so":
            names.add(parts[0].split(".")[0])
    return sorted(n for n in names if n.isidentifier())


for distribution in sorted(importlib.metadata.distributions(path=[str(site)]), key=lambda d: d.name):
    for file in distribution.files or []:
        path = pathlib.Path(file.locate())
        if not path.is_file():
            problems.append(f"{distribution.name}: {file} is in RECORD and not installed")
            continue
        if file.hash is None:
            if file.name != "RECORD":
                problems.append(f"{distribution.name}: {file} has no hash")
            continue
        files += 1
        data = path.read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.new(file.hash.mode, data).digest())
        if digest.rstrip(b"=").decode() != file.hash.value:
            problems.append(f"{distribution.name}: {file} differs from its hash")
        if len(data) != file.size:
            problems.append(f"{distribution.name}: {file} has another size")
    for name in top_level(distribution):
        modules += 1
        # Each on its own: what one imports must not help the next.
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", f"import {first.get(name, name)}, {name}"],
            capture_output=True, text=True, check=False, cwd="/",
        )
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            problems.append(f"{distribution.name}: import {name}: {last}")

loader = next(p for p in ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1") if os.path.exists(p))
recorded = {p for p in site.rglob("*.so*") if p.is_file()}
for path in sorted(recorded):
    with open(path, "rb") as f:
        if f.read(4) != b"\x7fELF":
            continue
    libraries += 1
    done = subprocess.run([loader, "--list", str(path)], capture_output=True, text=True, check=False)
    for line in (done.stdout + done.stderr).splitlines():
        if "not found" in line or "cannot open" in line:
            problems.append(f"{path.relative_to(site)}: {line.strip()}")

unowned = {p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()}
for distribution in importlib.metadata.distributions(path=[str(site)]):
    unowned -= {os.path.normpath(f).replace("\\", "/") for f in map(str, distribution.files or [])}
problems += [f"{name} belongs to no RECORD" for name in sorted(unowned)]

out = io.StringIO()
sys.path.insert(0, sys.argv[1])
from pip._internal.cli.main import main  # noqa: E402

with contextlib.redirect_stdout(out):
    code = main(["check", "--disable-pip-version-check"])
if code != 0:
    problems += [f"pip check: {line}" for line in out.getvalue().splitlines()]

json.dump({"python": sys.version.split()[0], "files": files, "modules": modules, "libraries": libraries,
           "pip": out.getvalue().strip().splitlines()[-1], "problems": problems}, sys.stdout)
