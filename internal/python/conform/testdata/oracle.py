"""Answers questions with pypa/packaging and pip: oracle.py < JSON questions > JSON answers."""
import json
import os
import sys
import tempfile
from pathlib import Path

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ENV = {}


def compare(a, b):
    try:
        x, y = Version(a), Version(b)
    except InvalidVersion:
        return "invalid"
    return [str(x), (x > y) - (x < y)]


def contains(spec, version):
    try:
        s = SpecifierSet(spec)
    except InvalidSpecifier:
        return "invalid"
    try:
        v = Version(version)
    except InvalidVersion:
        return "invalid version"
    return [s.contains(v, prereleases=True), sorted(f"{c.operator}{c.version}" for c in s)]


def marker(text, env):
    try:
        m = Marker(text)
    except InvalidMarker:
        return "invalid"
    try:
        return m.evaluate(env)
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion, InvalidSpecifier):
        return "undefined"


def requirement(text):
    try:
        r = Requirement(text)
    except InvalidRequirement:
        return "invalid"
    return {
        "name": canonicalize_name(r.name),
        "extras": sorted(r.extras),
        "spec": sorted(f"{c.operator}{c.version}" for c in r.specifier),
        "url": r.url or "",
        "marker": r.marker is not None,
    }


def requirements_file(files, env):
    """The lines as pip's own parser yields them, and what pip makes of each."""
    from pip._internal.exceptions import InstallationError
    from pip._internal.req.constructors import parse_req_from_line
    from pip._internal.req.req_file import RequirementsFileParser, get_line_parser

    os.environ.update(env)
    with tempfile.TemporaryDirectory() as d:
        for name, data in files.items():
            (Path(d) / name).write_bytes(data.encode("latin-1"))
        parser = RequirementsFileParser(None, get_line_parser(None))
        out = []
        try:
            for line in parser.parse(str(Path(d) / "r.txt"), False):
                o = {k: v for k, v in line.opts.__dict__.items() if v and not callable(v)}
                item = {"file": os.path.relpath(line.filename, d), "line": line.lineno, "constraint": line.constraint}
                if line.requirement is not None and line.is_editable and not line.args:
                    item["editable"] = line.requirement
                elif line.requirement is not None:
                    item["requirement"] = line.requirement
                    item["hashes"] = sorted(f"{a}:{h}" for a, hs in (o.get("hashes") or {}).items() for h in hs)
                    try:
                        parts = parse_req_from_line(line.requirement, None)
                        if parts.link is None and parts.requirement is not None:
                            r = parts.requirement
                            item["name"] = canonicalize_name(r.name)
                            item["extras"] = sorted(r.extras)
                            item["spec"] = sorted(f"{c.operator}{c.version}" for c in r.specifier)
                            item["marker"] = parts.markers is not None
                        else:
                            item["link"] = True
                    except InstallationError as e:
                        item["refused"] = "path" if "looks like a path" in str(e) or "is not installable" in str(e) else True
                    except Exception as e:
                        item["link" if type(e).__name__ == "InvalidWheelFilename" else "refused"] = True
                else:
                    flat = {}
                    for k in ("index_url", "extra_index_urls", "no_index", "find_links", "require_hashes", "no_require_hashes", "pre", "prefer_binary", "trusted_hosts"):
                        if o.get(k):
                            flat[k] = o[k]
                    item["options"] = flat
                out.append(item)
        except InstallationError as e:
            return {"lines": out, "error": type(e).__name__}
        except (UnicodeDecodeError, LookupError):
            return {"lines": out, "error": "decoding"}
        except RecursionError:
            return {"lines": out, "error": "recursion"}
        return {"lines": out}


ASK = {f.__name__: f for f in (compare, contains, marker, requirement, requirements_file)}
questions = json.load(sys.stdin)
real, sys.stdout = sys.stdout, sys.stderr
json.dump([ASK[q[0]](*q[1:]) for q in questions], real)
