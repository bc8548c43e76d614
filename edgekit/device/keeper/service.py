"""`run`: puts the keeper together from its parts, and runs its loop until SIGTERM."""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from edgekit.device.keeper.admission import read_available, read_memory
from edgekit.device.keeper.allocator import return_memory
from edgekit.device.keeper.context import KeeperContext
from edgekit.device.keeper.control.listener import ControlServer
from edgekit.device.keeper.control.locks import DeploymentLocks
from edgekit.device.keeper.control.session import Services
from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.incidents.board_watch import ClockWatch, RunMark
from edgekit.device.keeper.incidents.recorder import IncidentRecorder
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.loop import Keeper
from edgekit.device.keeper.memory_watch import MemoryWatch
from edgekit.device.keeper.notify import Notifier
from edgekit.device.keeper.own_trial import OwnTrial
from edgekit.device.keeper.process.cgroup import Limiter, find_limiter, is_delegated
from edgekit.device.keeper.process.confinement.confined import confinement_here
from edgekit.device.keeper.process.confinement.users import Owner, Users
from edgekit.device.keeper.process.isolation import Isolation
from edgekit.device.keeper.process.journal import Journal, stderr_sink
from edgekit.device.keeper.process.kernel_files import boot_name
from edgekit.device.keeper.process.life import WorkerContext
from edgekit.device.keeper.process.orphans import Orphans
from edgekit.device.keeper.process.worker_sockets import WorkerSockets, serves_models, shows_pictures
from edgekit.device.keeper.status import Figures
from edgekit.device.keeper.telemetry import BoardSensors
from edgekit.device.keeper.update.board_settings import SettingsFiles
from edgekit.device.keeper.update.patch_child import PatchStarter
from edgekit.device.keeper.update.patches import Patches
from edgekit.device.keeper.update.releases import Releases
from edgekit.device.keeper.update.reserve import DiskReserve
from edgekit.device.keeper.update.store import Store
from edgekit.errors import InputError, LockHeld
from edgekit.executor.child import start_child
from edgekit.executor.local import LocalExecutor
from edgekit.schema.board import CONTROL_GROUP, UNIT, WORKER_USER
from edgekit.schema.incident import Incident
from edgekit.trust import sha256_file

_STDERR = 2
_MAX_SOCKET_BYTES = 100


def run(layout: Layout, program: Path, environ: Mapping[str, str]) -> int:
    """Be the keeper of this prefix until SIGTERM.

    Raises:
        LockHeld: another keeper runs here.
        InputError: the prefix is too long for a socket, or provisioning has not made the worker's user.
    """
    os.umask(0o022)
    return_memory()
    owner, group = _accounts(layout)
    disk = Filesystem()
    _make_folders(layout, disk)
    tempfile.tempdir = str(layout.run_dir)  # signatures are checked by files, also while the disk is full
    with only_one(layout, disk):
        journal = Journal(stderr_sink(_STDERR, layout.log_file.with_suffix(".log.1"), disk), time.time)
        notifier = Notifier(environ, time.monotonic)
        limiter = find_limiter(root=Path("/sys/fs/cgroup"), proc=Path("/proc"), delegated=is_delegated)
        orphans = Orphans(layout.workers_dir, disk)
        _end_leftovers(limiter, orphans, journal)
        workers = WorkerContext(
            disk=disk,
            starter=start_child,
            journal=journal,
            orphans=orphans,
            users=Users(owner, layout.applications_dir) if owner else None,
            clock=time.monotonic,
            previews=WorkerSockets(disk=disk, folder=layout.previews_dir, group=group, wanted=shows_pictures),
            servers=WorkerSockets(disk=disk, folder=layout.servers_dir, group=group, wanted=serves_models),
        )
        services = _assemble(layout, limiter, workers, notifier, program)
        _listen_to_signals(services.keeper)
        server = ControlServer(services, layout.socket, group=group, log=journal.write)
        services.keeper.step()
        server.start()
        mark = RunMark(layout.run_mark, disk, time.time, boot_name(workers.proc))
        services.recorder.start(partial(begin, mark, services.keeper), mark.end)
        with suppress(RuntimeError):  # no thread to be had: the next client's clearing out does it too
            threading.Thread(target=services.keeper.folders.clear, name="clear", daemon=True).start()
        watch = MemoryWatch(services.keeper.workers, time.monotonic, journal.write)
        watch.start()
        notifier.ready()
        journal.write(f"keeper: ready, {limiter.note or 'limits are enforced'}")
        services.keeper.run()
        notifier.stopping()
        watch.stop()
        server.close()
        services.recorder.close()
    return 0


