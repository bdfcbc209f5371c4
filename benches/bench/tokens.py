"""The token endpoint of `flint serve` on one core: grants to a client for itself, and whole exchanges of a code."""

import base64
import http.client
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile
import urllib.parse

from . import build

CALLBACK = "https://app.example/cb"
# RFC 7636, appendix B.
VERIFIER, CHALLENGE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
PASSWORD = "correct horse battery"
TICKS = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 8


def measure(quick):
    """The rows, in Markdown."""
    grants, exchanges = (200, 50) if quick else (10_000, 2_000)
    text = ("| tokens, `flint serve` on one core, 8 connections | a second | median | p99 | CPU of one | wanted |\n"
            "|---|---:|---:|---:|---:|---|\n")
    with tempfile.TemporaryDirectory(prefix="flint-bench-") as folder:
        folder = pathlib.Path(folder)
        for name, database in (("SQLite", lambda: f"sqlite:{folder}/flint.db"), ("PostgreSQL", lambda: postgres.url())):
            with Postgres(folder) if name == "PostgreSQL" else Nothing() as postgres, \
                    Authority(folder / name, database()) as authority:
                wanted = ("1,000 a second, p99 < 20 ms", "200 a second") if name == "SQLite" else ("", "")
                text += row(f"client credentials, {name}", authority.grants(grants), wanted[0])
                text += row(f"a code made and exchanged, {name}", authority.exchanges(exchanges), wanted[1])
    return text


def row(title, found, wanted):
    """One row."""
    rate, median, p99, cpu = found
    return f"| {title} | {rate:,.0f} | {median:.1f} ms | {p99:.1f} ms | {cpu:.2f} ms | {wanted} |\n"


class Nothing:
    """Where nothing is to be started."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Authority:
    """`flint serve` with a client and a user who has granted it everything."""

    def __init__(self, folder, database):
        folder.mkdir(parents=True)
        self.program = build.target() / "release" / "flint"
        self.driver = build.target() / "release" / "flint-bench"
        self.environment = dict(os.environ, FLINT_DATABASE=database, FLINT_SIGNING_KEYS=str(folder / "keys"),
                                FLINT_JOURNAL=str(folder / "journal"), FLINT_LOG="warn")

    def run(self, *words, text=None):
        """What a command prints."""
        done = subprocess.run([self.program, *words], env=self.environment, input=text, capture_output=True, text=True,
                              check=True)
        return done.stdout.strip()

    def __enter__(self):
        grants = ("authorization_code", "refresh_token", "client_credentials")
        words = [word for grant in grants for word in ("--grant", grant)]
        secret = self.run("oauth", "clients", "create", "--name", "bench", "--environment", "live", "--redirect-uri",
                          CALLBACK, "--permission", "documents:*", *words)
        self.client = json.loads(self.run("oauth", "clients", "list", "--json"))["clients"][0]["id"]
        self.basic = base64.b64encode(f"{self.client}:{secret}".encode()).decode()
        self.run("users", "create", "bench", "--stdin", text=f"{PASSWORD}\n")
        words = [self.program, "serve", "--listen", "127.0.0.1:0", "--issuer", "http://localhost"]
        self.server = subprocess.Popen(words, env=self.environment, stdout=subprocess.PIPE, text=True)
        self.port = int(self.server.stdout.readline().rsplit(":", 1)[1])
        build.pin_envoy(self.server.pid)
        for thread in os.listdir(f"/proc/{self.server.pid}/task"):
            build.pin_envoy(int(thread))
        self.cookie = self.signed_in()
        return self

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()

    def cpu(self):
        """Seconds of CPU time of the server so far."""
        fields = pathlib.Path(f"/proc/{self.server.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def grants(self, count):
        """Tokens for the client itself."""
        self.drive("grants", CONNECTIONS * 10, self.basic)
        return self.drive("grants", count, self.basic)

    def exchanges(self, count):
        """Codes, each made in a session and exchanged."""
        words = (self.basic, self.target(), self.cookie, VERIFIER)
        self.drive("exchanges", CONNECTIONS * 5, *words)
        return self.drive("exchanges", count, *words)

    def drive(self, what, count, *words):
        """How many a second, the median and the 99th percentile in milliseconds, and the CPU time of one."""
        before = self.cpu()
        words = [self.driver, what, self.port, count, CONNECTIONS, *words]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False,
                              preexec_fn=lambda: build.pin_others(0))
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        seconds, median, p99 = (float(word) for word in done.stdout.split())
        return count / seconds, median / 1e3, p99 / 1e3, (self.cpu() - before) / count * 1e3

    def target(self):
        """The authorization request."""
        return "/oauth/authorize?" + urllib.parse.urlencode({
            "response_type": "code", "client_id": self.client, "redirect_uri": CALLBACK, "scope": "documents:read",
            "state": "x", "code_challenge": CHALLENGE, "code_challenge_method": "S256"})

    def signed_in(self):
        """The cookie of a session in which the client has been granted what it asks for."""
        jar = {}
        page = self.ask(jar, "GET", "/account/sign-in")
        self.send(jar, page, "sign-in", {"name": "bench", "password": PASSWORD})
        page = self.ask(jar, "GET", self.target())
        self.send(jar, page, "consent", {"scope": "documents:read", "decision": "allow"})
        return "; ".join(f"{name}={value}" for name, value in jar.items())

    def send(self, jar, page, form, fields):
        """Sends a form of a page."""
        head, body = re.search(rf'<form id="{form}"([^>]*)>(.*?)</form>', page, re.S).groups()
        action = re.search(r'action="([^"]*)"', head).group(1)
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', body))
        self.ask(jar, "POST", action, urllib.parse.urlencode({**hidden, **fields}))

    def ask(self, jar, method, target, body=None):
        """The page that a request is answered with."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
        if body is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        for line in answer.headers.get_all("set-cookie") or []:
            name, value = line.split(";", 1)[0].split("=", 1)
            jar[name] = value
        page = answer.read().decode()
        connection.close()
        if answer.status not in (200, 303):
            raise RuntimeError(f"{method} {target}: {answer.status}")
        return page


