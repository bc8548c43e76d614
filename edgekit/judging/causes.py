"""Says why something went wrong, from what a board has on record: a cause, one sentence, the evidence, and what helps.

Pure. Whoever found an incident may have said what lies behind it (`Incident.cause`); what several records tell together
(a clock that jumped before a key was too old, a worker that ends again and again) is put together here, and where
nobody said anything the texts of the system and of libraries are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from types import MappingProxyType

from edgekit.judging.cause_hints import FOLDER_FULL, HINTS
from edgekit.schema.incident import CRASH_LOOP_ENDS, Incident, TroubledStream
from edgekit.schema.trust import DAY_S
from edgekit.schema.units import format_bytes

_ABOUT_BOARD = frozenset({"clock", "keeper", "power"})
_DOING: Mapping[str, str] = MappingProxyType(
    {
        "rolled_back": "was rolled back",
        "restarted": "was restarted",
        "not_started": "cannot be started",
        "refused": "was refused",
        "unhealthy": "runs and is not healthy",
    }
)
_SPOKEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"cannot open shared object file|No module named '|version `\S+' not found"), "missing_library"),
    (re.compile(r"[Aa]ddress already in use"), "port_taken"),
    (re.compile(r"No space left on device|Disk quota exceeded|\bdisk full\b|\bwork_max\b"), "disk_full"),
    (re.compile(r"expecting library version|Unsupported model IR version"), "engine_version"),
    (re.compile(r"\bMemoryError\b|std::bad_alloc|Cannot allocate memory|^out of memory"), "out_of_memory"),
)
"""What the dynamic linker, the kernel (as strerror(3) words it), Python, TensorRT and ONNX Runtime say."""
_NAMED = re.compile(
    r"([\w.+-]+\.so[.\d]*): cannot open shared|No module named '([^']+)'|version `([^']+)' not found"
    r"|([\w.+-]+\.so[.\d]*) cannot be loaded"
)
_BY_ITSELF = re.compile(r"exited with code|killed by SIG|killed by signal|no report for|no frame ")
"""Reasons that name no cause: the worker ended, or was ended as it hung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why something went wrong."""

    happened: str
    """`IncidentKind`."""
    cause: str
    """One word: `edgekit.errors.Cause`, or `clock_jump`, `crash_loop`, `crash`, `hang`, `power`, `keeper`, `other`."""
    sentence: str
    evidence: tuple[str, ...]
    """Figures, and what of the board is concerned, one a line."""
    log: tuple[str, ...]
    """The application's last lines."""
    hint: str


def explain(incident: Incident, record: Iterable[Incident]) -> Explanation:
    """Why an incident came to be.

    Args:
        incident: one of the record.
        record: all of the board's that are known, also of other applications.
    """
    before = [one for one in record if one.number <= incident.number or incident.kind == "unhealthy"]
    cause = _cause(incident, before)
    stepped = [one for one in before if one.kind == "clock"] if cause == "clock_jump" else []
    return Explanation(
        happened=incident.kind,
        cause=cause,
        sentence=f"{_subject(incident)}: {_clause(incident, cause, stepped)}",
        evidence=tuple(dict.fromkeys(_evidence(incident, stepped))),
        log=incident.log,
        hint=_hint(cause, incident),
    )


_OWN_HINT = frozenset({"clock_jump", "crash_loop", "camera_gone", "colour_mismatch", "power", "keeper"})
"""What was said when one of these was found is about a symptom."""


def headline(record: Iterable[Incident], application: str) -> Incident | None:
    """The incident that a user asks for: the last one of the application, or of any where none is named.

    What happened to the board itself counts only where nothing else is on record.
    """
    known = sorted(record, key=lambda one: one.number)
    own = [
        one
        for one in known
        if one.kind not in _ABOUT_BOARD and (not application or one.application in ("", application))
    ]
    told = own or [one for one in known if one.kind != "clock"]
    return told[-1] if told else None


# Which cause


