"""Starts Envoy and the driver's servers on free ports, and reads what they use from /proc."""

import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.request

from . import build


class Server:
    """A server of the driver: `feed` or `answer`."""

    def __init__(self, tools, *words):
        self.process = subprocess.Popen([str(word) for word in (tools.driver, *words)], stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: build.pin_others(0))
        self.port = int(self.process.stdout.readline())

    def post(self, target):
        """Makes one of the benchmark's own calls."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{target}", method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        """Ends it."""
        self.process.kill()
        self.process.wait()


class Envoy:
    """One Envoy process with one worker."""

    def __init__(self, tools, listeners, clusters, pinned=True):
        """`listeners` maps names to lists of HTTP filters, `clusters` names to ports of the loopback."""
        self.admin, *ports = free_ports(1 + len(listeners))
        self.ports = dict(zip(listeners, ports))
        self.log = tools.folder / "envoy.log"
        path = tools.folder / "envoy.json"
        path.write_text(json.dumps(configuration(self.admin, self.ports, listeners, clusters)))
        words = [tools.envoy, "-c", str(path), "--concurrency", "1", "-l", "warning", "--use-dynamic-base-id"]
        environment = {**os.environ, "FLINT_GATEWAY_TOKEN": "benchmark"}
        self.started = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
        if pinned:
            build.pin_envoy(self.process.pid)
        self.wait_ready()

    def wait_ready(self):
        """Waits until Envoy serves."""
        until(lambda: self.get("/ready") is not None, 30, self)

    def get(self, target):
        """A page of the admin port, or `None`."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{target}", timeout=2) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def threads(self):
        """The threads, as (id, name)."""
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            yield int(task.name), (task / "comm").read_text().strip()

    def cpu(self):
        """CPU time of all threads so far, in microseconds."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e3

    def memory(self):
        """Resident memory in bytes: now, and at its highest."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines())
        return tuple(int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))

    def wasm_memory(self):
        """The linear memory of each VM in bytes. V8 reserves the whole address space of a memory and lets the VM use
        the first part: a readable mapping, and behind it one of gigabytes that nobody may touch."""
        found, before = [], None
        for line in pathlib.Path(f"/proc/{self.process.pid}/maps").read_text().splitlines():
            place, rights, *_ = line.split()
            start, end = (int(word, 16) for word in place.split("-"))
            if before and rights == "---p" and before[1] == start and end - start > 4 << 30:
                found.append(before[1] - before[0])
            before = (start, end) if rights == "rw-p" else None
        return found

    def stop(self):
        """Ends it."""
        self.process.terminate()
        self.process.wait()


def free_ports(count):
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def until(condition, seconds, envoy):
    """Waits for a condition; how long it took, in seconds since Envoy was started."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end or envoy.process.poll() is not None:
            raise RuntimeError(f"waited {seconds} s in vain; Envoy said:\n{envoy.log.read_text()[-4000:]}")
        time.sleep(0.01)
    return time.monotonic() - envoy.started


def configuration(admin, ports, listeners, clusters):
    """Envoy's bootstrap."""
    return {
        "admin": {"address": address(admin)},
        "stats_flush_interval": "60s",
        "static_resources": {
            "listeners": [listener(name, ports[name], filters) for name, filters in listeners.items()],
            "clusters": [cluster(name, port) for name, port in clusters.items()],
        },
    }


def address(port):
    """A port of the loopback."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster(name, port):
    """A cluster of one endpoint."""
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]
    return {"name": name, "connect_timeout": "1s",
            "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def listener(name, port, filters):
    """A listener that answers 200 to what its filters let through."""
    kind = "type.googleapis.com/envoy.extensions.filters"
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}}
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [*filters, {"name": "envoy.filters.http.router",
                                    "typed_config": {"@type": f"{kind}.http.router.v3.Router"}}],
    }
    return {"name": name, "address": address(port),
            "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager",
                                            "typed_config": manager}]}]}
