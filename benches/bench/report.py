"""The document: docs/benchmarks.md."""

import datetime
import os
import pathlib
import platform
import re
import statistics
import subprocess
import textwrap

from . import build
from .loading import FEW, spread
from .speed import NEW, SHARD

HEAD = """# Benchmarks

Written by `make bench`; do not edit. What it does is in [benches/](../benches/run), of which
`--only speed`, `--only loading` and `--only authority` measure and write their sections alone.

"""

# How busy the machine was before the run added to it.
LOAD = os.getloadavg()[0]


def sections(tools, speeds, loads, rows):
    """What was measured, a text for each heading."""
    found = []
    if speeds:
        found.append(speed(speeds, machine(tools)))
    if loads:
        found += [table(loads, machine(tools)), longest(loads)]
    if rows:
        found.append(authority(rows))
    return found


def replace(text, found):
    """The document with these sections in the place of those of the same headings; new ones come at its end."""
    for section in found:
        heading = section.split("\n", 1)[0]
        old = re.search(rf"^{re.escape(heading)}$.*?(?=^## |\Z)", text, re.M | re.S)
        before, after = (text[:old.start()], text[old.end():]) if old else (text.rstrip("\n") + "\n\n", "")
        text = before + wrapped(section) + (after and "\n" + after)
    return text


def wrapped(section):
    """The section with its prose wrapped as in every other document."""
    parts = [part if part.startswith(("|", "#")) else textwrap.fill(part, 100, break_long_words=False, break_on_hyphens=False)
             for part in section.rstrip("\n").split("\n\n")]
    return "\n\n".join(parts) + "\n"


def machine(tools):
    """Where and with what."""
    version = subprocess.run([tools.envoy, "--version"], capture_output=True, text=True, check=True).stdout
    envoy = re.search(r"/(\d+\.\d+\.\d+[^/]*)/", version)
    return (f"{place()} Envoy {envoy.group(1) if envoy else 'unknown'}, "
            f"filter of {os.path.getsize(tools.wasm):,} bytes.\n")


def place():
    """The day, the commit, the machine and the compiler."""
    cpu = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    rustc = subprocess.run(["rustc", "--version"], cwd=build.ROOT, capture_output=True, text=True, check=True).stdout
    words = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(words, cwd=build.ROOT, capture_output=True, text=True, check=False).stdout.strip()
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return (f"{today}, commit {commit or 'unknown'}. {cpu.group(1) if cpu else platform.machine()}, "
            f"{len(build.cores())} cores, load average {LOAD:.1f} before the run, "
            f"Linux {platform.release().split('-')[0]}. {rustc.split(' (')[0].capitalize()}.")


def speed(speeds, where):
    """The table of costs."""
    by_title = {case.title: statistics.median(case.minima) for case in speeds.cases}
    floor = next(value for title, value in by_title.items() if "**floor**" in title)
    authz = next(value for title, value in by_title.items() if "ext_authz" in title)
    how = ("Envoy and the generator have a core each and real-time priority." if speeds.preferred else
           "Envoy and the generator ran at ordinary priority: what else the machine did is in the numbers.")
    text = f"""## What a request costs

{where}
CPU time of the whole Envoy process for one request, in microseconds over the same Envoy without a filter. HTTP/1.1,
8 connections kept alive, one worker, direct response, a GET of 11 headers. {speeds.processes} Envoy processes, in each
{speeds.rounds} interleaved rounds of {speeds.requests:,} requests a row; every answer checked. {how} *Cost* is the minimum of
a process's rounds less the minimum without a filter: the median process, then the least and the most. *Median rounds*
is the same of the medians.

| | cost | range | median rounds | × floor | × `ext_authz` |
|---|---:|---:|---:|---:|---:|
"""
    for case in speeds.cases:
        cost = statistics.median(case.minima)
        shares = ("", "") if case is speeds.cases[0] else (f"{cost / floor:.2f}", f"{cost / authz:.2f}")
        mark = " (in all)" if case is speeds.cases[0] else ""
        text += (f"| {case.title}{mark} | {cost:.1f} | {min(case.minima):.1f} to {max(case.minima):.1f} | "
                 f"{statistics.median(case.medians):.1f} | {shares[0]} | {shares[1]} |\n")
    return text + READING


