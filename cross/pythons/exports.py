"""Prints the C names that CPythons of one minor version export to extension modules, one a line.

    exports.py FILE... > exports/cp311.txt

FILE is what holds the interpreter: `python3.11`, or `libpython3.11.so.1.0` where it is shared. Of several files those
names are printed that all of them have: what only one build has would let a module pass that a board refuses. What is
missing here, such as the init functions of modules that Debian builds in, no package takes.

    cp39, cp311                Debian 11's and 12's for arm64, and one built from CPython's own source
    cp38, cp310, cp312, cp313  one built from source. Where both are known they differ by two to seven names that
                               packages do not take
"""

import sys
from functools import reduce
from pathlib import Path

from elftools.elf.elffile import ELFFile


def exports(file: Path) -> set[str]:
    """Python's names that an ELF file defines."""
    with file.open("rb") as opened:
        table = ELFFile(opened).get_section_by_name(".dynsym")
        names = {symbol.name for symbol in table.iter_symbols() if symbol["st_shndx"] != "SHN_UNDEF"}
    return {name for name in names if name.startswith(("Py", "_Py"))}


if __name__ == "__main__":
    print(*sorted(reduce(set.intersection, (exports(Path(file)) for file in sys.argv[1:]))), sep="\n")
