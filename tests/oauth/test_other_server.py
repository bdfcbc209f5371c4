"""The same bad requests to flint and to oidc-provider: the same kind of answer, or a standard's sentence about the difference."""

import base64
import http.client
import json
import os
import unittest
from urllib.parse import parse_qs, urlencode, urlsplit

import stage
from browser import Browser
from world import CALLBACK, SCOPE, world

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
PLACES = {
    "flint": {"authorize": "/oauth/authorize", "token": "/oauth/token", "revoke": "/oauth/revoke", "introspect": "/oauth/introspect"},
    "oidc-provider": {"authorize": "/auth", "token": "/token", "revoke": "/token/revocation", "introspect": "/token/introspection"},
}
FORM = "application/x-www-form-urlencoded"

# What is wrong: where it goes, what stands in place of a good request's parameters (None: nothing), and for endpoints who asks.
AUTHORIZE = {
    "nothing": {},
    "no client": {"client_id": None},
    "an unknown client": {"client_id": "client_01JF8Z00000000000000000000"},
    "a client that is a URL": {"client_id": "https://app.example/client.json"},
    "a redirect URI that is not registered": {"redirect_uri": "http://localhost:9/other"},
    "a redirect URI with a slash more": {"redirect_uri": f"{CALLBACK}/"},
    "a redirect URI with a query more": {"redirect_uri": f"{CALLBACK}?x=1"},
    "a redirect URI elsewhere": {"redirect_uri": "https://evil.example/callback"},
    "no response type": {"response_type": None},
    "the implicit response type": {"response_type": "token"},
    "an unknown response type": {"response_type": "x"},
    "no PKCE": {"code_challenge": None, "code_challenge_method": None},
    "PKCE with plain": {"code_challenge_method": "plain"},
    "PKCE without a method": {"code_challenge_method": None},
    "a challenge that is none": {"code_challenge": "short"},
    "an unknown scope": {"scope": "secrets:read"},
    "an unknown resource": {"resource": "https://evil.example"},
    "a resource with a fragment": {"resource": "https://evil.example#x"},
    "a request object": {"request": "e30.e30."},
    "a request object elsewhere": {"request_uri": "https://app.example/r"},
    "a response mode that is unknown": {"response_mode": "x"},
}
CODE = {"grant_type": "authorization_code", "code": "x", "code_verifier": VERIFIER, "redirect_uri": CALLBACK}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "x"}
ROBOT = {"grant_type": "client_credentials"}
ENDPOINTS = {
    "no grant type": ("token", "app", {}),
    "the password grant": ("token", "app", {"grant_type": "password", "username": "ada", "password": "x"}),
    "an unknown code": ("token", "app", CODE),
    "no code": ("token", "app", CODE | {"code": None}),
    "no verifier": ("token", "app", CODE | {"code_verifier": None}),
    "an unknown refresh token": ("token", "app", REFRESH),
    "no refresh token": ("token", "app", REFRESH | {"refresh_token": None}),
    "a wrong secret": ("token", "wrong", CODE),
    "an unknown client": ("token", "stranger", CODE),
    "no client": ("token", None, CODE),
    "a secret twice": ("token", "app", CODE | {"client_secret": "x"}),
    "another client's id": ("token", "app", CODE | {"client_id": "another"}),
    "a grant that is not the client's": ("token", "app", ROBOT),
    "a code for a client without that grant": ("token", "robot", CODE),
    "a parameter twice": ("token", "robot", ROBOT | {"scope": [SCOPE, SCOPE]}),
    "an unknown scope": ("token", "robot", ROBOT | {"scope": "secrets:read"}),
    "an unknown resource": ("token", "robot", ROBOT | {"resource": "https://evil.example"}),
    "JSON": ("token", "json", CODE),
    "revocation of nothing": ("revoke", "app", {}),
    "revocation of an unknown token": ("revoke", "app", {"token": "x"}),
    "revocation with a wrong secret": ("revoke", "wrong", {"token": "x"}),
    "introspection of nothing": ("introspect", "app", {}),
    "introspection of an unknown token": ("introspect", "app", {"token": "x"}),
    "introspection by nobody": ("introspect", None, {"token": "x"}),
}

# With a code that is good, or a refresh token: what stands in place of what the client should send.
CODES = {
    "nothing": {},
    "a wrong verifier": {"code_verifier": "a" * 43},
    "the challenge as its own verifier": {"code_verifier": CHALLENGE},
    "no verifier": {"code_verifier": None},
    "another redirect URI": {"redirect_uri": f"{CALLBACK}/"},
    "no redirect URI": {"redirect_uri": None},
    "another resource": {"resource": "https://evil.example"},
}
REFRESHES = {
    "nothing": {},
    "more scope": {"scope": f"{SCOPE} secrets:read"},
    "another resource": {"resource": "https://evil.example"},
}

