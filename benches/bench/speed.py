"""CPU time of the Envoy process per request: every case in one process, in rounds, in several processes."""

import statistics
import sys
from dataclasses import dataclass, field

from . import build, cases
from .envoy import Envoy, Server, until

MANY, FEW = 1_000_000, 1_000
# A shard of our table is about this long; so many of them hold a million keys.
SHARD, SHARDS_OF_MANY, SHARDS_OF_FEW = 2_700, 41_667, 42


@dataclass
class Case:
    """One row: a listener, who asks, and the answer that is right."""

    title: str
    listener: str
    status: int = 200
    keys: int = cases.PEER_KEYS
    first: int = 0
    minima: list = field(default_factory=list)
    medians: list = field(default_factory=list)


def rows(many):
    """Every row, the one without a filter first."""
    return [
        Case("no filter", "none"),
        Case("`api_key_auth`, 1 thousand keys", "native"),
        Case("`api_key_auth`, key hidden, client named", "native_hiding"),
        Case("Lua, table of plain keys", "lua"),
        Case("Lua, key hidden, client named", "lua_headers"),
        Case("`ext_authz` over HTTP, trivial server", "ext_authz"),
        Case("wasm module that does nothing", "nothing"),
        Case("**floor**: the host calls of our allow path", "floor"),
        Case("floor, shared data as for 1 million keys", "floor_many"),
        Case("floor and the time", "floor_time"),
        Case("**flint**, 1 thousand keys, allowed", "few", keys=FEW),
        Case("**flint**, 1 million keys, allowed", "many", keys=many),
        Case("flint, 1 thousand keys that expire, allowed", "expiring", keys=FEW),
        Case("flint, 1 thousand keys, unknown key refused", "few", 401, FEW, FEW),
        Case("flint, 1 million keys, unknown key refused", "many", 401, many, many),
    ]


def listeners(tools):
    """The listeners that the rows name."""
    return {
        "none": [],
        "native": cases.api_key_auth(False),
        "native_hiding": cases.api_key_auth(True),
        "lua": cases.lua(False),
        "lua_headers": cases.lua(True),
        "ext_authz": cases.ext_authz("answer"),
        "nothing": cases.wasm("nothing", tools.module("nothing"), "0,0"),
        "floor": cases.wasm("floor", tools.module("floor"), f"{SHARDS_OF_FEW},{SHARD}"),
        "floor_many": cases.wasm("floor_many", tools.module("floor"), f"{SHARDS_OF_MANY},{SHARD}"),
        "floor_time": cases.wasm("floor_time", tools.module("floor_time"), f"{SHARDS_OF_FEW},{SHARD}"),
        "few": cases.flint(tools, "few", "feed_few"),
        "many": cases.flint(tools, "many", "feed_many"),
        "expiring": cases.flint(tools, "expiring", "feed_expiring"),
    }


@dataclass
class Speed:
    """What was measured, and how."""

    cases: list
    processes: int
    rounds: int
    requests: int
    preferred: bool


def measure(tools, quick):
    """All rows."""
    many = FEW * 5 if quick else MANY
    processes, rounds, requests = (1, 2, 2_000) if quick else (6, 6, 8_000)
    found = rows(many)
    servers = {
        "answer": Server(tools, "answer"),
        "feed_few": Server(tools, "feed", FEW),
        "feed_many": Server(tools, "feed", many),
        "feed_expiring": Server(tools, "feed", FEW, "expiring"),
    }
    try:
        for number in range(processes):
            print(f"speed: Envoy {number + 1} of {processes}", file=sys.stderr)
            preferred = one_process(tools, found, servers, rounds, requests)
    finally:
        for server in servers.values():
            server.stop()
    return Speed(found, processes, rounds, requests, preferred)


def one_process(tools, found, servers, rounds, requests):
    """Runs every case in turn, round after round, on one Envoy. Answers whether that ran at real-time priority."""
    envoy = Envoy(tools, listeners(tools), {name: server.port for name, server in servers.items()})
    try:
        costs = [[] for _ in found]
        for case in found:
            until(lambda case=case: answers(tools, envoy, case), 120, envoy)
        preferred = all([build.prefer(thread) for thread, _ in envoy.threads()])
        for number in range(rounds):
            # Each round begins elsewhere, so that no case always follows the same other one.
            for index in range(len(found)):
                at = (index + 4 * number) % len(found)
                costs[at].append(cost(tools, envoy, found[at], requests))
    finally:
        envoy.stop()
    for case, cost_of in zip(found, costs):
        case.minima.append(min(cost_of) - min(costs[0]))
        case.medians.append(statistics.median(cost_of) - statistics.median(costs[0]))
    found[0].minima[-1], found[0].medians[-1] = min(costs[0]), statistics.median(costs[0])
    return preferred


def answers(tools, envoy, case):
    """Whether a case gets the answer that is right, and has been warmed by some requests."""
    try:
        tools.load(envoy.ports[case.listener], 2_000, case.status, case.keys, case.first)
    except RuntimeError:
        return False
    return True


def cost(tools, envoy, case, requests):
    """Microseconds of CPU that a request costs Envoy."""
    before = envoy.cpu()
    tools.load(envoy.ports[case.listener], requests, case.status, case.keys, case.first)
    return (envoy.cpu() - before) / requests