READING = f"""
How to read it: one process of Envoy differs from the next by some tenths of a microsecond in the placement of its
code, and a busy neighbour adds to every row; differences below about half a microsecond mean nothing. Programs that do
nothing, at idle priority, keep the cores awake: a virtual core that sleeps between requests comes back cold, and its
rows jump by a fifth. The *floor* is a hand-written module ([benches/modules/floor.rs](../benches/modules/floor.rs))
that makes the host calls of our allow path with fixed arguments and computes nothing: all headers, one shared value of
{SHARD:,} bytes, one header removed, four added, two properties set; with *time*, that call too. Each wasm row has a VM of
its own in the same process, and its ticks and long polls run in every row alike. The keys that ask are spread over all
keys of the table. A worker verifies the signature of a token once: rows of *first sight* have {NEW:,} tokens a round, each
shown once. `jwt_authn` keeps its cache only if it is told to, and checks no permission and no revocation.
"""


def table(found, where):
    """Time and memory."""
    thousand = f"{CHANGED_WORD} of {found.keys:,} keys"
    median, most = spread(found.propagation)
    entry = (found.memory - found.base_memory) / max(found.keys - FEW, 1)
    replaced = (found.memory_replaced - found.base_memory) / max(found.keys - FEW, 1)
    again = (found.memory_again - found.base_memory) / max(found.keys - FEW, 1)
    peak = (found.memory_peak - found.base_memory) / max(found.keys - FEW, 1)
    rows = [
        (f"cold start to the first request allowed, {found.keys:,} keys", " / ".join(f"{s:.1f} s" for s in found.usable)),
        ("… of which until Envoy listens", " / ".join(f"{s:.1f} s" for s in found.listening)),
        (f"the same with {FEW:,} keys", f"{found.few_usable:.1f} s"),
        (f"revocation of {thousand}: until the last is refused, median and longest", f"{median:.0f} ms, {most:.0f} ms"),
        ("a whole new table next to the one that serves (reset)", f"{found.replaced:.1f} s"),
        ("memory of the process a key", f"{entry:.0f} bytes"),
        ("… at the highest, while a new table is loaded next to the old", f"{peak:.0f} bytes"),
        ("… after that, and after one more (Envoy's allocator keeps what was freed)",
         f"{replaced:.0f} bytes, {again:.0f} bytes"),
        ("linear memory of each VM, whatever the number of keys",
         " + ".join(f"{size / 2**20:.1f}" for size in found.wasm_memory) + " MiB"),
        ("CPU of an idle Envoy: without filter, with the filter and its table", f"{found.idle[0] / 1e4:.2f} %, {found.idle[1] / 1e4:.2f} % of a core"),
    ]
    text = f"## What the table costs\n\n{where}\n| | |\n|---|---:|\n"
    return text + "".join(f"| {name} | {value} |\n" for name, value in rows)


CHANGED_WORD = "1,000"


def longest(found):
    """The table of the longest requests."""
    how = ("The worker has its own core, the prober real-time priority; Envoy and the authority go before other "
           "programs (nice -20), so that a wait for a core is seldom taken for one for the filter." if found.hurried else
           "All at ordinary priority: waits for a core are in it.")
    text = f"""## The longest request

One connection in a closed loop on the one worker, microseconds as the client sees them. {how}

| | requests | median | 99.9 % | longest five | over 5 ms |
|---|---:|---:|---:|---|---:|
"""
    rows = [("nothing else happening (malformed key refused)", found.quiet)]
    rows += [(f"while {found.keys:,} keys are loaded from cold (malformed key refused)", one) for one in found.loading]
    rows += [
        ("nothing else happening (key allowed)", found.quiet_lookup),
        (f"while {CHANGED_WORD} of {found.keys:,} keys change, {len(found.propagation)} times (key allowed)", found.changing),
        (f"while {found.keys:,} keys are replaced (key allowed)", found.replacing),
    ]
    for title, one in rows:
        five = " ".join(f"{value:,.0f}" for value in one.longest)
        text += f"| {title} | {one.count:,.0f} | {one.median:.0f} | {one.p999:.0f} | {five} | {one.slow:.0f} |\n"
    return text


def authority(rows):
    """The section of the authority: the rows are what authority/examples/measure.rs prints."""
    return f"""## The authority

{place()}
A release build of `flint serve`, asked over HTTP on this machine by a program that shares its cores.

{rows}
A search for a word that no key has is answered from the counts of words; one for words that very many keys have goes
through the keys in order. The revocation comes from another process, as the command line does it. The gateways'
reports are of different keys each; what it takes to add them up is in the figure. Memory is resident, and most of it
SQLite's caches. A token is answered once it is on the disk; grants to clients that come at the same time share a commit.
"""