# Where flint answers otherwise: what the other says, and the sentence that flint goes by.
DIFFERENCES = {
    "authorize: the implicit response type": (
        ("back to the client", "unsupported_response_type", True, True), ("back to the client", "none", False, False),
        "RFC 6749 §4.1.2.1: by adding the following parameters to the query component of the redirection URI. (Not to the fragment.)",
    ),
    "authorize: an unknown scope": (
        ("back to the client", "invalid_scope", True, True), ("goes on",),
        "RFC 6749 §4.1.2.1: The requested scope is invalid, unknown, or malformed.",
    ),
    "authorize: a response mode that is unknown": (
        ("back to the client", "invalid_request", True, True), ("back to the client", "unsupported_response_mode", True, True),
        "RFC 6749 §4.1.2.1: The request is missing a required parameter, includes an invalid parameter value. (It has no other code.)",
    ),
    "token: no client": (
        (401, "invalid_client"), (400, "invalid_request"),
        "RFC 6749 §5.2: Client authentication failed (e.g., unknown client, no client authentication included).",
    ),
    "token: a grant that is not the client's": (
        (400, "unauthorized_client"), (400, "invalid_request"),
        "RFC 6749 §5.2: The authenticated client is not authorized to use this authorization grant type.",
    ),
    "token: a code for a client without that grant": (
        (400, "unauthorized_client"), (400, "invalid_request"),
        "RFC 6749 §5.2: The authenticated client is not authorized to use this authorization grant type.",
    ),
    "token: an unknown scope": (
        (400, "invalid_scope"), (200, ""),
        "RFC 6749 §5.2: The requested scope is invalid, unknown, malformed, or exceeds the scope granted by the resource owner.",
    ),
    "introspect: introspection by nobody": (
        (401, "invalid_client"), (400, "invalid_request"),
        "RFC 7662 §2.3: and its credentials are invalid, the authorization server responds with an HTTP 401 (Unauthorized).",
    ),
}  # fmt: skip


def kind(answer):
    """What matters of an answer: a page, a redirect with its error, or a status with its error."""
    status, headers, body = answer
    if location := headers.get("location"):
        query = parse_qs(urlsplit(location).query)
        if location.startswith(CALLBACK):
            return ("back to the client", query.get("error", ["none"])[0], "iss" in query, query.get("state") == ["s"])
        return ("goes on",)
    if "json" in headers.get("content-type", ""):
        said = json.loads(body)
        return (status, said.get("error", said.get("active", "")))
    return ("goes on",) if status == 200 and body else (status, "page" if body else "")


