"""How often threads that serve wait for each other, or wake another: calls of futex(2), counted by strace on programs of their
own, after the rounds, so that no CPU time that is told has a tracer in it. Its filter stops threads at this one call; all
others run as ever. The rate under it is told beside, so that it can be seen how much it was."""

import os
import re
import shutil

import peers
from load import saturate

CALL = re.compile(r"^(\d+) +futex\(.*?FUTEX_(WAIT|WAKE)")
# What stands before a program that is traced from its start: a filter cannot be put on later.
TRACED = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=futex", "-e", "signal=none", "-o"]
ROUNDS = 3


def contention(world, counts, cores, options, out):
    """A row for each count of workers, and one for a runtime whose threads take tasks from each other, with as many as four."""
    if not shutil.which("strace"):
        out.say("futex calls", "no strace here")
        return
    calls = lambda name: world.path(f"{name}.futexes")
    made = {}
    for count in counts:
        name = f"traced{count}"
        made[f"{count} worker{'s' if count > 1 else ''}"] = peers.rolegate(
            world, name, workers=count, core=cores, under=[*TRACED, calls(name)])
    if os.path.exists(peers.ENGINES):
        asks_nobody = made["hyper, one shared runtime, 4 threads"] = peers.engine(
            world, "traced-shared", "shared", threads=4, core=cores, under=[*TRACED, calls("traced-shared")])
        asks_nobody.cookie = next(iter(made.values())).cookie
    for peer in made.values():
        # Connections to the upstream are made, buffers allocated: not what is asked here.
        saturate(peer, 1, core=cores)
    for number in range(min(ROUNDS, options.rounds)):
        for row, peer in made.items():
            before = counted(peer, calls(peer.name))
            done = saturate(peer, options.seconds, core=cores)
            after = counted(peer, calls(peer.name))
            each = {word: (after[word] - before[word]) / done["requests"] * 1000 for word in after}
            out({"table": "futexes", "row": row, "round": number, "rate": done["rate"], **each})
            if peer.access_log:
                os.truncate(peer.access_log, 0)


def counted(peer, file):
    """What the threads that serve have called until now: both programs name them workers."""
    serve = set()
    for pid in peer.pids():
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/comm") as name:
                if "worker" in name.read():
                    serve.add(thread)
    found = {"WAIT": 0, "WAKE": 0}
    with open(file) as lines:
        for call in filter(None, map(CALL.match, lines)):
            if call[1] in serve:
                found[call[2]] += 1
    if not serve:
        raise RuntimeError(f"{peer.name} has no worker")
    return found
