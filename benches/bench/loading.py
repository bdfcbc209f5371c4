"""The table's life: time to a usable table, the longest request meanwhile, memory, changes, idle cost."""

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from . import build, cases
from .envoy import Envoy, Server, until

MANY, FEW = 1_000_000, 1_000
CHANGED = 1_000
# The key that is asked for is none that changes, but for the last test.
STEADY = 7


class Prober:
    """One connection in a closed loop (benches/driver/src/prober.rs)."""

    def __init__(self, tools, port, status, *key):
        words = [str(word) for word in (tools.driver, "probe", port, status, tools.request, *key)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: build.pin_others(0))
        # It needs little of a core that it shares with Envoy's other threads, and must not wait for that.
        build.prefer(self.process.pid)

    def report(self):
        """What there was since the last report."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        words = self.process.stdout.readline().split()
        if not words:
            raise RuntimeError("the prober has ended")
        return Latencies(*(float(word) for word in words[:5]), [float(word) for word in words[5:]])

    def stop(self):
        """Ends it."""
        self.process.kill()
        self.process.wait()


@dataclass
class Latencies:
    """Of the requests of a stretch of time, in microseconds."""

    count: float
    median: float
    p99: float
    p999: float
    slow: float
    longest: list


@dataclass
class Loading:
    """What was measured. Times in seconds, memory in bytes, latencies as above."""

    keys: int = 0
    hurried: bool = False
    usable: list = None
    listening: list = None
    few_usable: float = 0
    quiet: Latencies = None
    quiet_lookup: Latencies = None
    loading: list = None
    changing: Latencies = None
    replacing: Latencies = None
    replaced: float = 0
    propagation: list = None
    base_memory: int = 0
    memory: int = 0
    memory_peak: int = 0
    memory_replaced: int = 0
    memory_again: int = 0
    wasm_memory: tuple = ()
    idle: tuple = ()


def settle_threads(envoy):
    """Gives the worker a core of its own; all else shares the others. All of it goes before other programs."""
    hurried = True
    for thread, name in envoy.threads():
        hurried &= build.hurry(thread)
        if name.startswith("wrk:"):
            build.pin_envoy(thread)
        else:
            build.pin_others(thread)
    return hurried


def start(tools, feed):
    """An Envoy with our filter and nothing else, and whether it goes before other programs."""
    listeners = {"flint": cases.flint(tools, "flint", "feed")} if feed else {"none": []}
    envoy = Envoy(tools, listeners, {"feed": feed.port} if feed else {}, pinned=False)
    return envoy, settle_threads(envoy)


def allowed(tools, envoy, number):
    """Whether the key of that number passes."""
    try:
        tools.load(envoy.ports["flint"], 1, 200, 1, number, 1)
    except RuntimeError:
        return False
    return True


def measure(tools, quick):
    """Everything."""
    keys, starts = (20_000, 1) if quick else (MANY, 3)
    found = Loading(keys=keys, usable=[], listening=[], loading=[], propagation=[])
    found.idle = (idle(tools, None), 0.0)
    few = Server(tools, "feed", FEW)
    envoy, _ = start(tools, few)
    found.few_usable = until(lambda: allowed(tools, envoy, STEADY), 30, envoy)
    time.sleep(2)
    found.base_memory = envoy.memory()[0]
    envoy.stop()
    few.stop()
    feed = Server(tools, "feed", keys)
    build.hurry(feed.process.pid)
    try:
        for number in range(starts):
            print(f"loading: start {number + 1} of {starts}", file=sys.stderr)
            envoy = cold_start(tools, feed, found)
            if number < starts - 1:
                envoy.stop()
        steady(tools, envoy, feed, found, quick)
        envoy.stop()
    finally:
        feed.stop()
    return found


def cold_start(tools, feed, found):
    """From nothing to a usable table, with a prober from the first moment."""
    envoy, found.hurried = start(tools, feed)
    found.listening.append(time.monotonic() - envoy.started)
    prober = Prober(tools, envoy.ports["flint"], 401)
    found.usable.append(until(lambda: allowed(tools, envoy, STEADY), 120, envoy))
    found.loading.append(prober.report())
    prober.stop()
    return envoy


def steady(tools, envoy, feed, found, quick):
    """What follows on a table that is whole."""
    seconds = 2 if quick else 10
    time.sleep(3)
    found.memory = envoy.memory()[0]
    found.wasm_memory = envoy.wasm_memory()
    found.quiet = stretch(tools, envoy, 401, (), lambda _: time.sleep(seconds))
    found.quiet_lookup = stretch(tools, envoy, 200, (STEADY,), lambda _: time.sleep(seconds))
    found.changing = stretch(tools, envoy, 200, (STEADY,), lambda _: change(tools, envoy, feed, found, quick))
    found.idle = (found.idle[0], idle(tools, envoy))
    found.replacing = stretch(tools, envoy, 200, (STEADY,), lambda _: replace(tools, envoy, feed, found))
    time.sleep(3)
    found.memory_replaced = envoy.memory()[0]
    found.memory_peak = envoy.memory()[1]
    feed.post(revocation(changed_from(found.keys, 0)))
    replace(tools, envoy, feed, found)
    time.sleep(3)
    found.memory_again = envoy.memory()[0]


def stretch(tools, envoy, status, key, during):
    """The latencies while something is done."""
    prober = Prober(tools, envoy.ports["flint"], status, *key)
    try:
        time.sleep(0.2)
        prober.report()
        during(prober)
        return prober.report()
    finally:
        prober.stop()


def change(tools, envoy, feed, found, quick):
    """Revokes a thousand keys at a time; how long until the last of them is refused."""
    for number in range(3 if quick else 20):
        first = changed_from(found.keys, number)
        last = first + CHANGED - 1
        if not allowed(tools, envoy, last):
            raise RuntimeError(f"key {last} does not pass before it is revoked")
        began = time.monotonic()
        feed.post(revocation(first))
        until(lambda last=last: not allowed(tools, envoy, last), 10, envoy)
        found.propagation.append(time.monotonic() - began)


def revocation(first):
    """The call that revokes a thousand keys."""
    return f"/bench/change?from={first}&count={CHANGED}&revoke=1"


def changed_from(keys, number):
    """The first key of the change of that number: changes do not overlap."""
    return CHANGED + number * max(CHANGED, keys // 32)


def replace(tools, envoy, feed, found):
    """Makes the authority forget: a whole new table is loaded beside the one that serves. A revoked key of the old
    table passes again with the new one, which tells when it serves."""
    revoked = changed_from(found.keys, 0)
    until(lambda: not allowed(tools, envoy, revoked), 30, envoy)
    began = time.monotonic()
    feed.post("/bench/forget")
    until(lambda: allowed(tools, envoy, revoked), 180, envoy)
    found.replaced = time.monotonic() - began


def idle(tools, envoy):
    """Microseconds of CPU a second that an Envoy without requests uses; without `envoy`, one without a filter."""
    own = envoy or start(tools, None)[0]
    time.sleep(2)
    before, began = own.cpu(), time.monotonic()
    time.sleep(8)
    used = (own.cpu() - before) / (time.monotonic() - began)
    if own is not envoy:
        own.stop()
    return used


def spread(values):
    """Median and longest, in milliseconds."""
    return statistics.median(values) * 1e3, max(values) * 1e3