def _cause(incident: Incident, before: Iterable[Incident]) -> str:
    if incident.kind in ("keeper", "power"):
        return incident.kind
    if incident.kind == "clock":
        return "clock_jump"
    if incident.cause == "key_age":
        return "clock_jump" if _stepped_s(before) >= DAY_S else "key_age"
    if incident.cause == "unhealthy":
        return _gate(incident)
    return incident.cause or _spoken(incident) or _ended(incident, before)


def _stepped_s(record: Iterable[Incident]) -> float:
    """How far the clock is ahead by its jumps: one that was taken back is none, nor is one that put a lost clock right.

    A clock is lost that says less than what was signed and believed before.
    """
    ahead_s = 0.0
    for one in record:
        if one.kind == "clock":
            lost = one.figures.get("before_s", 0.0) < one.figures.get("signed_s", 0.0)
            step_s = one.figures.get("step_s", 0.0)
            ahead_s = max(0.0, ahead_s + (0.0 if lost and step_s > 0 else step_s))
    return ahead_s


def _hint(cause: str, incident: Incident) -> str:
    if cause == "disk_full" and _fills_its_folder(incident):
        return FOLDER_FULL
    return HINTS.get(cause, "") if cause in _OWN_HINT else incident.hint or HINTS.get(cause, HINTS["other"])


def _gate(incident: Incident) -> str:
    """A health gate was missed: by itself, or because no pictures come."""
    for cause in ("colour_mismatch", "missing_library", "disk_full"):
        if any(stream.cause == cause for stream in incident.streams):
            return cause
    if incident.streams and any(_for_want_of_pictures(probe) for probe in (*incident.probes, incident.reason)):
        return "camera_gone"
    return "unhealthy"


def _for_want_of_pictures(probe: str) -> bool:
    return any(words in probe for words in ("streams live <", "no frame yet", "last frame ", "fps 0.0 <"))


def _spoken(incident: Incident) -> str:
    """What the system or a library said, the reason first, then the log from its end."""
    for text in (incident.reason, *reversed(incident.log)):
        for pattern, cause in _SPOKEN:
            if pattern.search(text):
                return cause
    return ""


def _ended(incident: Incident, before: Iterable[Incident]) -> str:
    if "power went away" in incident.reason:
        last = [one.kind for one in before if one.kind in ("keeper", "power")]
        return last[-1] if last else "power"
    if not _BY_ITSELF.search(incident.reason):
        return "other"
    if incident.figures.get("quick_ends", 0) >= CRASH_LOOP_ENDS:
        return "crash_loop"
    return "hang" if incident.reason.startswith(("no report", "no frame")) else "crash"


# In words


def _subject(incident: Incident) -> str:
    named = " ".join(word for word in (incident.application, incident.version) if word)
    match incident.kind:
        case "clock" | "keeper" | "power":
            return "the board"
        case "refused" if not incident.version:
            return f"a release of {named} was refused" if named else "what was brought was refused"
        case "restarted" if incident.count > 1:
            return f"{named} was restarted {incident.count} times"
    return f"{named} {_DOING.get(incident.kind, incident.kind)}"


def _clause(incident: Incident, cause: str, stepped: list[Incident]) -> str:
    if cause in _CLAUSES:
        return _CLAUSES[cause](incident)
    if cause == "clock_jump" and stepped:
        last = stepped[-1].figures
        jump = f"the device's clock jumped from {_time(last.get('before_s', 0))} to {_time(last.get('after_s', 0))}"
        return jump if incident.kind == "clock" else f"{jump}, and by that clock {_reason(incident)}"
    return _reason(incident)


def _reason(incident: Incident) -> str:
    """Its first line, which is a sentence without its end."""
    return (incident.reason.splitlines() or ["nobody said why"])[0].rstrip(" .")


def _memory(incident: Incident) -> str:
    peak, most = (incident.figures.get(f"memory_{name}_bytes", 0) for name in ("peak", "max"))
    if "memory_max" in incident.reason and peak and most:
        return f"it ran out of memory, with a peak of {format_bytes(int(peak))} at memory_max {format_bytes(int(most))}"
    return f"it ran out of memory: {_reason(incident).removeprefix('out of memory: ')}"


def _port(incident: Incident) -> str:
    port, holder = incident.figures.get("port"), incident.facts.get("port_holder")
    which = f"port {port:.0f}" if port else "a port that it opens"
    return f"{which} is taken already" + (f", by {holder}" if holder else f": {_reason(incident)}")


