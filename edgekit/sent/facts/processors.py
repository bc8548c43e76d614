"""CPUs, in clusters of equal strength, and memory."""

import re

MAX_CPU = 4095


def cpus_of(text):
    """The kernel's CPU list format, or numbers with blanks between them, as numbers."""
    found = []  # type: ignore[var-annotated]
    for part in text.replace(",", " ").split():
        found_range = re.fullmatch("([0-9]{1,4})(?:-([0-9]{1,4}))?", part)
        if found_range:
            first, last = found_range.groups()
            found.extend(range(int(first), min(int(last or first), MAX_CPU) + 1))
    return found


def cpus(tree):
    """All CPUs, and those that are on."""
    folder = "sys/devices/system/cpu/"
    online = cpus_of(tree.read(folder + "online", needed=True))
    if not online:
        online = [int(cpu) for cpu in re.findall(r"^processor\s*: ([0-9]+)$", tree.read("proc/cpuinfo"), re.M)]
    present = cpus_of(tree.read(folder + "present")) or online
    off = [cpu for cpu in present if cpu not in online]
    if off:
        tree.warn("CPUs %s are off" % ", ".join(map(str, off)))
    return present, online


def clusters(tree, online):
    """CPUs of equal strength that belong together; never told apart by their numbers."""
    parts = {}
    cpu = -1
    for line in tree.read("proc/cpuinfo").splitlines():
        key, _, value = (text.strip() for text in line.partition(":"))
        if key == "processor" and value.isdigit():
            cpu = int(value)
        elif key == "CPU part":
            parts[cpu] = value
    groups = {}  # type: ignore[var-annotated]
    for cpu in online:
        groups.setdefault(likeness(tree, cpu, parts.get(cpu, "")), []).append(cpu)
    ordered = sorted(groups.items(), key=lambda item: item[1])
    kinds = [kind_of(likeness, list(groups)) for likeness, _ in ordered]
    found = []
    for index, (same, members) in enumerate(ordered):
        kind = kinds[index]
        name = kind if kinds.count(kind) == 1 else "%s%d" % (kind, kinds[:index].count(kind))
        found.append({"name": name, "cpus": members, "capacity": same[0], "part": same[1], "max_khz": same[2]})
    return found


def likeness(tree, cpu, part):
    """What CPUs of one cluster have in common. Before Linux 5.20 arm64 told clusters as packages."""
    folder = "sys/devices/system/cpu/cpu%d/" % cpu
    if not part:  # x86: no clusters that matter, and clocks of the moment
        return 1024, "", 0, ()
    groups = ("topology/cluster_cpus_list", "topology/core_siblings_list", "cpufreq/affected_cpus")
    together = tuple(tuple(cpus_of(tree.read(folder + name))) for name in groups)
    capacity = min(max(tree.number(folder + "cpu_capacity") or 1024, 1), 1024)
    khz = tree.number(folder + "cpufreq/cpuinfo_max_freq")
    return capacity, part, khz, tuple(group if len(group) > 1 else () for group in together)


def kind_of(own, likenesses):
    """`big` or `little` by the core's design, not by its clock: clusters of one design are often binned apart."""
    if len(likenesses) == 1:
        return "all"
    strength = {}  # type: ignore[var-annotated]
    for capacity, part, *_ in likenesses:
        strength[part] = max(capacity, strength.get(part, 0))
    if min(strength.values()) == max(strength.values()):
        return "cluster"
    mine = strength[own[1]]
    return "big" if mine == max(strength.values()) else "little" if mine == min(strength.values()) else "mid"


def memory(tree):
    found = dict(re.findall(r"^(\w+):\s+([0-9]+) kB", tree.read("proc/meminfo", needed=True), re.M))
    return int(found.get("MemTotal", 0)) << 10, int(found.get("MemAvailable", 0)) << 10
