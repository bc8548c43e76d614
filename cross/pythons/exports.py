"""Prints the C names that a CPython exports to extension modules: exports.py PYTHON > exports/cp311.txt

Names that only this machine's build has would do harm; names that only the board's has would be missed. Both differ by
a handful between builds of one minor version, none of them public.
"""

import subprocess
import sys
from pathlib import Path

from elftools.elf.elffile import ELFFile

ASK = """
import sys, sysconfig
shared = sysconfig.get_config_var("Py_ENABLE_SHARED")
print(sysconfig.get_config_var("LDLIBRARY") if shared else sys.executable)
print(sysconfig.get_config_var("LIBDIR"))
"""


def main(python: str) -> None:
    """Print one name a line, sorted."""
    name, folder = subprocess.run([python, "-c", ASK], capture_output=True, text=True, check=True).stdout.split()
    with Path(folder, name).open("rb") as file:
        table = ELFFile(file).get_section_by_name(".dynsym")
        names = {symbol.name for symbol in table.iter_symbols() if symbol["st_shndx"] != "SHN_UNDEF"}
    print(*sorted(name for name in names if name.startswith(("Py", "_Py"))), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