class Postgres:
    """A PostgreSQL with the settings that it has by itself, so that each commit waits for the disk."""

    def __init__(self, folder):
        tool = build.ROOT / "tools" / "postgres"
        found = subprocess.run([tool], stdout=subprocess.PIPE, text=True, check=True)
        self.binaries, self.folder = pathlib.Path(found.stdout.strip()), folder / "postgres"
        self.folder.mkdir()

    def __enter__(self):
        user = None
        if os.getuid() == 0:
            # It does not run as root, and another user may be unable to reach this checkout.
            user = next(name for name in ("postgres", "nobody") if name in {one.pw_name for one in pwd.getpwall()})
            copy = self.folder / "programs"
            shutil.copytree(self.binaries.parent, copy, symlinks=True)
            self.binaries = copy / self.binaries.name
            self.folder.parent.chmod(0o755)
            subprocess.run(["chown", "-R", user, self.folder], check=True)
        words = [self.binaries / "initdb", "-D", self.folder / "data", "-U", "flint", "-A", "trust", "-E", "UTF8"]
        subprocess.run(words, user=user, cwd=self.folder, stdout=subprocess.DEVNULL, check=True)
        words = [self.binaries / "postgres", "-D", self.folder / "data", "-c", "listen_addresses=", "-c",
                 f"unix_socket_directories={self.folder}"]
        self.server = subprocess.Popen(words, user=user, cwd=self.folder, stderr=subprocess.PIPE, text=True,
                                       preexec_fn=lambda: build.pin_others(0))
        while "ready to accept" not in (line := self.server.stderr.readline()):
            if not line:
                raise RuntimeError("PostgreSQL did not start")
        return self

    def url(self):
        """Where its database is."""
        return f"postgres://flint@localhost/postgres?host={self.folder}"

    def __exit__(self, *_):
        self.server.terminate()
        self.server.communicate()
