#!/usr/bin/env python3
"""Nodes of SSH and OpenSSH, in either role.

Usage: openssh.py PATH_OF_THE_EXAMPLE_ssh

Needs ssh, sshd and ssh-keygen, and to be root (Debian: apt-get install openssh-client openssh-server). All on loopback. Exit code 0
where all went well.
"""

import os
import pwd
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from node import PATIENCE, SIZES, Node, fingerprint

CIPHERS = ["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]
EXCHANGES = ["curve25519-sha256", "curve25519-sha256@libssh.org"]
REFUSED = "channel 0: open failed: administratively prohibited: this is a tellask node"


def key_pair(folder, name):
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def ssh(folder, node, key, *options):
    """What `ssh` does that is to run a command at a node."""
    addr = node.expect("listens") if not hasattr(node, "addr") else node.addr
    node.addr = addr
    port = addr.rsplit(":", 1)[1]
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {node.public}\n")
    command = ["ssh", "-F", "none", "-p", port, "-i", key, "-o", "IdentitiesOnly=yes"]
    command += ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known}"]
    command += [*options, "whoever@127.0.0.1", "true"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return ran.returncode, ran.stderr


def client(program, folder):
    """`ssh` reaches a node: with default settings, with each cipher and each key exchange."""
    key = key_pair(folder, "client")
    choices = [[]]
    choices += [["-o", f"Ciphers={cipher}"] for cipher in CIPHERS]
    choices += [["-o", f"KexAlgorithms={exchange}"] for exchange in EXCHANGES]
    choices += [["-o", "RekeyLimit=16", "-o", f"Ciphers={cipher}"] for cipher in CIPHERS]
    with Node(program, "--listen", "127.0.0.1:0") as node:
        for options in choices:
            code, said = ssh(folder, node, key, *options)
            assert (code, REFUSED in said) == (255, True), (options, code, said)
            blob = subprocess.run(["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True)
            assert node.expect("up").split("@")[0] == blob.stdout.split()[1], "it is called as ssh-keygen does"
            node.expect("down")
    print("ssh: key exchange, publickey, channel refused, with each cipher and each exchange")

    other = "-" * 43
    with Node(program, "--listen", "127.0.0.1:0", "--only", other) as node:
        code, said = ssh(folder, node, key)
        assert code == 255 and "Permission denied (publickey)" in said, (code, said)
    print("ssh: another key than the accepted one is refused")

    with Node(program, "--listen", "127.0.0.1:0") as node:
        for option, why in [
            ("Ciphers=aes256-ctr", "no matching cipher found"),
            ("KexAlgorithms=diffie-hellman-group14-sha256", "no matching key exchange method found"),
            ("HostKeyAlgorithms=rsa-sha2-512", "no matching host key type found"),
        ]:
            code, said = ssh(folder, node, key, "-o", option)
            assert code == 255 and why in said, (option, code, said)
    print("ssh: what is not common is said")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def sshd(folder, node_key, *lines):
    """An `sshd` that lets the key in as root, and its address."""
    host = folder / "host"
    if not host.exists():
        key_pair(folder, "host")
    (folder / "authorized_keys").write_text(node_key + "\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    port = free_port()
    config = folder / "sshd_config"
    config.write_text(
        "\n".join(
            [
                "ListenAddress 127.0.0.1",
                f"Port {port}",
                f"HostKey {host}",
                f"AuthorizedKeysFile {folder / 'authorized_keys'}",
                "PermitRootLogin yes",
                "StrictModes no",
                "UsePAM no",
                "PasswordAuthentication no",
                "KbdInteractiveAuthentication no",
                "LogLevel DEBUG1",
                "PidFile none",
                *lines,
                "",
            ]
        )
    )
    log = folder / "sshd.log"
    with open(log, "w") as out:
        server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", config], stderr=out)
    try:
        end = time.monotonic() + PATIENCE
        while "Server listening" not in log.read_text():
            assert server.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        text = subprocess.run(["ssh-keygen", "-lf", host], capture_output=True, text=True, check=True)
        yield f"{text.stdout.split()[1]}@127.0.0.1:{port}", log
    finally:
        server.terminate()
        server.wait()


def logged(log, pattern):
    """Waits until `sshd` has written this; how often it has."""
    end = time.monotonic() + PATIENCE
    while not re.search(pattern, log.read_text()):
        assert time.monotonic() < end, (pattern, log.read_text())
        time.sleep(0.05)
    return len(re.findall(pattern, log.read_text()))


def server(program, folder):
    """A node reaches `sshd`, whose answer to all requests is that it does not know them."""
    user = pwd.getpwuid(os.getuid()).pw_name
    with Node(program, "--user", user) as node:
        with sshd(folder, node.public) as (addr, log):
            for size in SIZES[:-1]:
                node.say("ask", addr, "aa" * size or "-")
                line = node.lines.get(timeout=PATIENCE)
                while not line.startswith("failed"):
                    line = node.lines.get(timeout=PATIENCE)
                assert "refused" in line, line
                node.say("tell", addr, "aa" * size or "-")
            logged(log, "Accepted publickey for")
            assert node.figure("peers") == 1
    print("sshd: key exchange, publickey, global requests answered with failure")

    for side, options, lines in [
        ("the node", ["--rekey-bytes", str(1 << 20)], []),
        ("sshd", [], ["RekeyLimit 1M"]),
    ]:
        with Node(program, "--user", user, *options) as node:
            with sshd(folder, node.public, *lines) as (addr, log):
                for _ in range(150):
                    node.say("tell", addr, "aa" * 30_000)
                    node.say("ask", addr, "bb")
                    line = node.lines.get(timeout=PATIENCE)
                    while not line.startswith("failed"):
                        line = node.lines.get(timeout=PATIENCE)
                    assert "refused" in line, line
                # 4.5 MB, and a first exchange.
                times = node.figure("rekeyed")
                assert times >= 3, times
                assert node.figure("peers") == 1 and node.figure("violations") == 0
        print(f"sshd: {times} more key exchanges begun by {side}")

    with Node(program, "--user", user) as node:
        with sshd(folder, node.public, "ClientAliveInterval 1", "ClientAliveCountMax 2") as (addr, log):
            node.say("tell", addr, "aa")
            node.expect("up")
            time.sleep(5)
            assert node.figure("peers") == 1, log.read_text()
            assert node.figure("foreign") >= 2, log.read_text()
    print("sshd: its keepalive requests are answered")

    with Node(program, "--user", user) as node:
        with sshd(folder, node.public) as (addr, log):
            wrong = "SHA256:" + "A" * 43 + "@" + addr.split("@")[1]
            node.say("tell", wrong, "aa")
            line = node.lines.get(timeout=PATIENCE)
            assert line.startswith("undelivered") and "another key" in line, line
            assert "Accepted" not in log.read_text()
    print("sshd: one with another host key than was dialled is told nothing")


def main():
    program = sys.argv[1]
    assert fingerprint(b"").startswith("SHA256:")
    with tempfile.TemporaryDirectory() as folder:
        client(program, Path(folder))
        server(program, Path(folder))


if __name__ == "__main__":
    main()