class OtherServer(unittest.TestCase):
    """flint and oidc-provider, with the same clients."""

    @classmethod
    def setUpClass(cls):
        cls.world = world()
        cls.clients = {"app": cls.world.client(), "robot": cls.world.client(grants=["client_credentials"])}
        port = stage.free_port()
        named = {"API": cls.world.api, "CALLBACK": CALLBACK, "PORT": str(port), "SCOPE": SCOPE, "ISSUER": f"http://localhost:{port}"}
        for name, client in cls.clients.items():
            named |= {f"{name.upper()}_ID": client["id"], f"{name.upper()}_SECRET": client["client_secret"]}
        program = stage.ROOT / "tests" / "oauth" / "servers" / "oidc-provider.mjs"
        cls.world.theatre.start("oidc-provider", [os.environ["NODE"], program], port, **named)
        cls.ports = {"flint": cls.world.ports[8080], "oidc-provider": port}

    def request(self, server, method, path, body=None, headers=None):
        """One request, without following anything."""
        connection = http.client.HTTPConnection(stage.HOST, self.ports[server], timeout=60)
        try:
            connection.request(method, path, body, {"host": f"localhost:{self.ports[server]}"} | (headers or {}))
            reply = connection.getresponse()
            return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read().decode()
        finally:
            connection.close()

    def address(self, server, change):
        """The path of a request of the browser, with some parameters in place of what it has."""
        good = {
            "response_type": "code", "client_id": self.clients["app"]["id"], "redirect_uri": CALLBACK, "scope": SCOPE,
            "state": "s", "code_challenge": CHALLENGE, "code_challenge_method": "S256", "resource": self.world.api,
        }  # fmt: skip
        query = urlencode({name: value for name, value in (good | change).items() if value is not None})
        return f"{PLACES[server]['authorize']}?{query}"

    def authorize(self, server, change):
        """A request of the browser, with one thing wrong."""
        return kind(self.request(server, "GET", self.address(server, change)))

    def code(self, server):
        """Goes all the way to a code."""
        url = f"http://localhost:{self.ports[server]}{self.address(server, {})}"
        if server == "flint":
            return parse_qs(urlsplit(self.world.consent(url)).query)["code"][0]
        browser = Browser()
        browser.end = CALLBACK
        browser.open(url).send("", login="ada", password="x")
        if not browser.url.startswith(CALLBACK):
            browser.send("")
        return parse_qs(urlsplit(browser.url).query)["code"][0]

    def tokens(self, server):
        """Goes all the way to tokens."""
        return self.exchange(server, CODE | {"code": self.code(server)})

    def exchange(self, server, fields):
        """An exchange that is good."""
        words = f"{self.clients['app']['id']}:{self.clients['app']['client_secret']}"
        headers = {"content-type": FORM, "authorization": f"Basic {base64.b64encode(words.encode()).decode()}"}
        status, _, body = self.request(server, "POST", PLACES[server]["token"], urlencode(fields), headers)
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def ask(self, server, place, who, fields):
        """A request of a client, with one thing wrong."""
        headers = {"content-type": "application/json" if who == "json" else FORM}
        client = self.clients["robot" if who == "robot" else "app"]
        pair = {"wrong": f"{client['id']}:x", "stranger": "client_01JF8Z00000000000000000000:x"}
        if who:
            words = pair.get(who, f"{client['id']}:{client['client_secret']}")
            headers["authorization"] = f"Basic {base64.b64encode(words.encode()).decode()}"
        fields = {name: value for name, value in fields.items() if value is not None}
        body = json.dumps(fields) if who == "json" else urlencode(fields, doseq=True)
        return kind(self.request(server, "POST", PLACES[server][place], body, headers))

    def compared(self, where, ours, theirs):
        """The same kind, or a known difference with its sentence."""
        with self.subTest(where):
            difference = DIFFERENCES.get(where)
            self.assertEqual((ours, theirs), difference[:2] if difference else (ours, ours))

    def test_requests_of_the_browser(self):
        """RFC 6749 §4.1.2.1, RFC 9700 §4.1 and §4.11."""
        for where, change in AUTHORIZE.items():
            self.compared(f"authorize: {where}", *(self.authorize(server, change) for server in PLACES))

    def test_requests_of_clients(self):
        """RFC 6749 §5.2, RFC 7009 §2.2, RFC 7662 §2.2 and §2.3."""
        for where, (place, who, fields) in ENDPOINTS.items():
            self.compared(f"{place}: {where}", *(self.ask(server, place, who, fields) for server in PLACES))

    def test_exchanges_of_good_codes(self):
        """RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 8707 §2.2."""
        for where, change in CODES.items():
            answers = [self.ask(server, "token", "app", CODE | {"code": self.code(server)} | change) for server in PLACES]
            self.compared(f"code: {where}", *answers)
            self.assertEqual(answers[0] == (200, ""), where in ("nothing", "no redirect URI"), where)

    def test_exchanges_of_good_refresh_tokens(self):
        """RFC 6749 §6, RFC 8707 §2.2."""
        for where, change in REFRESHES.items():
            tokens = {server: self.tokens(server)["refresh_token"] for server in PLACES}
            answers = [self.ask(server, "token", "app", REFRESH | {"refresh_token": tokens[server]} | change) for server in PLACES]
            self.compared(f"refresh: {where}", *answers)
            self.assertEqual(answers[0] == (200, ""), where == "nothing", where)

    def test_what_comes_again_ends_all_that_came_of_it(self):
        """RFC 6749 §4.1.2, RFC 9700 §4.14.2."""
        for server in PLACES:
            with self.subTest(server):
                fields = CODE | {"code": self.code(server)}
                first = self.exchange(server, fields)
                self.assertEqual(self.ask(server, "token", "app", fields), (400, "invalid_grant"))
                again = REFRESH | {"refresh_token": first["refresh_token"]}
                self.assertEqual(self.ask(server, "token", "app", again), (400, "invalid_grant"))
                first = self.tokens(server)
                used = REFRESH | {"refresh_token": first["refresh_token"]}
                second = self.exchange(server, used)
                self.assertEqual(self.ask(server, "token", "app", used), (400, "invalid_grant"))
                last = REFRESH | {"refresh_token": second["refresh_token"]}
                self.assertEqual(self.ask(server, "token", "app", last), (400, "invalid_grant"))

    def test_every_difference_is_one(self):
        """No sentence is left of a difference that is gone."""
        known = {f"authorize: {where}" for where in AUTHORIZE} | {f"{one[0]}: {where}" for where, one in ENDPOINTS.items()}
        known |= {f"code: {where}" for where in CODES} | {f"refresh: {where}" for where in REFRESHES}
        self.assertEqual(set(DIFFERENCES) - known, set())
        for where, (ours, theirs, sentence) in DIFFERENCES.items():
            self.assertNotEqual(ours, theirs, where)
            self.assertRegex(sentence, r"^RFC \d+ §")


if __name__ == "__main__":
    unittest.main()
