"""Asks pip's own finder which file it takes for each requirement of a file.

stdin: {"file": path, "targets": [{"platforms": [...], "version": [3, 11, 7], "env": {...}}]}
stdout: one object a target: name -> file name, or null where no wheel fits.
"""

import json
import sys

from pip._internal.index.collector import LinkCollector
from pip._internal.index.package_finder import PackageFinder
from pip._internal.models.format_control import FormatControl
from pip._internal.models.index import PyPI
from pip._internal.models.search_scope import SearchScope
from pip._internal.models.selection_prefs import SelectionPreferences
from pip._internal.models.target_python import TargetPython
from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import parse_requirements
from pip._vendor.packaging.utils import canonicalize_name


def main():
    question = json.load(sys.stdin)
    session = PipSession(cache=question.get("cache"))
    collector = LinkCollector(session, SearchScope([], [PyPI.simple_url], False))
    pages = {}
    fetch = collector.fetch_response

    def once(location, **rest):  # every target reads the same pages
        if location.url not in pages:
            pages[location.url] = fetch(location, **rest)
        return pages[location.url]

    collector.fetch_response = once
    wanted = [
        install_req_from_parsed_requirement(r)
        for r in parse_requirements(question["file"], session=session)
    ]
    answers = []
    for target in question["targets"]:
        finder = PackageFinder.create(
            link_collector=collector,
            selection_prefs=SelectionPreferences(
                allow_yanked=True, format_control=FormatControl(set(), {":all:"})
            ),
            target_python=TargetPython(
                platforms=target["platforms"],
                py_version_info=tuple(target["version"]),
                implementation="cp",
            ),
        )
        answer = {}
        for req in wanted:
            if req.markers is not None and not req.markers.evaluate(target["env"]):
                continue
            hashes = req.hashes(trust_internet=False)
            # Files of other versions are no candidates: looking at each of them
            # for every target takes minutes.
            (pin,) = req.specifier
            short = pin.version.split("+")[0].rstrip(".0")
            finder.evaluate_links = lambda evaluator, links: PackageFinder.evaluate_links(
                finder, evaluator, [x for x in links if short in x.filename]
            )
            best = finder.find_best_candidate(
                req.name, specifier=req.specifier, hashes=hashes
            ).best_candidate
            name = canonicalize_name(req.name)
            if best is None or not best.link.is_hash_allowed(hashes):
                answer[name] = None
            else:
                answer[name] = best.link.filename
        answers.append(answer)
    json.dump(answers, sys.stdout)


main()
