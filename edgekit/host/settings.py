"""Where this user's edgekit keeps things. Read from the environment in `cli/main.py` alone and handed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Folders of one user. They need not exist; who writes makes them."""

    config_dir: Path
    """Signing key, allowed signers."""
    cache_dir: Path
    """What can be made again: board images, wheels, engines, locks."""
    state_dir: Path
    """What is running or was done: boards, journals."""
    data_dir: Path
    """Folder that holds `targets/`, `recipes/` and `cross/`."""
    fleet_file: Path
    pyenv_root: Path = Path("/nonexistent")
    """Where pyenv keeps Pythons, if it does."""
    find_links: tuple[str, ...] = ()
    """Folders and pages with wheels for the RKNN toolkit, asked before any index."""
    uv_variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What uv is told of indexes: `UV_INDEX`, `UV_INDEX_NAME_PASSWORD` ... Never printed."""
    uv_cache: Path = Path("/nonexistent")
    """Where uv keeps what it has unpacked. Source: uv, Caching, Cache directory."""
    netrc: Path = Path("/nonexistent")
    """Credentials for servers, as curl and uv read them."""
    debian_archive: str = ""
    """Address of a Debian archive; empty: those that this machine's apt is configured with; `none`: do without."""

    @property
    def logs_dir(self) -> Path:
        """The logs of the last runs."""
        return self.state_dir / "logs"

    @property
    def signing_key(self) -> Path:
        """The user's private key for releases, made by `edgekit keys init`."""
        return self.config_dir / "release-key"

    @property
    def trust_dir(self) -> Path:
        """Trust files by fleet, where fleet.toml names no folder for its own."""
        return self.config_dir / "trust"

    @property
    def counters_dir(self) -> Path:
        """The last build's counter of each application."""
        return self.state_dir / "counters"

    @property
    def allowed_signers(self) -> Path:
        """The user's own allowed_signers file, which provisioning installs by default."""
        return self.config_dir / "allowed_signers"


def settings_from(environ: Mapping[str, str], package_dir: Path) -> Settings:
    """Read folders from the environment: `EDGEKIT_HOME` takes everything into one folder, else the XDG variables.

    Raises:
        InputError: the data folder is incomplete.
    """
    home = Path(environ.get("HOME", "/root"))
    own = Path(environ["EDGEKIT_HOME"]).absolute() if environ.get("EDGEKIT_HOME") else None

    def folder(variable: str, default: str) -> Path:
        return Path(environ.get(variable) or home / default).absolute() / "edgekit"

    checkout = package_dir.parent
    data = checkout if (checkout / "targets").is_dir() else package_dir / "data"
    if not (data / "targets").is_dir():
        raise InputError(f"{data}/targets is not there", hint="install edgekit again")
    return Settings(
        config_dir=own / "config" if own else folder("XDG_CONFIG_HOME", ".config"),
        cache_dir=own / "cache" if own else folder("XDG_CACHE_HOME", ".cache"),
        state_dir=own / "state" if own else folder("XDG_STATE_HOME", ".local/state"),
        data_dir=data,
        fleet_file=Path(environ.get("EDGEKIT_FLEET") or "fleet.toml"),
        pyenv_root=Path(environ.get("PYENV_ROOT") or home / ".pyenv"),
        find_links=_find_links(environ),
        uv_variables={name: text for name, text in environ.items() if name.startswith("UV_")},
        uv_cache=Path(environ.get("UV_CACHE_DIR") or Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "uv"),
        netrc=Path(environ.get("NETRC") or home / ".netrc"),
        debian_archive=environ.get("EDGEKIT_DEBIAN_ARCHIVE", ""),
    )


def _find_links(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What uv and pip are told, each in its own way: uv separates by commas, pip by blanks."""
    uv, pip = environ.get("UV_FIND_LINKS", ""), environ.get("PIP_FIND_LINKS", "")
    return tuple(dict.fromkeys(place for place in [*uv.split(","), *pip.split()] if place))
