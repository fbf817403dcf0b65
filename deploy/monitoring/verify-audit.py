#!/usr/bin/env python3
"""Checks audit lines that were written with `[log] audit_chain = true`: docs/observability.md says how they are made.

    verify-audit.py SESSION_KEYS_FILE < lines

Exit code 0: nothing was changed, taken out, put in or moved. 1: something was, and it is named. 2: no file was
given. Needs Python alone.
"""

import base64
import hashlib
import hmac
import json
import sys


def audit_key(session_key):
    """HKDF-SHA256 (RFC 5869), one block of output."""
    extracted = hmac.digest(b"rolegate session keys v1", session_key, hashlib.sha256)
    return hmac.digest(extracted, b"audit\x01", hashlib.sha256)


def session_keys(path):
    with open(path, encoding="ascii") as file:
        for line in map(str.strip, file):
            if line and not line.startswith("#"):
                text = line.replace("-", "+").replace("_", "/").rstrip("=")
                yield base64.b64decode(text + "=" * (-len(text) % 4))


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print("usage: verify-audit.py SESSION_KEYS_FILE < lines", file=sys.stderr)
        sys.exit(2)
    keys = [audit_key(key) for key in session_keys(sys.argv[1])]
    chains, faults, checked = {}, 0, 0
    for at, line in enumerate(sys.stdin.buffer, 1):
        line = line.rstrip(b"\r\n")
        body, found, rest = line.rpartition(b',"mac":"')
        try:
            record = json.loads(line)
        except ValueError:
            record = {}
        if not isinstance(record, dict) or record.get("kind") != "audit":
            continue
        name, number = record.get("chain"), record.get("number")
        if not found or name is None:
            print(f"line {at}: an audit line that is in no chain")
            faults += 1
            continue
        mac = bytes.fromhex(record["mac"])
        chain = chains.setdefault(name, {"key": None, "next": 0, "last": bytes(32), "ended": False})
        if number != chain["next"]:
            print(f"line {at}: chain {name}: number {number} where {chain['next']} should be")
            faults += 1
        else:
            likely = keys if chain["key"] is None else [chain["key"]]
            key = next((key for key in likely if hmac.digest(key, chain["last"] + body, "sha256") == mac), None)
            if key is None:
                print(f"line {at}: chain {name}: number {number} is not what the gate wrote")
                faults += 1
            chain["key"] = chain["key"] or key
        if record.get("event") == "lost":
            print(f"line {at}: chain {name}: the gate itself lost {record['detail']['lines']} lines before this")
        # From here on what follows is held against what stands here.
        chain.update(next=number + 1, last=mac, ended=record.get("event") == "stopped")
        checked += 1
    for name, chain in chains.items():
        if not chain["ended"]:
            print(f"chain {name} ends at number {chain['next'] - 1} without `stopped`: lines may be missing behind it")
    print(f"{checked} lines in {len(chains)} chains, {faults} faults")
    sys.exit(1 if faults or not checked else 0)


if __name__ == "__main__":
    main()
