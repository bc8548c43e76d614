"""What the keeper's service does without, as directives of its unit.

It makes views of the file system for workers, changes users, ends and looks into other processes, and limits them: that
is what it keeps. Workers inherit the rest, and lose more (`device/keeper/process/confinement`). Left out on purpose:

    PrivateTmp, PrivateDevices, ProtectClock, DeviceAllow   workers open cameras, accelerators, and sockets in /tmp
    MemoryDenyWriteExecute                                  libraries of models make code as they run
    RestrictRealtime, CAP_SYS_NICE                          lanes may be scheduled ahead of others
    PrivateNetwork, IPAddressDeny                           cameras and brokers; recipes say `network = "none"`

Source: systemd.exec(5), systemd.resource-control(5), systemd-analyze(1), "security".
"""

from __future__ import annotations

_CAPABILITIES = (
    *("SYS_ADMIN", "SYS_CHROOT"),  # namespaces and mounts, and the way back; programs on cgroups
    *("SETUID", "SETGID", "SETPCAP"),  # workers become other users, without capabilities
    *("CHOWN", "FOWNER", "DAC_OVERRIDE", "DAC_READ_SEARCH"),  # workers' folders
    *("KILL", "SYS_PTRACE", "SYS_NICE", "SYS_RESOURCE"),  # ends, finds and limits what workers started
)
_WRITTEN = ("/var/lib/edgekit", "/etc/edgekit", "/usr/lib/edgekit")
_REFUSED_CALLS = ("clock", "cpu-emulation", "debug", "keyring", "module", "obsolete", "raw-io", "reboot", "swap")

HARDENING = f"""\
NoNewPrivileges=yes
CapabilityBoundingSet={" ".join(f"CAP_{name}" for name in _CAPABILITIES)}
ProtectSystem=strict
ReadWritePaths={" ".join(f"-{path}" for path in _WRITTEN)}
ProtectHome=read-only
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectKernelTunables=yes
ProtectProc=invisible
PrivateMounts=yes
PrivateIPC=yes
KeyringMode=private
LockPersonality=yes
RestrictSUIDSGID=yes
RestrictNamespaces=mnt net ipc
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=~{" ".join(f"@{name}" for name in _REFUSED_CALLS)}
SystemCallErrorNumber=EPERM
"""
"""Lines of the unit's [Service]. An older systemd passes over what it does not know."""
