"""From lines of JSON to tables: medians over the rounds, and of the ratios within each round, with their ranges."""

import json
import os
import re

import plot
from servers import ROOT, TARGET

DOCUMENT = os.path.join(ROOT, "docs", "performance.md")
PICTURE = os.path.join(ROOT, "docs", "performance.svg")
COMMAND = "make bench BENCH='--table {}'"


def version(text):
    """The number in what a program says of its version."""
    module = re.search(r"mod\s+github.com/oauth2-proxy\S*\s+(\S+)", text) or re.search(r"oauth2-proxy/v7\s+(v7\S+)", text)
    found = module or re.search(r"/(\d+\.\d+\.\d+)/", text) or re.search(r"(\d+\.\d+(?:\.\d+)*(?:[~+-][\w.+~-]+)?)", text)
    return found.group(1) if found else "?"


def read(table):
    """What was measured last: about the run, results, words on what was left out."""
    try:
        with open(os.path.join(TARGET, f"{table}.jsonl")) as file:
            lines = [json.loads(line) for line in file]
    except FileNotFoundError:
        return None
    about = next(line["about"] for line in lines if "about" in line)
    return about, [line for line in lines if "round" in line or "connections" in line], [line for line in lines if "skipped" in line]


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def counted(results, table, noisy):
    """The measurements of a table that count: the last of each row in each round, if it is clean."""
    found = {}
    for line in results:
        if line["table"] == table and (noisy or line.get("clean", True)):
            found.setdefault(line["row"], {})[line["round"]] = line
    return found


def ratios(rows, row, base, key):
    """Of each round in which both were measured without noise."""
    both = rows.get(row, {}).keys() & rows.get(base, {}).keys()
    return sorted(rows[row][at][key] / rows[base][at][key] for at in both)


def spread(values, digits=2):
    if not values:
        return "–"
    return f"{median(values):.{digits}f} ({values[0]:.{digits}f}–{values[-1]:.{digits}f})"


