#!/usr/bin/env python3
"""Measures TAXII 2.1 servers side by side: one machine, one corpus, one client, one run.

    bench/peers/install.sh VENV
    cargo build --release
    VENV/bin/python bench/peers/run.py [--objects 1000 --objects 15000] [--only NAME] [--out FILE]

Starts medallion (memory), OpenTAXII (SQLite) and this node (durable when answered), each alone, and
loads and reads each with `kurultai bench taxii`. Prints Markdown tables: a step's rate per second of
wall clock and per second of the server's processor time, and what each is to ours. medallion takes
time that grows with the square of what it holds, so steps end after a time and rates count what was
done until then.
"""
import argparse
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MEDALLION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Peer:
    """A running server: where it is, and how it ends."""

    def __init__(self, name, process, at, root, collection, user, password):
        self.name, self.process = name, process
        self.at, self.root, self.collection = at, root, collection
        self.user, self.password = user, password

    def stop(self):
        if self.process.stdin:
            self.process.stdin.close()
        self.process.terminate()
        self.process.wait(30)


def python(script, *arguments):
    process = subprocess.Popen(
        [sys.executable, os.path.join(HERE, script), *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    return process, process.stdout.readline().strip()


def medallion(_binary, _folder):
    port = free_port()
    process, _ = python("serve_medallion.py", port)
    return Peer("medallion", process, f"127.0.0.1:{port}", "/root", MEDALLION, "admin", "pass")


def opentaxii(_binary, folder):
    port = free_port()
    process, url = python("serve_opentaxii.py", port, os.path.join(folder, "opentaxii"))
    parts = url.split("/")
    root, collection = "/" + "/".join(parts[3:5]), parts[6]
    return Peer("OpenTAXII", process, f"127.0.0.1:{port}", root, collection, "admin", "pass")


def kurultai(binary, folder):
    data = os.path.join(folder, "kurultai")
    port = free_port()

    def command(*arguments):
        done = subprocess.run([binary, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"kurultai {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    command(
        "init", "--data", data, "--code", "AA", "--name", "Bench", "--domain", "bench.example",
        "--listen-members", f"127.0.0.1:{free_port()}", "--listen-national", f"127.0.0.1:{port}",
    )
    password = secrets.token_urlsafe(24)
    given = os.path.join(folder, "given")
    with open(given, "w") as out:
        out.write(password)
    command("user", "add", "bench", "--password-file", given, "--role", "analyst", "--data", data)
    process = subprocess.Popen(
        [binary, "serve", "--data", data], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    return Peer("kurultai", process, f"127.0.0.1:{port}", "/taxii2/kurultai", "national", "bench", password)


def ready(peer):
    host, port = peer.at.split(":")
    for _ in range(300):
        try:
            socket.create_connection((host, int(port)), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{peer.name} does not answer")


def measure(binary, start, objects, wanted):
    folder = tempfile.mkdtemp(prefix="peer-", dir=wanted.folder)
    peer = start(binary, folder)
    try:
        ready(peer)
        given = os.path.join(folder, "password")
        with open(given, "w") as out:
            out.write(peer.password)
        done = subprocess.run(
            [binary, "bench", "taxii", "--json", "--at", peer.at, "--root", peer.root,
             "--collection", peer.collection, "--user", peer.user, "--password-file", given,
             "--process", str(peer.process.pid), "--objects", str(objects),
             "--requests", str(wanted.requests), "--seconds", str(wanted.seconds),
             "--add-seconds", str(wanted.add_seconds)],
            stdout=subprocess.PIPE, text=True,
        )
        # A server that does not answer in two minutes has no figures, and the others still do.
        return json.loads(done.stdout) if done.returncode == 0 else None
    finally:
        peer.stop()
        shutil.rmtree(folder, ignore_errors=True)


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.3f}"


def unit(step):
    """What a step is counted in: objects where it moves many, requests where it finds one."""
    return "requests" if step["name"] in ("match[id]", "one object") else "objects"


def table(objects, results):
    names = list(results)
    lines = [f"## {objects:,} objects", ""]
    lines.append("| per CPU-second | " + " | ".join(names) + " | " + " | ".join(
        f"ours / {name}" for name in names if name != "kurultai") + " |")
    lines.append("|---" * (2 * len(names)) + "|")
    for at, first in enumerate(results[names[-1]]["steps"]):
        unit_name = unit(first)
        rates = {}
        for name in names:
            step = results[name]["steps"][at]
            rates[name] = step[f"{unit_name}_per_cpu_second"], step[f"{unit_name}_per_second"]
        ours = rates.get("kurultai", (0, 0))
        cells = [f"{number(cpu)} ({number(wall)}/s)" for cpu, wall in rates.values()]
        ratios = [
            f"{ours[0] / cpu:,.0f}×" if cpu else "-"
            for name, (cpu, _) in rates.items() if name != "kurultai"
        ]
        lines.append(f"| {first['name']}, {unit_name} | " + " | ".join(cells + ratios) + " |")
    memory = [f"{results[name]['peak_bytes'] / 1e6:,.0f} MB" for name in names]
    held = [f"{results[name]['held']:,}" for name in names]
    blank = [""] * (len(names) - 1)
    lines.append("| memory at most | " + " | ".join(memory + blank) + " |")
    lines.append("| objects held | " + " | ".join(held + blank) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, action="append", help="sizes (default 1000 and 15000)")
    parser.add_argument("--only", action="append", choices=["medallion", "opentaxii", "kurultai"])
    parser.add_argument("--binary", default=os.path.join(ROOT, "target/release/kurultai"))
    parser.add_argument("--folder", default=None, help="where data goes, on the disk to be measured")
    parser.add_argument("--requests", type=int, default=400, help="requests of one reading step at most")
    parser.add_argument("--seconds", type=int, default=20, help="seconds of one reading step at most")
    parser.add_argument("--add-seconds", type=int, default=300, help="seconds of adding at most")
    parser.add_argument("--out", help="write the raw figures here too, as JSON")
    wanted = parser.parse_args()
    starts = {"medallion": medallion, "opentaxii": opentaxii, "kurultai": kurultai}
    raw = {}
    for objects in wanted.objects or [1_000, 15_000]:
        results = {}
        for name in wanted.only or list(starts):
            found = measure(wanted.binary, starts[name], objects, wanted)
            if found is None:
                print(f"{name} did not get through {objects:,} objects\n", flush=True)
                continue
            results[{"opentaxii": "OpenTAXII"}.get(name, name)] = found
        raw[objects] = results
        if not results:
            continue
        print(table(objects, results), end="\n\n", flush=True)
    if wanted.out:
        with open(wanted.out, "w") as out:
            json.dump(raw, out, indent=1)


if __name__ == "__main__":
    main()
