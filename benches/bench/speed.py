"""CPU time of the Envoy process per request: every case in one process, in rounds, in several processes."""

import statistics
import sys
from dataclasses import dataclass, field

from . import build, cases, signing
from .envoy import Envoy, Server, until

MANY, FEW = 1_000_000, 1_000
# How many tokens are seen for the first time in a round.
NEW = 300
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
    # Tokens are taken from this file, which has one or, for those that are seen for the first time, very many.
    tokens: str = ""
    is_new: bool = False
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
        Case("**flint**, access token ES256, repeated", "tokens", tokens="ES256.one"),
        Case("flint, access token ES256, first sight", "tokens", tokens="ES256.many", is_new=True),
        Case("flint, access token RS256, repeated", "tokens", tokens="RS256.one"),
        Case("flint, access token RS256, first sight", "tokens", tokens="RS256.many", is_new=True),
        Case("`jwt_authn`, ES256, first sight and repeated", "jwt", tokens="ES256.one"),
        Case("`jwt_authn`, ES256, its cache, repeated", "jwt_cached", tokens="ES256.one"),
        Case("`jwt_authn`, RS256, first sight and repeated", "jwt", tokens="RS256.one"),
        Case("`jwt_authn`, RS256, its cache, repeated", "jwt_cached", tokens="RS256.one"),
    ]


def listeners(tools, signers):
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
        "tokens": cases.flint_oauth(tools, "tokens", "feed_few", signers),
        "jwt": cases.jwt_authn(signers, False),
        "jwt_cached": cases.jwt_authn(signers, True),
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
    found, signers = rows(many), [signing.Es256(), signing.Rs256()]
    print("speed: signing tokens", file=sys.stderr)
    for signer in signers:
        for name, count in (("one", 1), ("many", NEW * (rounds + 1))):
            path = tools.folder / f"{signer.name}.{name}"
            path.write_text("".join(f"{token}\n" for token in signing.tokens(signer, count)))
    servers = {
        "answer": Server(tools, "answer"),
        "feed_few": Server(tools, "feed", FEW),
        "feed_many": Server(tools, "feed", many),
        "feed_expiring": Server(tools, "feed", FEW, "expiring"),
    }
    try:
        for number in range(processes):
            print(f"speed: Envoy {number + 1} of {processes}", file=sys.stderr)
            preferred = one_process(tools, found, signers, servers, rounds, requests)
    finally:
        for server in servers.values():
            server.stop()
    return Speed(found, processes, rounds, requests, preferred)


def one_process(tools, found, signers, servers, rounds, requests):
    """Runs every case in turn, round after round, on one Envoy. Answers whether that ran at real-time priority."""
    envoy = Envoy(tools, listeners(tools, signers), {name: server.port for name, server in servers.items()})
    try:
        costs = [[] for _ in found]
        for case in found:
            until(lambda case=case: answers(tools, envoy, case), 120, envoy)
        preferred = all([build.prefer(thread) for thread, _ in envoy.threads()])
        for number in range(rounds):
            # Each round begins elsewhere, so that no case always follows the same other one.
            for index in range(len(found)):
                at = (index + 4 * number) % len(found)
                costs[at].append(cost(tools, envoy, found[at], requests, number))
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
        ask(tools, envoy, case, 2_000, 0)
    except RuntimeError:
        return False
    return True


def cost(tools, envoy, case, requests, number):
    """Microseconds of CPU that a request costs Envoy in this round."""
    before = envoy.cpu()
    asked = ask(tools, envoy, case, requests, number + 1)
    return (envoy.cpu() - before) / asked


def ask(tools, envoy, case, requests, number):
    """Sends the requests of a case, and tells how many. No token of another round is among those that are new."""
    port = envoy.ports[case.listener]
    if case.is_new:
        tools.load(port, NEW, case.status, f"@{tools.folder / case.tokens}", NEW * number)
        return NEW
    keys = f"@{tools.folder / case.tokens}" if case.tokens else case.keys
    tools.load(port, requests, case.status, keys, case.first)
    return requests
