"""What a run needs before it can begin: the driver program, the hand-written modules, the request."""

import os
import pathlib
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

MODULES = {"nothing": (), "floor": ("calls",), "floor_time": ("calls", "time")}
RUSTC = ("--edition", "2024", "--crate-type", "cdylib", "--target", "wasm32-wasip1", "-C", "opt-level=3", "-C",
         "panic=abort", "-C", "lto=fat", "-C", "strip=symbols", "-C", "link-self-contained=no", "-C",
         "link-arg=--no-entry")

# What a browser sends through a proxy: eleven headers, some 600 bytes.
REQUEST = """\
GET /documents/17?view=full HTTP/1.1
host: api.example.com
user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0
accept: application/json, text/plain, */*
accept-language: en-GB,en;q=0.7
accept-encoding: gzip, deflate, br
authorization: Bearer {key}
content-type: application/json
cookie: session=0123456789abcdef0123456789abcdef
referer: https://app.example.com/documents
x-request-id: 8e2f9a3c-5a0d-4c67-9b58-2d7c1a0b9e11
"""


class Tools:
    """Paths of all that a run uses. A temporary folder holds what is made for it."""

    def __init__(self, envoy, wasm):
        self.envoy, self.wasm = envoy, wasm
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="flint-bench-"))

    def __enter__(self):
        cargo = os.environ.get("CARGO", "cargo")
        subprocess.run([cargo, "build", "--quiet", "--release", "--package", "flint-bench"], cwd=ROOT, check=True)
        self.driver = target() / "release" / "flint-bench"
        for name, words in MODULES.items():
            flags = [flag for word in words for flag in ("--cfg", word)]
            source, module = ROOT / "benches" / "modules" / "floor.rs", self.module(name)
            subprocess.run(["rustc", *RUSTC, *flags, "-o", module, source], cwd=ROOT, check=True)
        self.request = self.folder / "request"
        self.request.write_text(REQUEST)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def module(self, name):
        """The path of a hand-written module."""
        return self.folder / f"{name}.wasm"

    def awake(self):
        """Keeps the cores awake for as long as it is entered."""
        return Awake(self.driver)

    def load(self, port, requests, status, keys=1, first=0, connections=8):
        """Sends requests; an answer of another status is an error. Returns the seconds that it took. `keys` is a number of
        keys, or `@` and a file of credentials."""
        words = [self.driver, "load", port, requests, connections, status, self.request, keys, first]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False,
                              preexec_fn=before_load)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return float(done.stdout)


class Awake:
    """A process for each core that turns in place at idle priority, where it takes time from nobody.

    A core of a virtual machine that has nothing to do is given back, and comes back with another's caches: what a
    request costs then depends on how many come together, and jumps by a fifth from round to round.
    """

    def __init__(self, driver):
        self.driver, self.spinners = driver, []

    def __enter__(self):
        for core in cores():
            spinner = subprocess.Popen([str(self.driver), "spin"])
            self.spinners.append(spinner)
            os.sched_setaffinity(spinner.pid, {core})
            os.sched_setscheduler(spinner.pid, os.SCHED_IDLE, os.sched_param(0))
        return self

    def __exit__(self, *_):
        for spinner in self.spinners:
            spinner.kill()
            spinner.wait()


def target():
    """Where cargo builds."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def cores():
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


def pin_envoy(pid):
    """Gives Envoy the first core, if there is another one for the rest."""
    if len(cores()) > 1:
        os.sched_setaffinity(pid, cores()[:1])


def pin_others(pid):
    """Keeps what is not Envoy off the first core."""
    if len(cores()) > 1:
        os.sched_setaffinity(pid, cores()[1:])


def prefer(thread):
    """Lets a thread run whenever it can: its caches stay its own. For short rounds: the kernel takes a core away from
    a thread that uses all of it for a second. It takes privileges; answers whether they were there.
    """
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(10))
    except PermissionError:
        return False
    return True


def hurry(thread):
    """Gives a thread nearly all of a core that it shares, so that a wait for a core is not taken for a wait for the
    filter. It takes privileges; answers whether they were there.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, thread, -20)
    except PermissionError:
        return False
    return True


def before_load():
    """What a generator of load does before it begins."""
    pin_others(0)
    prefer(0)
