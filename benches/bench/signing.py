"""Access tokens for the benchmarks: keys that are made for one run, and signatures by them, in plain Python."""

import base64
import hashlib
import json
import secrets
import time

ISSUER, AUDIENCE = "https://auth.example.com", "https://api.example.com"

# P-256 (FIPS 186-4, D.1.2.3).
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


class Es256:
    """A key on P-256."""

    name = "ES256"

    def __init__(self):
        self.secret = 1 + secrets.randbelow(N - 1)
        x, y = multiplied(self.secret)
        self.jwk = {"kty": "EC", "crv": "P-256", "x": encode(x.to_bytes(32)), "y": encode(y.to_bytes(32)),
                    "kid": "es256", "use": "sig", "alg": "ES256"}

    def sign(self, message):
        """The two numbers of a signature, one after the other (RFC 7518 §3.4)."""
        once = 1 + secrets.randbelow(N - 1)
        r = multiplied(once)[0] % N
        digest = int.from_bytes(hashlib.sha256(message).digest())
        s = pow(once, -1, N) * (digest + r * self.secret) % N
        return r.to_bytes(32) + s.to_bytes(32)


class Rs256:
    """An RSA key of 2,048 bits."""

    name = "RS256"

    def __init__(self):
        self.p, self.q = prime(), prime()
        self.modulus = self.p * self.q
        exponent = pow(65_537, -1, (self.p - 1) * (self.q - 1))
        # By the Chinese remainder theorem it takes a quarter of the time.
        self.of_p, self.of_q = exponent % (self.p - 1), exponent % (self.q - 1)
        self.inverse = pow(self.q, -1, self.p)
        self.jwk = {"kty": "RSA", "n": encode(self.modulus.to_bytes(256)), "e": "AQAB", "kid": "rs256", "use": "sig",
                    "alg": "RS256"}

    def sign(self, message):
        """A signature after PKCS #1 v1.5 (RFC 8017 §8.2.1)."""
        digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(message).digest()
        padded = int.from_bytes(b"\0\1" + b"\xff" * (253 - len(digest)) + b"\0" + digest)
        of_p, of_q = pow(padded, self.of_p, self.p), pow(padded, self.of_q, self.q)
        return (of_q + (of_p - of_q) * self.inverse % self.p * self.q).to_bytes(256)


def tokens(key, count):
    """So many tokens, each another one, as `flint serve` makes them."""
    head = part({"alg": key.name, "typ": "at+jwt", "kid": key.jwk["kid"]})
    now = int(time.time())
    for number in range(count):
        claims = {"iss": ISSUER, "sub": "user_01JF8Z00000000000000000000", "aud": AUDIENCE,
                  "client_id": "client_01JF8Z00000000000000000000", "iat": now, "exp": now + 86_400,
                  "jti": f"bench{number:019}", "scope": "documents:read documents:write", "environment": "live"}
        signed = f"{head}.{part(claims)}"
        yield f"{signed}.{encode(key.sign(signed.encode()))}"


def part(value):
    """A part of a token."""
    return encode(json.dumps(value, separators=(",", ":")).encode())


def encode(value):
    """Base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def multiplied(scalar):
    """A multiple of the base point: double and add, in Jacobian coordinates."""
    found = None
    for bit in bin(scalar)[2:]:
        found = doubled(found)
        if bit == "1":
            found = added(found)
    x, y, z = found
    inverse = pow(z, -1, P)
    return x * inverse ** 2 % P, y * inverse ** 3 % P


def doubled(point):
    """Twice a point; `None` is the point at infinity."""
    if point is None:
        return None
    x, y, z = point
    square = y * y % P
    s, m = 4 * x * square % P, 3 * (x - z * z) * (x + z * z) % P
    third = (m * m - 2 * s) % P
    return third, (m * (s - third) - 8 * square * square) % P, 2 * y * z % P


def added(point):
    """A point and the base point, which are different here: a bit that is set follows a doubling."""
    if point is None:
        return *G, 1
    x, y, z = point
    u, s = G[0] * z * z % P, G[1] * z * z * z % P
    h, r = (u - x) % P, (s - y) % P
    cube = h * h * h % P
    v = x * h * h % P
    third = (r * r - cube - 2 * v) % P
    return third, (r * (v - third) - y * cube) % P, h * z % P


def prime():
    """A prime of 1,024 bits, its two highest set, that 65,537 does not divide when one is taken from it."""
    while True:
        found = secrets.randbits(1_024) | 3 << 1_022 | 1
        if found % 65_537 != 1 and all(found % small for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31)) and is_prime(found):
            return found


def is_prime(number):
    """Whether it is one, after Miller and Rabin, but for a chance that nobody has to care about."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(20):
        power = pow(2 + secrets.randbelow(number - 4), odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True
