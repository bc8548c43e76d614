"""Runs code that nobody vouches for: back ends of source packages, wheels just built, a vendor's compiler.

box.py         what such a program may see, and the file system that follows from it: pure
bubblewrap.py  that file system as a command line of bubblewrap
namespaces.py  the same by the kernel alone, where bubblewrap is missing; `inside.py` is its script
left.py        opens what such programs leave
sandbox.py     tries which of the two this machine allows, and runs programs in it
"""