@contextmanager
def only_one(layout: Layout, disk: Filesystem) -> Iterator[None]:
    """Hold the prefix's lock, with this process's id in it.

    Raises:
        LockHeld: another keeper has it.
    """
    with disk.open_note(layout.lock_file) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            end = f"systemctl stop {UNIT}" if layout.owned else f"edgekitd.pyz halt --prefix {layout.prefix}"
            raise LockHeld(f"a keeper runs below {layout.prefix} already", hint=f"{end} ends it") from None
        disk.empty(file.fileno())
        file.write(str(os.getpid()).encode())
        file.flush()
        yield


def begin(mark: RunMark, keeper: Keeper) -> Incident | None:
    """Put the mark of a keeper that runs.

    Returns:
        What the one before tells, where it was left without warning: then all that runs, or would be gone back to, is
        read whole, as the disk may hold anything.
    """
    found = mark.begin()
    if found:
        keeper.examine()
    return found


def _accounts(layout: Layout) -> tuple[Owner | None, int | None]:
    """Whom workers run as, and the group that may use the socket: only the system's own keeper has these."""
    if not layout.owned or os.geteuid() != 0:
        return None, None
    try:
        user = pwd.getpwnam(WORKER_USER)
        groups = tuple(os.getgrouplist(WORKER_USER, user.pw_gid))
        return Owner(uid=user.pw_uid, gid=user.pw_gid, groups=groups), grp.getgrnam(CONTROL_GROUP).gr_gid
    except KeyError as error:
        raise InputError(f"this system lacks an account: {error}", hint="edgekit provision the device again") from None


def _make_folders(layout: Layout, disk: Filesystem) -> None:
    if len(os.fsencode(layout.socket)) > _MAX_SOCKET_BYTES:
        raise InputError(f"{layout.socket} is too long for a socket", hint="choose a shorter --prefix")
    state = (layout.store_dir, layout.incoming_dir, layout.releases_dir, layout.applications_dir)
    for folder in (*state, layout.run_dir, layout.workers_dir):
        disk.make_folders(folder)


def _end_leftovers(limiter: Limiter, orphans: Orphans, journal: Journal) -> None:
    """No worker of a keeper before this one goes on unwatched. One that does not die holds up its application alone."""
    killed = orphans.end()
    if killed:
        journal.write(f"keeper: ended {killed} processes whose keeper had gone")
    for leaf in limiter.tree.leaves() if limiter.tree else ():
        leaf.kill()


def _assemble(layout: Layout, limiter: Limiter, workers: WorkerContext, notifier: Notifier, program: Path) -> Services:
    disk = workers.disk
    store = Store(layout, disk)
    releases = Releases(layout, disk, store, LocalExecutor())
    releases.tidy()
    settings = SettingsFiles(layout, disk)
    steady = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    watch = ClockWatch(steady, time.time, lambda: releases.trust.signed_s)
    recorder = IncidentRecorder(layout, disk, workers.journal, time.monotonic, watch)
    context = KeeperContext(
        layout=layout,
        disk=disk,
        releases=releases,
        settings=settings,
        journal=workers.journal,
        recorder=recorder,
        limiter=limiter,
        workers=workers,
        memory=read_memory(workers.proc),
        available_bytes=partial(read_available, workers.proc),
        isolate=Isolation(limiter.tree, LocalExecutor(), workers.journal.write).keep,
        reserve=DiskReserve(disk, layout.reserve_file),
        clock=time.monotonic,
        wall_clock=time.time,
        boot=boot_name(workers.proc),
    )
    context.reserve.keep()
    keeper = Keeper(context, notifier)
    sha256 = sha256_file(program) if program.is_file() else ""
    return Services(
        disk=disk,
        keeper=keeper,
        releases=releases,
        settings=settings,
        store=store,
        patches=Patches(layout, disk, store, PatchStarter(program, start_child)),
        journal=workers.journal,
        recorder=recorder,
        figures=Figures(
            keeper=keeper,
            store=store,
            keeper_sha256=sha256,
            sensors=BoardSensors(program, start_child).latest if sha256 else None,
            confinement=confinement_here(limiter, workers.users),
        ),
        locks=DeploymentLocks(on_trial=OwnTrial(layout.keeper_trial, sha256).open),
    )


def _listen_to_signals(keeper: Keeper) -> None:
    """SIGTERM ends the loop; SIGCHLD turns it, so that a worker's end is seen at once."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: keeper.close())
    signal.signal(signal.SIGINT, lambda _number, _frame: keeper.close())
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(keeper.waker.fd, warn_on_full_buffer=False)
