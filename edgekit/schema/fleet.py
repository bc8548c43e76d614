"""Devices: `fleet.toml`, as written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgekit.schema.names import Address, ApplicationName, FileName, FolderPath, LabelName, OneLine, TableName
from edgekit.schema.settings import Number

HOST = "host"
"""The name of this machine where it is a device: `edgekit board up --like host`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One board that edgekit can reach."""

    name: str
    address: Address
    """`USER@HOST[:PORT]`, an ssh_config alias, or `local` for this machine without SSH."""
    target: str = ""
    """Empty: matched from the device's facts."""
    labels: dict[LabelName, str] = field(default_factory=dict)
    prefix: FolderPath = "/"
    """Root of edgekit's own tree on the device. Other than `/`: an unprivileged install below that folder."""
    service: Literal["systemd", "process"] = "systemd"
    """How the keeper is kept: a systemd service, or a plain background process (for trying things)."""
    identity: str = ""
    """Private key file; empty: ssh_config's, the agent's and the usual keys."""
    known_hosts: str = ""
    """known_hosts file; empty: the user's own."""
    host_key_alias: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFrom:
    """Where a setting's value comes from that shall stand in no such file: a secret. One of the two."""

    file: str = ""
    """Its first line; relative to the file that names it. Nobody else may read it."""
    command: tuple[OneLine, ...] = ()
    """A program and its arguments, whose first line of output is the value: `["pass", "show", "cameras/gate"]`."""


GivenSettings = dict[ApplicationName, dict[TableName, str | Number | bool | ReadFrom]]
"""Values for applications' settings: `application -> setting -> value`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """A device's settings in a file beside fleet.toml."""

    settings: GivenSettings = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All devices that one file names."""

    name: FileName = ""
    """Of the fleet: releases and trust files that are built here are for its devices alone. Empty: it has none."""
    trust: str = ""
    """Folder of its trust file, for all who sign; empty: one of the user's own."""
    devices: dict[FileName, DeviceFile] = field(default_factory=dict)
    allowed_signers: str = ""
    """File in OpenSSH's format that provisioning installs; empty: the user's own key alone."""
    settings: GivenSettings = field(default_factory=dict)
    """Of all devices; a device's own count before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFile:
    """One `[devices.NAME]` table: a `Device` without its name, and its settings."""

    address: Address
    target: str = ""
    labels: dict[LabelName, str] = field(default_factory=dict)
    prefix: FolderPath = "/"
    service: Literal["systemd", "process"] = "systemd"
    identity: str = ""
    known_hosts: str = ""
    host_key_alias: str = ""
    settings: GivenSettings = field(default_factory=dict)
    """Values that its applications declare: `[devices.NAME.settings.APPLICATION]`."""
    settings_file: str = ""
    """TOML file that holds `[settings.APPLICATION]` tables, beside fleet.toml; what stands here counts before it."""
