"""One authority, one Envoy and one user, with which foreign programs go the whole way of OAuth. Started once for all tests."""

import atexit
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import stage
from browser import Browser

FLINT = Path(os.environ["FLINT"])
WASM = stage.ROOT / "dist" / "flint-auth.wasm"
# Where clients are sent back to: nothing listens there.
CALLBACK = "http://localhost:9/callback"
SCOPE = "documents:read"
PASSWORD = "correct horse battery"


class World:
    """A running authority with a gateway for its tokens, and a user, ada."""

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="flint-oauth-"))
        self.theatre = stage.Stage(self.home)
        atexit.register(self.end)
        self.ports = {old: stage.free_port() for old in (8080, 9901, 10000)}
        self.ports[8081] = self.ports[8082] = stage.upstream("production")
        self.issuer, self.api = (f"http://localhost:{self.ports[port]}" for port in (8080, 10000))
        # An MCP server behind another gateway.
        self.mcp = f"http://localhost:{stage.free_port()}/mcp"
        self.environment = {"FLINT_DATABASE": f"sqlite:{self.home / 'flint.db'}"}
        words = [FLINT, "serve", "--listen", f"{stage.HOST}:{self.ports[8080]}", "--issuer", self.issuer]
        words += ["--resource", self.api, "--resource", self.mcp]
        self.theatre.start("flint", words, self.ports[8080], **self.environment)
        self.flint("users", "create", "ada", "--stdin", said=PASSWORD)
        self.token = self.flint("gateways", "create", "tests")["token"]
        self.envoy("oauth", self.ports)
        self.wait()

    def end(self):
        """Ends all programs. What they said goes to standard error if a test asked for it."""
        self.theatre.__exit__()
        if os.environ.get("SHOW_LOGS"):
            for log in self.home.glob("*.log"):
                print(f"--- {log.name}\n{stage.tail(log, 60)}", file=sys.stderr)
        shutil.rmtree(self.home)

    # === The authority ===

    def flint(self, *words, said=None):
        """Runs a command and reads its JSON."""
        environment = {**os.environ, **self.environment}
        words = [FLINT, "--json", *words]
        done = subprocess.run(words, env=environment, input=said, capture_output=True, text=True)
        if done.returncode != 0:
            raise stage.Failed(f"{words}: {done.stderr}")
        return json.loads(done.stdout)

    def client(self, *words, grants=("authorization_code", "refresh_token")):
        """Registers a client that may ask for `documents:*`."""
        words = [*words, *(word for grant in grants for word in ("--grant", grant))]
        if "authorization_code" in grants:
            words += ["--redirect-uri", CALLBACK]
        return self.flint(
            "oauth", "clients", "create", "--name", "Foreign", "--environment", "live", "--permission", "documents:*", *words
        )

    def post(self, path, client=None, **fields):
        """Sends a form to an endpoint, with the client's secret if there is one; status and JSON."""
        headers = {}
        if client and client.get("client_secret"):
            pair = f"{client['id']}:{client['client_secret']}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif client:
            fields["client_id"] = client["id"]
        return fetch(f"{self.issuer}{path}", urlencode(fields).encode(), headers)

    def consent(self, url, end=CALLBACK):
        """Does in a browser what the user does; returns the address that the application gets."""
        browser = Browser()
        browser.end = end
        browser.open(url).send("sign-in", name="ada", password=PASSWORD)
        if not browser.url.startswith(end):
            browser.send("consent", decision="allow")
        if not browser.url.startswith(end):
            raise stage.Failed(f"{browser.url}: {browser.status} {browser.words()}")
        return browser.url

    # === The gateway ===

    def envoy(self, name, ports):
        """Starts an Envoy with a file of envoy/, with these ports, and for every algorithm that flint signs with."""
        replaced = {f"http://localhost:{old}": f"http://localhost:{ports[old]}" for old in (8080, 10000)}
        replaced |= {'"audience"': '"algorithms": ["ES256", "EdDSA", "RS256"], "audience"', "dist/flint-auth.wasm": WASM}
        text = stage.rendered(stage.ROOT / "envoy" / f"{name}.yaml", ports, replaced)
        self.start_envoy(name, text, ports[10000])

    def start_envoy(self, name, text, port):
        """Starts an Envoy with this configuration and waits until it listens."""
        path = self.home / f"{name}.yaml"
        path.write_text(text)
        words = [os.environ["ENVOY"], "-c", path, "--use-dynamic-base-id", "--concurrency", "2"]
        self.theatre.start(name, words, port, FLINT_GATEWAY_TOKEN=self.token)

    def wait(self):
        """Waits until the gateway has its first table."""
        stage.until(lambda: self.call("flint_live_x") != 503, "the gateway knows its keys")

    def call(self, token):
        """Calls the API with a token; returns the status."""
        return fetch(f"{self.api}/documents", headers={"authorization": f"Bearer {token}"})[0]

    def passes(self, token):
        """Waits until the API takes a token: it may be signed with a key that is new."""
        stage.until(lambda: self.call(token) == 200, "the token passes", seconds=20)

    def is_refused(self, token):
        """Waits until the API refuses a token."""
        stage.until(lambda: self.call(token) == 401, "the token is refused", seconds=20)


def fetch(url, body=None, headers=None):
    """Makes a request; returns status, and JSON if it is that, else text."""
    try:
        with urlopen(Request(url, body, headers or {}), timeout=60) as answer:
            status, text = answer.status, answer.read().decode()
    except HTTPError as error:
        status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except json.JSONDecodeError:
        return status, text


_WORLD = []


def world():
    """The world that all tests share."""
    if not _WORLD:
        _WORLD.append(World())
    return _WORLD[0]
