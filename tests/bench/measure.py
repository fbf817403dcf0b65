"""Interleaved rounds; each row's CPU time over what it served, and which rounds count. Where all rows of a round can be asked
in turns they are, half a second each (`in_turns`); else one after the other for some seconds (`rounds`)."""

import os
import time

import load
import machine

# Rounds in which others used more than this share of two cores are thrown away, and tried again.
FOREIGN = 0.07


class Row:
    """A line of a table: a peer, what is done to it, and what it is called. Done is `load` to it, or the request for `path` is
    sent with the peer's cookies or with each of `cookies`."""

    def __init__(self, name, peer, load=None, path="/", cookies=None, **about):
        self.name, self.peer, self.load, self.path, self.about = name, peer, load, path, about
        self.cookies = [peer.cookie] if cookies is None else cookies

    def heads(self):
        # Numbered where there are several: as many texts, of the same length, cost who sends them the same.
        more = lambda at: {"X-Number": f"{at:06}"} if len(self.cookies) > 1 else {}
        return [load.head(self.peer, self.path, cookie, more(at)) for at, cookie in enumerate(self.cookies)]


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


def in_turns(world, table, rows, options, out, rates=None):
    """Every row in each round, half a second each and then the next: what others do to the machine meets all of them.
    `rates`: of each row by its name, requests a second; without, all that it can take."""
    files = {row.name: world.write(f"{table}-{at}.txt", "".join(row.heads())) for at, row in enumerate(rows)}
    asked = [(row.peer, files[row.name], rates[row.name] if rates else 0) for row in rows]
    proxies = sorted({pid for row in rows for pid in row.peer.pids()})
    patience = 0 if options.noisy else options.patience
    # Connections to the upstream are made, buffers allocated, pages touched: not what is asked here.
    load.in_turns(asked, 1)
    for number in range(options.rounds):
        for _ in range(3):
            began = time.monotonic()
            if patience > 0:
                machine.quiet(FOREIGN, min(20, patience))
            watch = machine.Watch(proxies, world.pids())
            found = load.in_turns(asked, options.seconds)
            seen = watch.end()
            clean = seen["foreign"] <= FOREIGN
            for row, (_, _, rate), each in zip(rows, asked, found):
                served = each["requests"]
                out({
                    "table": table, "row": row.name, "round": number, **row.about, **each, "wanted": rate,
                    "cpu_us": each["cpu"] / served * 1e6, "user_us": each["user"] / served * 1e6,
                    "switches": each["switches"] / served * 1000,
                    "proxy_core": each["first"], "other_core": each["second"],
                    # What grows with each round shows in the most memory that there has been.
                    "peak": machine.memory(row.peer.pids())["peak"],
                    "foreign": seen["foreign"], "stolen": seen["stolen"], "clean": clean,
                })
                # What was written takes memory; the writer appends, and begins anew.
                if row.peer.access_log and os.path.exists(row.peer.access_log):
                    os.truncate(row.peer.access_log, 0)
            if clean or patience <= 0:
                break
            patience -= time.monotonic() - began


def at_half(world, table, rows, options, out, base):
    """The same at a steady rate: half of what the first row, or the row itself where that is less, was seen to serve."""
    def most(name):
        rates = sorted(found["rate"] for found in out.results if found["row"] == name and found["table"] == base)
        return rates[len(rates) // 2]

    in_turns(world, table, rows, options, out, {row.name: min(most(rows[0].name), most(row.name)) / 2 for row in rows})
