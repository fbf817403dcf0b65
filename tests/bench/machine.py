"""What the machine says: CPU time and memory of processes, how busy the cores were, and who else was at work."""

import os
import time

TICK = os.sysconf("SC_CLK_TCK")
# The proxy under test has the first core to itself; what generates load and what answers it share the second.
PROXY_CORE, OTHER_CORE = "0", "1"


def family(pid):
    """The process and everything that it started: a master with its workers."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat(int(entry))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry))
    found, ahead = [], [pid]
    while ahead:
        one = ahead.pop()
        found.append(one)
        ahead += children.get(one, [])
    return found


def stat(pid):
    """The fields of /proc/PID/stat behind the name, then the name; or nothing for a process that has gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            name, rest = file.read().rsplit(")", 1)
            return [*rest.split(), name.split("(", 1)[1]]
    except (FileNotFoundError, ProcessLookupError):
        return None


def cpu(pids):
    """User and system time of these processes, in seconds."""
    user = system = 0
    for pid in pids:
        fields = stat(pid)
        if fields:
            user += int(fields[11])
            system += int(fields[12])
    return user / TICK, system / TICK


def cores():
    """For each core: busy and idle time since the machine started, in seconds."""
    found = {}
    with open("/proc/stat") as file:
        for line in file:
            name, *values = line.split()
            if name.startswith("cpu") and name != "cpu":
                user, nice, system, idle, wait, hard, soft, stolen = (int(value) / TICK for value in values[:8])
                found[name[3:]] = (user + nice + system + hard + soft + stolen, idle + wait)
    return found


def busy(before, after):
    """The share of each core that was busy between two calls of `cores`."""
    shares = {}
    for name, (worked, idle) in after.items():
        worked, idle = worked - before[name][0], idle - before[name][1]
        shares[name] = worked / max(worked + idle, 1e-9)
    return shares


def memory(pids):
    """Resident and proportional memory of these processes now, and the peak of the resident, in bytes."""
    sums = {"Rss": 0, "Pss": 0, "VmHWM": 0}
    for pid in pids:
        for name in ("smaps_rollup", "status"):
            try:
                with open(f"/proc/{pid}/{name}") as file:
                    for line in file:
                        key = line.split(":")[0]
                        if key in sums:
                            sums[key] += int(line.split()[1]) * 1024
            except (FileNotFoundError, ProcessLookupError):
                pass
    return {"rss": sums["Rss"], "pss": sums["Pss"], "peak": sums["VmHWM"]}


def stolen():
    """What a host took away of all cores since the machine started, in seconds."""
    with open("/proc/stat") as file:
        return int(file.readline().split()[8]) / TICK


def everybody(ours):
    """CPU time of all processes that are not ours, those that they waited for included, and what a host took away."""
    total = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in ours:
            fields = stat(int(entry))
            # What a kernel's own thread does about packets is our load's doing.
            if fields and not fields[-1].startswith("ksoftirqd"):
                total += sum(int(value) for value in fields[11:15]) / TICK
    return total + stolen()


def switches(pids):
    """How often the threads of these processes went to sleep, or were sent to."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/status") as file:
                total += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    return total


class Watch:
    """Everything between its making and `end`: the proxy's CPU time, how busy the cores were, and what went to nobody of
    ours, as a share of the two cores. That share decides whether a round counts."""

    def __init__(self, proxy, ours):
        # What generates load is a child of this program, and has been waited for when `end` looks.
        self.proxy, self.ours = proxy, {*ours, *proxy, os.getpid()}
        self.was = self.look()

    def look(self):
        return {"at": time.monotonic(), "proxy": cpu(self.proxy), "others": everybody(self.ours), "cores": cores(), "stolen": stolen(), "switches": switches(self.proxy)}

    def end(self):
        was, now = self.was, self.look()
        user, system = (now["proxy"][i] - was["proxy"][i] for i in (0, 1))
        shares, both = busy(was["cores"], now["cores"]), (now["at"] - was["at"]) * 2
        return {
            "user": user,
            "system": system,
            "switches": now["switches"] - was["switches"],
            "proxy_core": shares.get(PROXY_CORE, 0),
            "other_core": shares.get(OTHER_CORE, 0),
            "foreign": max(now["others"] - was["others"], 0) / both,
            "stolen": (now["stolen"] - was["stolen"]) / both,
        }


def quiet(limit, patience):
    """Waits until others use less than `limit` of two cores, `patience` seconds at most; whether they do."""
    end = time.monotonic() + patience
    while True:
        watch = Watch([], [])
        time.sleep(0.25)
        if watch.end()["foreign"] < limit:
            return True
        if time.monotonic() > end:
            return False


def describe():
    """This machine in a line."""
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown processor")
    return f"{os.cpu_count()} cores of {model}, Linux {os.uname().release}"
