"""Compiles a folder of Python files. Runs by itself, in the interpreter whose bytecode is wanted: no edgekit here.

The compiled files carry the hash of their source and are not checked against it (PEP 552), and their code names no
folder of the host: importing sets the file name anew. So the same sources give the same bytes in every folder.
"""

import importlib.util
import marshal
import pathlib
import sys
import warnings

UNCHECKED_HASH = (1).to_bytes(4, "little")


def compile_file(source: pathlib.Path, name: str) -> None:
    """Write the bytecode of one file into `__pycache__` beside it; skip a file that does not parse."""
    text = source.read_bytes()
    try:
        code = compile(text, name, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return
    made = pathlib.Path(importlib.util.cache_from_source(str(source), optimization=""))
    made.parent.mkdir(exist_ok=True)
    head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(text)
    made.write_bytes(head + marshal.dumps(code))


def main(folder: str) -> None:
    """Compile every file below a folder, in the order of their names."""
    root = pathlib.Path(folder)
    warnings.simplefilter("ignore")
    for source in sorted(root.rglob("*.py")):
        compile_file(source, source.relative_to(root).as_posix())


if __name__ == "__main__":
    main(sys.argv[1])
