#!/usr/bin/env python3
"""Measures rolegate beside its peers, side by side in interleaved rounds: `make bench`. docs/performance.md says what and how.

    tests/bench/run.py                                   every table; half an hour on a quiet machine
    tests/bench/run.py --table auth-1k --rounds 20       one of them
    tests/bench/run.py --table auth-1k --only haproxy    the first row, rolegate, and those named
    tests/bench/run.py --docs                            writes what was measured last into docs/performance.md

Results are lines of JSON in target/bench/TABLE.jsonl, the first of which says when, where and what."""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

import machine
import peers
import report
from servers import GATE, ROOT, TARGET, World
from states import STATES
from tables import TABLES

EVERYTHING = {**TABLES, **STATES}


class Results:
    """Takes each result as it comes: to the file, and a line to standard error."""

    def __init__(self, table, about):
        self.file = open(os.path.join(TARGET, f"{table}.jsonl"), "w")
        self.results = []
        self.write({"about": about})

    def write(self, line):
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def __call__(self, found):
        self.results.append(found)
        self.write(found)
        shown = {key: f"{found[key]:.1f}" for key in ("cpu_us", "rate", "p99", "ready_ms", "pss_each") if key in found}
        noise = "" if found.get("clean", True) else f"   others used {found['foreign']:.0%}"
        print(f"  {found['row']:28}", *(f"{key} {value:>9}" for key, value in shown.items()), noise, file=sys.stderr)

    def say(self, row, word):
        self.write({"row": row, "skipped": word})
        print(f"  {row}: {word}", file=sys.stderr)


def versions():
    """Of what is measured, in the words of each."""
    asked = {
        "rolegate": [GATE, "--version"], "nginx": ["nginx", "-v"], "haproxy": ["haproxy", "-v"], "apache": ["apache2", "-v"],
        "oauth2-proxy": ["go", "version", "-m", peers.OAUTH2_PROXY],
        "envoy": [os.path.join(TARGET, "envoy", "envoy", "_bin", "envoy"), "--version"],
        "mod_auth_openidc": ["dpkg-query", "-W", "-f", "${Version}", "libapache2-mod-auth-openidc"],
        "OpenSSL": ["openssl", "version"], "wrk": ["wrk", "-v"], "h2load": ["h2load", "--version"],
    }
    if not os.path.exists(peers.OAUTH2_PROXY):
        del asked["oauth2-proxy"]
    found = {}
    for name, command in asked.items():
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        except OSError:
            continue
        found[name] = report.version(done.stdout + done.stderr)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    found["rolegate"] = f"{found['rolegate']} ({commit})" if commit else found["rolegate"]
    return found


def arguments():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--table", action="append", choices=list(EVERYTHING), help="which one, once or several times; default: all")
    asked.add_argument("--only", type=lambda text: [name.strip() for name in text.split(",")], help="rows, separated by commas")
    asked.add_argument("--rounds", type=int, default=10)
    asked.add_argument("--seconds", type=int, default=2, help="of each measurement")
    asked.add_argument("--sessions", type=int, default=10000, help="how many different ones in the table of that name")
    asked.add_argument("--patience", type=int, default=120, help="seconds that a table may wait for a quiet machine, and measure again")
    asked.add_argument("--noisy", action="store_true", help="count everything, whatever else the machine does: to try the rig, not to quote")
    asked.add_argument("--markdown", action="store_true", help="print the tables of the last runs, and measure nothing")
    asked.add_argument("--docs", action="store_true", help="write them and the plot into docs, and measure nothing")
    return asked.parse_args()


def main():
    options = arguments()
    names = options.table or list(EVERYTHING)
    if options.docs:
        report.write_docs(EVERYTHING)
        return
    if options.markdown:
        print(report.markdown(names))
        return
    if not os.path.exists(GATE):
        sys.exit(f"{GATE} is not there: deploy/release/build target/shipped/rolegate, or set ROLEGATE")
    if os.cpu_count() < 2:
        sys.exit("two cores at least: one for the proxy, one for what loads it")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if files < 12000:
        sys.exit(f"12,000 open files are needed, and {files} are allowed: ulimit -Hn")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    # Everything that is not the proxy stays off its core, this program too.
    os.sched_setaffinity(0, {int(machine.OTHER_CORE)})
    os.makedirs(TARGET, exist_ok=True)
    about = {"machine": machine.describe(), "date": time.strftime("%Y-%m-%d"), "versions": versions()}
    failed = []
    for name in names:
        print(f"{name}, {options.rounds} rounds of {options.seconds} s", file=sys.stderr)
        world = World()
        out = Results(name, {**about, "rounds": options.rounds, "seconds": options.seconds, "noisy": options.noisy})
        try:
            EVERYTHING[name](world, options, out)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            # One that cannot be measured today does not take the others with it.
            out.say(name, f"ended early: {error}"[:600])
            failed.append(name)
        finally:
            world.close()
            out.file.close()
        print(report.markdown([name]), flush=True)
    if failed:
        sys.exit("not measured: " + ", ".join(failed))


if __name__ == "__main__":
    main()
