"""Signing keys are rotated while requests come: those with live tokens pass, and a withdrawn key takes its tokens with it."""

import threading
import unittest

from world import SCOPE, world

THREADS = 4


class Load:
    """Threads that call the API with one token until they are told to end."""

    def __init__(self, token):
        self.world, self.token, self.statuses, self.over = world(), token, [], threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(THREADS)]

    def run(self):
        """One thread."""
        while not self.over.is_set():
            self.statuses.append(self.world.call(self.token))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


class Rotation(unittest.TestCase):
    """Of flint's own keys, with a real Envoy."""

    def setUp(self):
        self.world = world()
        self.robot = self.world.client(grants=["client_credentials"])

    def token(self):
        """A new token, which the gateway takes."""
        _, answer = self.world.post("/oauth/token", self.robot, grant_type="client_credentials", scope=SCOPE)
        self.world.passes(answer["access_token"])
        return answer["access_token"]

    def test_a_key_that_is_published_breaks_no_live_token(self):
        """The new key signs later, and the old one stays."""
        with Load(self.token()) as load:
            for algorithm in ("ES256", "EdDSA", "RS256"):
                self.world.flint("oauth", "keys", "rotate", "--algorithm", algorithm)
                self.token()
        self.assertEqual(set(load.statuses), {200})
        self.assertGreater(len(load.statuses), THREADS)

    def test_a_key_that_is_withdrawn_takes_its_tokens_with_it_and_nothing_else_breaks(self):
        """What was signed with a key that leaked is good no more."""
        old = self.token()
        with Load(old) as load:
            self.world.flint("oauth", "keys", "rotate", "--now")
            new = self.token()
            self.world.is_refused(old)
        self.assertEqual(set(load.statuses) - {200, 401}, set())
        self.assertEqual(self.world.call(new), 200)


if __name__ == "__main__":
    unittest.main()
