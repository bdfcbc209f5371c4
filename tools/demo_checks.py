"""The requests that the demo shows, with the answers that the documentation promises."""

import http.client
import json
from dataclasses import dataclass, field
from urllib.parse import urlsplit

INVALID = '{"error":{"code":"INVALID_API_KEY","message":"The provided API key is invalid or has been revoked"}}'
INSUFFICIENT = (
    '{"error":{"code":"INSUFFICIENT_PERMISSIONS",'
    '"message":"This API key doesn\'t have permission to access this resource"}}'
)


@dataclass(frozen=True)
class Check:
    """One request and what must come back. `key` names a variable, or is a key that nobody made."""

    says: str
    status: int
    body: str
    key: str = ""
    method: str = "GET"
    path: str = "/documents"
    headers: dict = field(default_factory=dict)
    challenge: str = ""


CHECKS = [
    Check("A live key reaches production, which is told whose key it was but never sees the key.",
          200, '"upstream": "production"', "LIVE_KEY"),
    Check("A test key reaches the sandbox, on the same host.",
          200, '"upstream": "sandbox"', "TEST_KEY"),
    Check("A client cannot choose: x-flint-* headers of its own are removed.",
          200, '"upstream": "sandbox"', "TEST_KEY", headers={"x-flint-environment": "live"}),
    Check("No key.",
          401, INVALID, challenge='Bearer realm="flint"'),
    Check("A key that does not exist.",
          401, INVALID, "flint_live_abc123xyz789", challenge='error="invalid_token"'),
    Check("A key without the permission that the route asks for.",
          403, INSUFFICIENT, "LIVE_KEY", "POST", challenge='scope="documents:write"'),
    Check("A public route needs no key.",
          200, '"upstream": "production"', path="/healthz"),
]  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    challenge: str
    body: str

    def lacks(self, check):
        """What of the documented answer is missing; empty if nothing is."""
        wanted = [("the status", check.status == self.status), ("the body", check.body in self.body)]
        wanted.append(("the challenge", check.challenge in self.challenge))
        if self.status == 200:
            seen = json.loads(self.body)["headers"]
            wanted.append(("no authorization upstream", "authorization" not in seen))
            identity = all(name in seen for name in ("x-flint-key-id", "x-flint-environment"))
            wanted.append(("the identity headers", identity or not check.key))
        return ", ".join(f"{name} should be {check.status}" if name == "the status" else name
                         for name, met in wanted if not met)  # fmt: skip

    def summary(self):
        """The part of the answer that matters, on one line or two."""
        if self.status != 200:
            return self.body + (f"\n      www-authenticate: {self.challenge}" if self.challenge else "")
        seen = json.loads(self.body)
        identity = "".join(f"\n      {name}: {value}" for name, value in seen["headers"].items() if "flint" in name)
        return f"from {seen['upstream']}{identity}"


def headers(check, secrets):
    """The headers of the request, the key in them."""
    key = secrets.get(check.key, check.key)
    return {**({"authorization": f"Bearer {key}"} if key else {}), **check.headers}


def ask(base, check, secrets):
    """Makes the request on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
    try:
        connection.request(check.method, check.path, headers=headers(check, secrets))
        reply = connection.getresponse()
        return Answer(reply.status, reply.getheader("www-authenticate", ""), reply.read().decode())
    finally:
        connection.close()


def shown(base, check):
    """The request as a curl command that a shell understands, the key as a variable."""
    method = f" -X {check.method}" if check.method != "GET" else ""
    key = f"${check.key}" if check.key.isupper() else check.key
    sent = {**({"Authorization": f"Bearer {key}"} if key else {}), **check.headers}
    return f"curl -i{method} {base}{check.path}" + "".join(f' -H "{name}: {value}"' for name, value in sent.items())
