"""Shows a build back end the board instead of this machine. Runs in the build's environment: no edgekit here.

It lies in site-packages, started by `edgekit_shim.pth`, because only what lies there survives what front ends do to an
environment. It does nothing unless EDGEKIT_PYTHON is set: build requirements are installed by the plain interpreter.
Extension suffixes of the import system stay this machine's: Cython and numpy of this machine have to import.

EDGEKIT_PYTHON     folder of the target Python's headers
EDGEKIT_MULTIARCH  aarch64-linux-gnu
EDGEKIT_GLIBC      2.36
EDGEKIT_JOBS       how many files setuptools may compile at once
"""

import os
import sys


def start():
    """Lie, if asked to."""
    if os.environ.get("EDGEKIT_PYTHON"):
        multiarch = os.environ["EDGEKIT_MULTIARCH"]
        show_machine(multiarch.partition("-")[0], os.environ["EDGEKIT_GLIBC"])
        show_build_variables(os.environ["EDGEKIT_PYTHON"], multiarch)
        jobs = int(os.environ.get("EDGEKIT_JOBS") or 1)
        if jobs > 1:
            sys.meta_path.insert(0, CompilerFinder(jobs))


def show_machine(machine, glibc):
    """What os and platform tell of the system."""
    import platform

    host, confstr = os.uname(), os.confstr
    board = os.uname_result((host.sysname, "board", "5.10.0", "#1 SMP", machine))
    os.uname = lambda: board
    os.confstr = lambda name: "glibc " + glibc if name == "CS_GNU_LIBC_VERSION" else confstr(name)
    platform.libc_ver = lambda *_, **__: ("glibc", glibc)
    platform.processor = lambda: machine
    platform._uname_cache = None


def show_build_variables(folder, multiarch):
    """What sysconfig tells: the variables in the module _edgekit_sysconfigdata, which lies beside this file."""
    import sysconfig

    sys.cross_compiling = True
    sys.implementation._multiarch = multiarch
    os.environ["_PYTHON_HOST_PLATFORM"] = "linux-" + multiarch.partition("-")[0]
    os.environ["_PYTHON_SYSCONFIGDATA_NAME"] = "_edgekit_sysconfigdata"
    sysconfig._CONFIG_VARS = None  # forget what was read before
    sysconfig._CONFIG_VARS_INITIALIZED = False  # Python 3.12 and newer
    variables = sysconfig.get_config_vars()  # base and platbase stay the environment's own
    del os.environ["_PYTHON_SYSCONFIGDATA_NAME"]  # other Pythons that the build calls do not have the module
    variables["installed_base"] = variables["installed_platbase"] = folder


class CompilerFinder:
    """Lets setuptools compile an extension's files at once, in whichever of its modules the compiler class lies."""

    MODULES = {
        "distutils.ccompiler",
        "setuptools._distutils.ccompiler",
        "setuptools._distutils.compilers.C.base",
    }

    def __init__(self, jobs):
        self.jobs = jobs
        self.asking = False

    def find_spec(self, name, path=None, target=None):
        """See importlib.abc.MetaPathFinder."""
        if self.asking or name not in self.MODULES:
            return None
        import importlib.util

        self.asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.asking = False
        if spec is not None:
            run = spec.loader.exec_module

            def run_and_change(module):
                run(module)
                compiler = getattr(module, "CCompiler", None) or getattr(module, "Compiler", None)
                if compiler is not None:
                    compile_at_once(compiler, self.jobs)

            spec.loader.exec_module = run_and_change
        return spec


def compile_at_once(compiler, jobs):
    """compile() calls _compile() for each file: hand these calls to threads, and wait for all before it returns."""
    from concurrent.futures import ThreadPoolExecutor

    one_by_one = compiler.compile
    if getattr(one_by_one, "edgekit", False):
        return

    def compile(self, *args, **kwargs):
        own = self._compile
        running = []
        with ThreadPoolExecutor(jobs) as pool:
            self._compile = lambda *file: running.append(pool.submit(own, *file))
            try:
                objects = one_by_one(self, *args, **kwargs)
            finally:
                del self._compile
        for future in running:
            future.result()
        return objects

    compile.edgekit = True
    compiler.compile = compile
