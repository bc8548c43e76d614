# CMake's view of the board. Found through CMAKE_TOOLCHAIN_FILE.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR @ARCH@)
set(CMAKE_C_COMPILER "@BIN@/cc")
set(CMAKE_CXX_COMPILER "@BIN@/c++")
set(CMAKE_AR "@BIN@/ar" CACHE FILEPATH "")
set(CMAKE_RANLIB "@BIN@/ranlib" CACHE FILEPATH "")
set(CMAKE_STRIP "@BIN@/strip" CACHE FILEPATH "")
# zig's linker writes no dependency files.
set(CMAKE_C_LINKER_DEPFILE_SUPPORTED FALSE)
set(CMAKE_CXX_LINKER_DEPFILE_SUPPORTED FALSE)
# Headers and libraries are the board's alone; programs and packages of build requirements are this machine's.
set(CMAKE_FIND_ROOT_PATH "$ENV{EDGEKIT_PYTHON}" "$ENV{EDGEKIT_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)
set(CMAKE_LIBRARY_ARCHITECTURE @MULTIARCH@)
# An emulator that only runs its arguments lets FindPython ask the build's own interpreter. Source: CMake, CMP0190.
set(CMAKE_CROSSCOMPILING_EMULATOR /usr/bin/env)
