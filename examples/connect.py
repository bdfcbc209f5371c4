#!/usr/bin/env python3
"""A client application that calls an API for its users: "Connect with Flint" in one file, with the standard library alone.

    ISSUER=https://auth.example.com API=https://api.example.com/documents \
    CLIENT_ID=client_… CLIENT_SECRET=flint_secret_… examples/connect.py

It listens on http://localhost:8000 (PORT names another port), and its redirect URI is http://localhost:8000/callback.
"""

import base64
import hashlib
import html
import json
import os
import secrets
import threading
import time
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit
from urllib.request import Request, urlopen

ISSUER, API = os.environ["ISSUER"], os.environ["API"]
CLIENT_ID, CLIENT_SECRET = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
PORT = int(os.environ.get("PORT", "8000"))
HOME = f"http://localhost:{PORT}"
REDIRECT_URI = f"{HOME}/callback"
SCOPE = "documents:read"
TIMEOUT = 10


class Refused(Exception):
    """The authorization server or the API said no; the message is for the user."""


# === Two kinds of calls: to the authorization server and to the API ===


def fetch(request):
    """Returns status and text, also of an answer that is an error."""
    try:
        with urlopen(request, timeout=TIMEOUT) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def discover():
    """The authorization server's metadata (RFC 8414). It must be about the issuer that was asked for."""
    status, text = fetch(Request(f"{ISSUER}/.well-known/oauth-authorization-server"))
    metadata = json.loads(text) if status == 200 else {}
    if metadata.get("issuer") != ISSUER:
        raise Refused(f"{ISSUER} is not an authorization server")
    return metadata


def request_tokens(**fields):
    """Sends a form to the token endpoint, authenticated as this client."""
    words = f"{quote_plus(CLIENT_ID)}:{quote_plus(CLIENT_SECRET)}"
    headers = {"authorization": "Basic " + base64.b64encode(words.encode()).decode()}
    status, text = fetch(Request(discover()["token_endpoint"], urlencode(fields).encode(), headers))
    answer = json.loads(text)
    if status != 200:
        raise Refused(f"{answer['error']}: {answer.get('error_description', '')}")
    return answer


# === What belongs to one visitor ===


class Visitor:
    """One browser: the request that it is in the middle of, and the tokens that came of it."""

    def __init__(self):
        self.state = self.verifier = None
        self.tokens, self.expires_at = None, 0.0
        # A refresh token works once: two threads must never send the same one.
        self.lock = threading.Lock()

    def authorization_url(self):
        """Where to send the user. `state` binds the answer to this browser, the challenge binds the code to this visitor."""
        self.state, self.verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "scope": SCOPE,
            "state": self.state, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{discover()['authorization_endpoint']}?{urlencode(query)}"

    def complete(self, answer):
        """Takes what came back to the redirect URI and exchanges the code."""
        state, self.state = self.state, None
        if not state or not secrets.compare_digest(answer.get("state", "").encode(), state.encode()):
            raise Refused("this is not the answer to a request of this browser")
        if answer.get("iss") != ISSUER:
            raise Refused("the answer is another server's")
        if "code" not in answer:
            raise Refused(answer.get("error", "there is no code"))
        code, verifier = answer["code"], self.verifier
        self.keep(request_tokens(grant_type="authorization_code", code=code, code_verifier=verifier, redirect_uri=REDIRECT_URI))

    def keep(self, tokens):
        """Remembers tokens. A real application keeps the refresh token in its database, encrypted."""
        self.tokens, self.expires_at = tokens, time.monotonic() + tokens["expires_in"]

    def refresh(self):
        """Gets new tokens. If that is refused, the user has withdrawn the grant, and there is nothing left to keep."""
        old, self.tokens = self.tokens, None
        self.keep(request_tokens(grant_type="refresh_token", refresh_token=old["refresh_token"]))

    def call_api(self, renew=False):
        """Calls the API with an access token that is still good for a while, and once more if it was refused all the same."""
        with self.lock:
            if not self.tokens:
                raise Refused("you are not connected")
            if renew or time.monotonic() > self.expires_at - 30:
                self.refresh()
            status, text = self.send()
            if status == 401:
                self.refresh()
                status, text = self.send()
        if status != 200:
            raise Refused(f"the API answered {status}: {text}")
        return text

    def send(self):
        """One request to the API."""
        return fetch(Request(API, headers={"authorization": f"Bearer {self.tokens['access_token']}"}))


# === The application's own pages ===

VISITORS = {}
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Example App</title><h1>Example App</h1>{body}"""
CONNECT = """<form method="post" action="/connect"><button>Connect with Flint</button></form>"""
CONNECTED = """<p>Connected.</p><form action="/documents"><button>Show documents</button></form>
<form method="post" action="/refresh"><button>Show them with a new token</button></form>"""


class Page(BaseHTTPRequestHandler):
    """The answer to one request."""

    def do_GET(self):
        """The pages, and where the user comes back to."""
        url, visitor = urlsplit(self.path), self.visitor()
        if url.path == "/":
            self.show(200, CONNECTED if visitor.tokens else CONNECT)
        elif url.path == "/callback":
            self.attempt(lambda: self.come_back(visitor, {name: values[0] for name, values in parse_qs(url.query).items()}))
        elif url.path == "/documents":
            self.attempt(visitor.call_api)
        else:
            self.show(404, "<p>There is no such page.</p>")

    def do_POST(self):
        """The buttons."""
        visitor = self.visitor()
        if self.path == "/connect":
            self.attempt(visitor.authorization_url, leads=True)
        elif self.path == "/refresh":
            self.attempt(lambda: visitor.call_api(renew=True))
        else:
            self.show(404, "<p>There is no such page.</p>")

    def come_back(self, visitor, answer):
        """Takes the answer, and gives the visitor another session: whoever knew the old one does not get the tokens."""
        visitor.complete(answer)
        VISITORS.pop(self.session, None)
        self.session = secrets.token_urlsafe(32)
        VISITORS[self.session] = visitor

    def attempt(self, work, leads=False):
        """Does something that may be refused, and shows what came of it, or goes there."""
        try:
            done = work()
        except (Refused, OSError) as refused:
            self.show(403, f"<p>Refused: {html.escape(str(refused))}</p>{CONNECT}")
            return
        if done is None or leads:
            self.send_response(303)
            self.send_header("location", done or "/")
            self.finish_headers("")
        else:
            self.show(200, f"<pre>{html.escape(done)}</pre>{CONNECTED}")

    def visitor(self):
        """Whose request this is, by a cookie that no script reads."""
        cookie = SimpleCookie(self.headers.get("cookie", "")).get("session")
        self.session = cookie.value if cookie and cookie.value in VISITORS else secrets.token_urlsafe(32)
        return VISITORS.setdefault(self.session, Visitor())

    def show(self, status, body):
        """Sends a page."""
        self.send_response(status)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.finish_headers(PAGE.format(body=body))

    def finish_headers(self, text):
        """Sends the headers that every answer has, and the body."""
        self.send_header("set-cookie", f"session={self.session}; HttpOnly; SameSite=Lax; Path=/")
        self.send_header("cache-control", "no-store")
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        """Nothing: the address of /callback has a code in it."""


if __name__ == "__main__":
    print(f"Example App listens on {HOME}", flush=True)
    ThreadingHTTPServer(("127.0.0.1", PORT), Page).serve_forever()