def _fills_its_folder(incident: Incident) -> bool:
    """Whether it is not the disk that is full, but what a worker may take of it."""
    return "work_max" in incident.reason


def _disk(incident: Incident) -> str:
    free = incident.figures.get("disk_free_bytes")
    if _fills_its_folder(incident):
        return _reason(incident)
    left = f" ({format_bytes(int(free))} free)" if free is not None else ""
    return f"the disk is full{left}: {_reason(incident).removeprefix('disk full: ')}"


def _camera(incident: Incident) -> str:
    away = [stream for stream in incident.streams if not stream.cause] or list(incident.streams)
    told = "; ".join(_stream(stream) for stream in away[:3])
    return f"no pictures come from {'a camera' if len(away) == 1 else f'{len(away)} cameras'}: {told}"


def _colours(incident: Incident) -> str:
    found = [stream.message for stream in incident.streams if stream.cause == "colour_mismatch"]
    return f"colours do not fit: {(found or [_reason(incident)])[0]}"


def _library(incident: Incident) -> str:
    for text in (incident.reason, *(stream.message for stream in incident.streams), *reversed(incident.log)):
        if found := _NAMED.search(text):
            return f"{next(filter(None, found.groups()))} is missing on the device: {_reason(incident)}"
    return f"a library is missing on the device: {_reason(incident)}"


def _loop(incident: Incident) -> str:
    ends, ran_s = incident.figures.get("quick_ends", 0), incident.figures.get("ran_s", 0.0)
    told = f"it ended {ends:.0f} times soon after its start, the last time after {ran_s:.1f} s"
    return f"it is in a crash loop: {told}: {_reason(incident)}"


_CLAUSES: Mapping[str, Callable[[Incident], str]] = MappingProxyType(
    {
        "out_of_memory": _memory,
        "port_taken": _port,
        "disk_full": _disk,
        "camera_gone": _camera,
        "colour_mismatch": _colours,
        "missing_library": _library,
        "crash_loop": _loop,
        "bad_model": lambda one: f"its model cannot be used: {_reason(one)}",
        "engine_version": lambda one: f"its engine is of another version than the runtime takes: {_reason(one)}",
        "wrong_board": lambda one: f"it is for another board: {_reason(one)}",
        "signature": lambda one: f"its signature does not count: {_reason(one)}",
        "unhealthy": lambda one: f"a health gate was missed: {_reason(one)}",
        "hang": lambda one: f"it hung: {_reason(one)}",
    }
)


def _stream(stream: TroubledStream) -> str:
    why = f": {stream.message}" if stream.message else ""
    return f"{stream.name} {stream.state} for {stream.since_s:.0f} s{why}"


_SIZES = (("memory_peak_bytes", "memory peak"), ("memory_max_bytes", "memory_max"), ("disk_free_bytes", "disk free"))


_JUDGED = frozenset({"unhealthy", "golden", "damaged"})


def _evidence(incident: Incident, stepped: Iterable[Incident]) -> Iterable[str]:
    yield _reason(incident)
    if incident.cause in _JUDGED:  # of a worker that ended they say that it gave nothing any more
        yield from incident.probes
    for stream in incident.streams:
        yield f"stream {_stream(stream)}"
    for jump in stepped:
        yield f"the clock jumped by {jump.figures.get('step_s', 0) / DAY_S:+.1f} days"
    figures = incident.figures
    for name, words in _SIZES:
        if name in figures:
            yield f"{words} {format_bytes(int(figures[name]))}"
    if "ran_s" in figures:
        yield f"it had run for {figures['ran_s']:.1f} s"
    if figures.get("quick_ends", 0) > 1:
        yield f"{figures['quick_ends']:.0f} ends in a row, each within a minute of its start"
    for name, value in incident.facts.items():
        yield f"{name.replace('_', ' ')}: {value}"


def _time(at_s: float) -> str:
    """In UTC: a board's time zone is nobody's business here."""
    try:
        return f"{datetime.fromtimestamp(at_s, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return "a time out of all bounds"
