"""Replaces nanobind's stubgen.py, which would import the module: one compiled for a board loads only there.

Stubs are for editors and type checkers; what is written lets these take everything as it comes. Source: PEP 484, Stub
files; nanobind, Typing, command line interface.
"""

import argparse
from pathlib import Path

TEXT = "from typing import Any\n\ndef __getattr__(name: str) -> Any: ...\n"


def main():
    """Write what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--output-file")
    parser.add_argument("-O", "--output-dir")
    for flags in (("-i", "--import"), ("-m", "--module"), ("-M", "--marker-file")):
        parser.add_argument(*flags, action="append", default=[], dest=flags[1].strip("-"))
    asked, _ = parser.parse_known_args()
    folder = Path(asked.output_dir or next(iter(vars(asked)["import"]), "."))
    for module in asked.module:
        stub = Path(asked.output_file or folder / (module.rpartition(".")[2] + ".pyi"))
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(TEXT, encoding="utf-8")
    for marker in vars(asked)["marker-file"]:
        Path(marker).touch()


if __name__ == "__main__":
    main()
