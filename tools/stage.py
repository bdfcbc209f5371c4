"""Puts real programs on one machine: free ports, an example of envoy/ with those ports in it, processes that end with us."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
PYTHON = sys.executable


class Failed(Exception):
    """Something did not come up or did not answer as documented; the message is for people."""


# === Ports and configurations ===


def free_port(wanted=0):
    """`wanted` if nobody has it, else any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise Failed("no free port")


def rendered(example, ports, replaced):
    """The text of an example with other ports and other files: `ports` and `replaced` are from what stands in it."""
    text = Path(example).read_text()
    for old, new in replaced.items():
        text = text.replace(old, str(new))
    return re.sub(r"port_value: (\d+)", lambda found: f"port_value: {ports.get(int(found[1]), found[1])}", text)


def until(met, what, seconds=60, alive=lambda: True):
    """Waits for `met()` to be true and returns its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = met()
        if value:
            return value
        if not alive():
            break
        time.sleep(0.02)
    raise Failed(f"{what}: not after {seconds} s" if alive() else f"{what}: the program has ended")


def listens(port):
    """Whether something accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


# === Programs ===


class Stage:
    """Programs that were started together and end together, each by its process id, last first."""

    def __init__(self, logs):
        self.logs = Path(logs)
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _, process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for name, process in reversed(self.running):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                print(f"{name} does not end, killing it", file=sys.stderr)
                process.kill()
                process.wait()

    def start(self, name, words, port, says=None, **environment):
        """Starts a program, its output in <logs>/<name>.log, and waits until it listens on `port`.

        What it prints on standard output goes to the file `says` instead, where that is given: not all of it is for a log.
        """
        log = self.logs / f"{name}.log"
        with open(log, "w") as output:
            # A session of its own: Ctrl-C reaches this program alone, which then ends the others in order.
            process = subprocess.Popen(
                [str(word) for word in words],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=says or output,
                stderr=output,
                start_new_session=True,
            )
        self.running.append((name, process))
        try:
            until(lambda: listens(port), f"{name} on port {port}", alive=lambda: process.poll() is None)
        except Failed as failed:
            raise Failed(f"{failed}\nThe end of {log}:\n{tail(log)}") from None

    def ended(self):
        """The name of a program that has ended by itself, if any has."""
        return next((name for name, process in self.running if process.poll() is not None), None)


def tail(log, lines=25):
    """The last lines of a log."""
    return "\n".join(Path(log).read_text(errors="replace").splitlines()[-lines:])


# === Upstreams ===


class Echo(BaseHTTPRequestHandler):
    """Answers with what it has received, as JSON."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        """Every method."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        seen = {
            "upstream": self.server.label,
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode("utf-8", "replace"),
        }
        text = (json.dumps(seen, indent=2) + "\n").encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def log_message(self, *_):
        """Nothing: the log would have the keys that a careless configuration forwards."""


def upstream(label, port=0):
    """Starts an upstream called `label` on a thread and returns its port."""
    server = ThreadingHTTPServer((HOST, port), Echo)
    server.label = label
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
