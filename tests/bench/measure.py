"""Interleaved rounds: A B C, A B C; each row's CPU time over what it served, and which rounds count."""

import os
import time

import load
import machine

# Rounds in which others used more than this share of two cores are thrown away, and tried again.
FOREIGN = 0.07


class Row:
    """A line of a table: a peer, what is done to it, and what it is called."""

    def __init__(self, name, peer, load, **about):
        self.name, self.peer, self.load, self.about = name, peer, load, about


def once(world, row, seconds, load):
    pids = row.peer.pids()
    watch = machine.Watch(pids, world.pids())
    served = load(row, seconds)
    seen = watch.end()
    cost = (seen["user"] + seen["system"]) / served["requests"] * 1e6
    if row.peer.access_log and os.path.exists(row.peer.access_log):
        os.truncate(row.peer.access_log, 0)
    return {
        **served,
        "cpu_us": cost,
        "user_us": seen["user"] / served["requests"] * 1e6,
        "switches": seen["switches"] / served["requests"] * 1000,
        "proxy_core": seen["proxy_core"],
        "other_core": seen["other_core"],
        "foreign": seen["foreign"],
        "stolen": seen["stolen"],
        "clean": seen["foreign"] <= FOREIGN,
    }


def rounds(world, table, rows, options, out, seconds=None):
    """Every row once a round; what was measured while others were at work is measured again, twice at most, and for no
    longer in all than `options.patience` seconds. All of it is kept in the results; only what is clean counts in a table."""
    patience = 0 if options.noisy else options.patience
    for row in rows:
        # Connections to the upstream are made, buffers allocated, pages touched: not what is asked here.
        row.load(row, 1)
    for number in range(options.rounds):
        for row in rows:
            for _ in range(3):
                began = time.monotonic()
                if patience > 0:
                    machine.quiet(FOREIGN, min(20, patience))
                found = once(world, row, seconds or options.seconds, row.load)
                out({"table": table, "row": row.name, "round": number, **row.about, **found})
                if found["clean"] or patience <= 0:
                    break
                patience -= time.monotonic() - began


def paced(world, table, rows, options, out, base):
    """The same at a steady rate: half of what the first row, or the row itself where that is less, was seen to serve."""
    def most(name):
        rates = sorted(found["rate"] for found in out.results if found["row"] == name and found["table"] == base)
        return rates[len(rates) // 2]

    for row in rows:
        rate = min(most(rows[0].name), most(row.name)) / 2
        row.load = lambda row, seconds, rate=rate: {**load.pace(row.peer, seconds, rate, **row.about.get("how", {})), "wanted": rate}
    rounds(world, table, rows, options, out)
