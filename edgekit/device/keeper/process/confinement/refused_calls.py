"""The system calls that no worker needs, as a filter that the kernel runs before each call.

A list of what is refused, not of what is allowed: drivers of accelerators use calls that nobody has written down. What
is newer than the list is refused too, as a call that this kernel does not have.

Source: Linux, Documentation/userspace-api/seccomp_filter.rst; include/uapi/linux/{audit,bpf_common,seccomp}.h.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

# fmt: off
_REFUSED = {  # name: (x86-64, arm64); 0 is a call that the processor's Linux does not have
    # other processes, also those of the same user
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    # file systems and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "open_by_handle_at": (304, 265), "fanotify_init": (300, 262),
    "swapon": (167, 224), "swapoff": (168, 225),
    # the kernel itself
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "syslog": (103, 116), "acct": (163, 89),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "lookup_dcookie": (212, 18), "nfsservctl": (180, 42),
    "iopl": (172, 0), "ioperm": (173, 0), "modify_ldt": (154, 0), "uselib": (134, 0), "ustat": (136, 0),
    "sysfs": (139, 0), "create_module": (174, 0), "query_module": (178, 0), "get_kernel_syms": (177, 0),
    "_sysctl": (156, 0), "vhangup": (153, 58),
    # keys, names and time
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "sethostname": (170, 161),
    "setdomainname": (171, 162), "settimeofday": (164, 170), "clock_settime": (227, 112),
}
# fmt: on
_CLONE, _CLONE3, _SOCKET, _PERSONALITY = (56, 220), 435, (41, 198), (135, 92)
_NEWEST = 462
"""mseal, Linux 6.10."""
_NAMESPACES = 0x7E020000
"""CLONE_NEW*, without the namespace of time, which `clone` cannot make."""
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_ASK_PERSONALITY = 0xFFFFFFFF
_X32 = 0x40000000

_LOAD, _EQUAL, _ABOVE, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16
"""Offsets in `struct seccomp_data`; both processors are little-endian, so an argument's low half comes first."""
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Processor:
    column: int
    audit: int
    """AUDIT_ARCH_*: which calling convention a process uses."""
    x32: bool


_PROCESSORS = {
    "x86_64": _Processor(column=0, audit=0xC000003E, x32=True),
    "aarch64": _Processor(column=1, audit=0xC00000B7, x32=False),
}


def refusing_filter(machine: str, *, network: bool) -> bytes:
    """The filter as the kernel takes it (`struct sock_filter[]`); empty for a processor that is not known.

    Args:
        machine: as `os.uname` names it.
        network: whether it may make sockets beside those within the board (AF_UNIX).
    """
    processor = _PROCESSORS.get(machine)
    if processor is None:
        return b""
    families = (_UNIX, _INET, _INET6, _NETLINK) if network else (_UNIX,)
    column = processor.column
    steps = [_step(_LOAD, _MACHINE), *_unless(_EQUAL, processor.audit, _KILL), _step(_LOAD, _NUMBER)]
    if processor.x32:
        steps += _if(_AT_LEAST, _X32, _error(errno.ENOSYS))
    steps += _if(_ABOVE, _NEWEST, _error(errno.ENOSYS))
    steps += _if(_EQUAL, _CLONE3, _error(errno.ENOSYS))  # its flags lie in memory; libraries take clone then
    for numbers in _REFUSED.values():
        if numbers[column]:
            steps += _if(_EQUAL, numbers[column], _error(errno.EPERM))
    steps += _call(_CLONE[column], _if(_ANY_BIT, _NAMESPACES, _error(errno.EPERM)), _ALLOW)
    steps += _call(_SOCKET[column], _one_of(families), _error(errno.EAFNOSUPPORT))
    steps += _call(_PERSONALITY[column], _one_of((0, _ASK_PERSONALITY)), _error(errno.EPERM))
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def _call(number: int, checks: list[bytes], otherwise: int) -> list[bytes]:
    """What is looked at in one call's first argument, and what comes of it where nothing was found."""
    inner = [_step(_LOAD, _FIRST_ARGUMENT), *checks, _step(_RETURN, otherwise)]
    return [_step(_EQUAL, number, yes=0, no=len(inner)), *inner]


def _one_of(values: tuple[int, ...]) -> list[bytes]:
    return [step for value in values for step in _if(_EQUAL, value, _ALLOW)]


def _if(test: int, value: int, result: int) -> list[bytes]:
    return [_step(test, value, yes=0, no=1), _step(_RETURN, result)]


def _unless(test: int, value: int, result: int) -> list[bytes]:
    return [_step(test, value, yes=1, no=0), _step(_RETURN, result)]


def _error(number: int) -> int:
    return _REFUSE | number


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)
