#!/usr/bin/env python3
"""Prints the line coverage of each module, the lowest first, from the JSON file that `swift test` writes.

Usage: coverage_table.py FILE
"""

import collections
import json
import pathlib
import sys

SOURCES = pathlib.Path(__file__).resolve().parent.parent / "Sources"


def main():
    modules = collections.defaultdict(lambda: [0, 0])
    report = json.loads(pathlib.Path(sys.argv[1]).read_text())["data"][0]
    for file in report["files"]:
        path = pathlib.Path(file["filename"])
        if SOURCES in path.parents:
            lines = file["summary"]["lines"]
            for name in (path.relative_to(SOURCES).parts[0], "all"):
                modules[name][0] += lines["covered"]
                modules[name][1] += lines["count"]
    print(f"{'module':16}  {'lines':>6}  {'covered':>7}")
    for name, (covered, count) in sorted(modules.items(), key=lambda item: item[1][0] / item[1][1]):
        print(f"{name:16}  {count:6}  {covered / count:7.1%}")


main()
