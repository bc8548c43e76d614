"""Prints the packages of all sets of a suite: names.py SUITE"""

import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SETS = tomllib.loads(Path(__file__).with_name("sets.toml").read_text(encoding="utf-8"))["sets"].values()
print(*sorted({name for found in SETS if found["suite"] == sys.argv[1] for name in found["packages"]}))
