"""A node on SSH, as a child process: the example `ssh` of tellask-tokio."""

import base64
import hashlib
import queue
import subprocess
import threading
import time

PATIENCE = 60
SIZES = [0, 1, 1_200, 35_000, 1 << 17]


def hexed(data):
    return data.hex() or "-"


def fingerprint(blob):
    """As `ssh-keygen -l` has it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


class Node:
    """Its lines, both ways."""

    def __init__(self, program, *options):
        self.child = subprocess.Popen(
            [program, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.public = self.expect("key")
        self.blob = base64.b64decode(self.public.split()[1])

    def _read(self):
        for line in self.child.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def say(self, *words):
        self.child.stdin.write(" ".join(words) + "\n")
        self.child.stdin.flush()

    def expect(self, word):
        """What follows the word in the next line that begins with it; whatever fails before that is an error."""
        end = time.monotonic() + PATIENCE
        while True:
            line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            if line is None:
                raise AssertionError(f"the node ended, but was to say {word}")
            first, _, rest = line.partition(" ")
            if first == word:
                return rest
            if first in ("failed", "undelivered"):
                raise AssertionError(line)

    def figure(self, name):
        self.say("figure", name)
        return int(self.expect("figure").split()[1])

    def ask(self, addr, data):
        self.say("ask", addr, hexed(data))
        answer = self.expect("answered")
        return b"" if answer == "-" else bytes.fromhex(answer)

    def close(self):
        if self.child.poll() is None:
            self.say("quit")
        assert self.child.wait(PATIENCE) == 0, "the node closes"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.child.kill()
            self.child.wait()