def grid(head, lines):
    """A table of Markdown; what is not the first column is a number."""
    rule = "|---|" + "--:|" * (len(head) - 1)
    return "\n".join(["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(line) + " |" for line in lines)])


def under_load(table, what="request", more=()):
    """CPU time, its ratio to the first row, throughput, `more` (heading and key), how busy the cores were."""

    def made(about, results):
        rows = counted(results, table, about["noisy"])
        every = [line["row"] for line in results if line["table"] == table]
        base, lines = next(iter(every), None), []
        for name in dict.fromkeys(every):
            mine = list(rows.get(name, {}).values())
            tried = every.count(name)
            if not mine:
                lines.append([name, *["–"] * (5 + len(more)), f"0 of {tried}"])
                continue
            middle = lambda key: median([line[key] for line in mine])
            lines.append([
                name, f"{middle('cpu_us'):,.1f} ({middle('user_us'):,.1f})", spread(ratios(rows, name, base, "cpu_us")),
                f"{middle('rate'):,.0f}", *(f"{middle(key):,.0f}" for _, key in more),
                f"{middle('proxy_core'):.0%}", f"{middle('other_core'):.0%}", f"{len(mine)} of {tried}",
            ])
        head = ["", f"CPU µs a {what} (of it user)", f"× {base} (range)", f"{what}s/s"]
        head += [*(called for called, _ in more), "first core", "second core", "clean"]
        return grid(head, lines)

    return made


def at_half(about, results):
    rows = counted(results, "paced-1k", about["noisy"])
    if not rows:
        return "At a steady rate nothing was measured on a quiet machine."
    base, lines = next(iter(rows)), []
    for name, mine in rows.items():
        middle = lambda key: median([line[key] for line in mine.values()])
        taken = sum(line["stolen"] for line in mine.values()) / len(mine)
        lines.append([name, f"{middle('wanted'):,.0f}", f"{middle('p50'):.2f}", f"{middle('p99_short'):.2f}", spread(ratios(rows, name, base, "p99_short")),
                      f"{middle('p99'):.2f}", spread(ratios(rows, name, base, "p99")), f"{middle('other_core'):.0%}", f"{taken:.1%}", str(len(mine))])
    head = ["at a steady rate", "requests/s", "p50 ms", "p99 within 50 ms", f"× {base} (range)", "p99 of a round", f"× {base} (range)"]
    return grid([*head, "second core", "taken by the host", "rounds"], lines)


def first_and_last(mine):
    """Peaks of one row, in bytes; nothing where none were looked at."""
    rounds = sorted(mine)
    return [mine[at]["peak"] for at in (rounds[0], rounds[-1]) if "peak" in mine[at]]


def peaks(table):
    def made(about, results):
        rows = counted(results, table, True)
        seen = {name: first_and_last(mine) for name, mine in rows.items()}
        lines = [[name, *(f"{peak / 1e6:.1f}" for peak in both)] for name, both in seen.items() if both]
        return grid(["peak resident memory, MB", "first round", "last round"], lines) if lines else ""

    return made


def futexes(about, results):
    rows = counted(results, "futexes", True)
    if not rows:
        return "Futex calls were not counted."
    middle = lambda mine, key: median([line[key] for line in mine.values()])
    lines = [[name, *(f"{middle(mine, key):,.1f}" for key in ("WAIT", "WAKE")), f"{middle(mine, 'rate'):,.0f}"] for name, mine in rows.items()]
    return grid(["futex calls of the workers, a thousand requests", "waits", "wakes", "requests/s, traced"], lines)


def idle(about, results):
    lines = [[line["row"], f"{line['connections']:,}", f"{line['before'] / 1e6:.1f}", f"{line['after'] / 1e6:.1f}",
              f"{line['rss_each']:,.0f}", f"{line['pss_each']:,.0f}"] for line in results]
    return grid(["", "idle connections", "MB before", "MB with them", "bytes each (RSS)", "bytes each (PSS)"], lines)


def start(about, results):
    rows = counted(results, "start", True)
    lines = []
    for name, mine in rows.items():
        values = lambda key, by: sorted(line[key] / by for line in mine.values())
        size = median(values("size", 1e6))
        lines.append([name, spread(values("ready_ms", 1), 0), spread(values("rss", 1e6), 1), f"{median(values('pss', 1e6)):.1f}", f"{size:.1f}"])
    return grid(["", "ms to readiness (range)", "MB resident (range)", "MB proportional", "program, MB stripped"], lines)


def evenness(about, results):
    rows = counted(results, "spread", True)
    lines = []
    for name, mine in rows.items():
        values = lambda key: sorted(line[key] for line in mine.values())
        lines.append([name, spread(values("fullest"), 0), spread(values("emptiest"), 0)])
    return grid(["of 64 connections", "the fullest of four has (range)", "the emptiest"], lines)


# How often, where it is no load for some seconds.
ROUNDS = {"idle": "once", "spread": "a hundred times", "start": "{rounds} starts of each"}

# What was set before anything was measured, and beside it what tells more: table, key, row, the row it is held against, at most.
BOUNDS = [
    ("auth-1k", "auth-1k", "cpu_us", "rolegate", "nginx", 1.0),
    ("auth-1k", "auth-1k", "cpu_us", "rolegate", "nginx + auth_request", 0.6),
    ("auth-1k", "auth-1k", "cpu_us", "rolegate", "oauth2-proxy", 0.2),
    ("auth-1k", "auth-1k", "cpu_us", "rolegate", "nginx + oauth2-proxy", 0.2),
    ("auth-1k", "auth-1k", "cpu_us", "rolegate", "mod_auth_openidc (cookie)", 0.06),
    ("auth-1k", "auth-1k", "cpu_us", "rolegate", "rolegate (public path)", None),
    ("auth-1k", "paced-1k", "p99", "rolegate", "nginx", 1.0),
    ("auth-1k", "paced-1k", "p99_short", "rolegate", "nginx", None),
    ("64k", "64k", "cpu_us", "rolegate", "nginx (tuned buffers)", 1.05),
    ("upload", "upload", "cpu_us", "rolegate", "nginx (tuned buffers)", 1.05),
    ("tls-h1", "tls-h1", "cpu_us", "rolegate", "nginx", 1.0),
    ("tls-h2", "tls-h2", "cpu_us", "rolegate", "nginx", 1.0),
    ("handshake", "handshake", "cpu_us", "rolegate", "nginx", 0.6),
    ("rules", "rules", "cpu_us", "1000 rules", "1 rule", 1.05),
    ("sessions", "sessions", "cpu_us", "10,000 sessions", "1 session", 1.05),
    ("sessions", "sessions", "cpu_us", "10,000 sessions", "100 sessions", None),
]
NAMES = {"64k": "64 KiB", "upload": "10 MB up", "tls-h1": "TLS, HTTP/1.1", "tls-h2": "TLS, HTTP/2", "handshake": "handshakes",
         "auth-1k": "1 KiB", "paced-1k": "1 KiB, half of saturation", "rules": "rules", "sessions": "sessions"}

CALLED = {"cpu_us": "CPU", "p99_short": "p99 within 50 ms", "p99": "p99 of a round"}

# And what is no ratio: table, row, key, what it is called, in which unit, at most.
LIMITS = [
    ("start", "rolegate", "ready_ms", "ready, with a pool that can be reached", "ms", 1, 50),
    ("start", "rolegate", "rss", "memory at the start", "MB", 1e6, 12),
    ("start", "rolegate", "size", "the program, stripped", "MB", 1e6, 12),
    ("idle", "rolegate", "rss_each", "an idle connection", "kB", 1e3, 4),
    ("idle", "rolegate (WebSockets)", "rss_each", "an idle WebSocket", "kB", 1e3, 12),
]

# What has to stay as it is: table, row, what it is called, at most the peak of the last round over that of the first.
GROWTHS = [
    ("64k", "rolegate", "64 KiB: last round / first round", 1.05),
    ("upload", "rolegate", "10 MB up: last round / first round", 1.05),
]


def bounds():
    lines = []
    for file, table, key, row, base, most in BOUNDS:
        found = read(file)
        values = found and ratios(counted(found[1], table, found[0]["noisy"]), row, base, key)
        if values:
            verdict = "–" if most is None else "yes" if median(values) <= most else "no"
            lines.append([f"{NAMES[table]}: {row} / {base}", CALLED[key], spread(values, 3 if most and most < 0.1 else 2),
                          "–" if most is None else f"{most:g}", verdict])
    for table, row, called, most in GROWTHS:
        found = read(table)
        mine = counted(found[1], table, True).get(row) if found else None
        if mine and len(mine) > 1 and (seen := first_and_last(mine)):
            growth = seen[-1] / seen[0]
            lines.append([called, "peak memory", f"{growth:.2f}", f"{most:g}", "yes" if growth <= most else "no"])
    for table, row, key, called, unit, by, most in LIMITS:
        found = read(table)
        values = sorted(line[key] / by for line in found[1] if line["row"] == row) if found else []
        if values:
            told = spread(values, 1) if len(values) > 1 else f"{values[0]:.1f}"
            lines.append([called, unit, told, f"{most:g}", "yes" if median(values) <= most else "no"])
    return grid(["", "of", "median (range)", "at most", "so it is"], lines) if lines else "Not measured yet."


SECTIONS = {
    "auth-1k": [under_load("auth-1k", more=[("bytes of cookies", "cookie_bytes")]), at_half], "64k": [under_load("64k"), peaks("64k")], "upload": [under_load("upload", "upload"), peaks("upload")],
    "tls-h1": [under_load("tls-h1")], "tls-h2": [under_load("tls-h2")],
    "handshake": [under_load("handshake", "handshake"), under_load("resumption", "resumption")],
    "rules": [under_load("rules")], "sessions": [under_load("sessions")], "workers": [under_load("workers", more=[("switches a thousand", "switches")]), futexes],
    "engines": [under_load("engines", more=[("switches a thousand", "switches")])],
    "idle": [idle], "start": [start], "spread": [evenness],
}


def section(table):
    found = read(table)
    command = COMMAND.format(table)
    if not found:
        return f"Not measured yet: `{command}`."
    about, results, skipped = found
    noise = " **While others used the machine: to try the rig, not to quote.**" if about["noisy"] else ""
    rounds = ROUNDS.get(table, "{rounds} rounds of {seconds} s").format(**about)
    told = f"`{command}`, {rounds}, {about['date']}.{noise}"
    parts = [told] + [make(about, results) for make in SECTIONS[table] if results]
    parts += [f"{line['row']}: {line['skipped']}." for line in skipped]
    return "\n\n".join(filter(None, parts))


def markdown(tables):
    return "\n\n".join(f"### {table}\n\n{section(table)}" for table in tables) + "\n"


def conditions(tables):
    """On which machine, with which versions."""
    found = [about for about, _, _ in filter(None, map(read, tables))]
    if not found:
        return "Not measured yet."
    newest = max(found, key=lambda about: about["date"])
    told = ", ".join(f"{name} {number}" for name, number in newest["versions"].items())
    return f"{newest['machine']}. {told}."


def picture():
    """Draws it, where there is something to draw; the line that shows it."""
    found = read("auth-1k")
    rows = counted(found[1], "auth-1k", found[0]["noisy"]) if found else {}
    if not rows:
        return "Not measured yet."
    values = [(name, sorted(line["cpu_us"] for line in mine.values())) for name, mine in rows.items()]
    with open(PICTURE, "w") as file:
        file.write(plot.draw([(name, median(each), each[0], each[-1]) for name, each in values]))
    return "![CPU time of the proxy for each request of 1 KiB: median and range of each proxy](performance.svg)"


def write_docs(tables):
    """Replaces what is between the markers of docs/performance.md, and the picture."""
    with open(DOCUMENT) as file:
        text = file.read()
    parts = {"conditions": conditions(tables), "plot": picture(), "bounds": bounds(), **{table: section(table) for table in tables}}
    for name, content in parts.items():
        marked = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(\n<!-- / -->)", re.S)
        if not marked.search(text):
            raise SystemExit(f"docs/performance.md has no place for {name}")
        text = marked.sub(lambda match: match.group(1) + content + match.group(2), text)
    with open(DOCUMENT, "w") as file:
        file.write(text)
