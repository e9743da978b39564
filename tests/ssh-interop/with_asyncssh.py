#!/usr/bin/env python3
"""Nodes of SSH and asyncssh, an implementation that shares no code with ours, in either role.

Usage: with_asyncssh.py PATH_OF_THE_EXAMPLE_ssh

Needs asyncssh (pip install asyncssh), and for its ML-KEM a node that has the feature `ml-kem`. Messages are raw global requests with an empty name, as the Go implementation sends
them. All on loopback. Exit code 0 where all went well.
"""

import asyncio
import sys

import asyncssh
from asyncssh.packet import Boolean, String

from node import PATIENCE, SIZES, Node, fingerprint

REQUEST, SUCCESS, FAILURE = 80, 81, 82
CIPHERS = ["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]
EXCHANGES = ["mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org"]

heard = None


def on_message(connection, packet):
    """A global request without a name. Requests are answered with themselves backwards, tells are kept."""
    message = packet.get_remaining_payload()
    _, _, wants_reply = connection._global_request_queue[0]
    heard.put_nowait((wants_reply, message))
    refused = message.startswith(b"no")
    connection._report_global_response(False if refused else message[::-1] or True)


asyncssh.connection.SSHConnection._process__global_request = on_message


def tell(connection, message):
    connection.send_packet(REQUEST, String(b""), Boolean(False), message)


async def ask(connection, message):
    kind, packet = await asyncio.wait_for(connection._make_global_request(b"", message), PATIENCE)
    assert kind in (SUCCESS, FAILURE)
    return packet.get_remaining_payload() if kind == SUCCESS else None


async def said(node, word):
    return await asyncio.to_thread(node.expect, word)


def payload(size):
    return bytes(at % 251 for at in range(size))


async def as_client(program, options, **settings):
    """asyncssh dials a node."""
    with Node(program, "--listen", "127.0.0.1:0", *options) as node:
        addr = await said(node, "listens")
        port = int(addr.rsplit(":", 1)[1])
        key = asyncssh.generate_private_key("ssh-ed25519")
        host_key = asyncssh.import_public_key(node.public)
        known = asyncssh.import_known_hosts(f"[127.0.0.1]:{port} {node.public}\n")
        connecting = asyncssh.connect(
            "127.0.0.1", port, username="whoever", client_keys=[key], known_hosts=known,
            agent_path=None, config=None, **settings,
        )
        async with await asyncio.wait_for(connecting, PATIENCE) as connection:
            up = await said(node, "up")
            assert up.split("@")[0] == fingerprint(key.public_data), up
            assert connection.get_server_host_key().public_data == host_key.public_data
            for size in SIZES:
                tell(connection, payload(size))
                line = await said(node, "told")
                assert line == f"{up} {payload(size).hex() or '-'}", size
                assert await ask(connection, payload(size)) == payload(size)[::-1], size
                # And back over the same connection.
                node.say("tell", up, payload(size).hex() or "-")
                assert await asyncio.wait_for(heard.get(), PATIENCE) == (False, payload(size))
                answer = await asyncio.to_thread(node.ask, up, payload(size))
                assert answer == payload(size)[::-1], size
                assert await heard.get() == (True, payload(size))
            assert await ask(connection, b"no, please") is None
            # Many at once, in the order in which they were asked.
            answers = await asyncio.gather(*(ask(connection, b"%d" % n) for n in range(100)))
            assert answers == [(b"%d" % n)[::-1] for n in range(100)]
            if "rekey_bytes" in settings:
                assert node.figure("rekeyed") >= 3
            assert node.figure("violations") == 0
            await asyncio.to_thread(node.close)


class Server(asyncssh.SSHServer):
    """One that lets in whoever proves a key."""

    arrived = None

    def connection_made(self, connection):
        Server.connection = connection

    def begin_auth(self, username):
        return True

    def public_key_auth_supported(self):
        return True

    def validate_public_key(self, username, key):
        Server.key = key
        return True

    def auth_completed(self):
        Server.arrived.set()


async def as_server(program, options, **settings):
    """A node dials asyncssh."""
    Server.arrived = asyncio.Event()
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    listening = asyncssh.create_server(
        Server, "127.0.0.1", 0, server_host_keys=[host_key], config=None, **settings
    )
    async with await listening as server:
        addr = f"{fingerprint(host_key.public_data)}@127.0.0.1:{server.get_port()}"
        with Node(program, *options) as node:
            for size in SIZES:
                node.say("tell", addr, payload(size).hex() or "-")
                assert await asyncio.wait_for(heard.get(), PATIENCE) == (False, payload(size))
                answer = await asyncio.to_thread(node.ask, addr, payload(size))
                assert answer == payload(size)[::-1], size
                assert await heard.get() == (True, payload(size))
                await Server.arrived.wait()
                tell(Server.connection, payload(size))
                assert await said(node, "told") == f"{addr} {payload(size).hex() or '-'}", size
                assert await ask(Server.connection, payload(size)) == payload(size)[::-1], size
            assert Server.key.public_data == node.blob
            if "rekey_bytes" in settings:
                assert node.figure("rekeyed") >= 3
            assert node.figure("violations") == 0
            await asyncio.to_thread(node.close)


async def main():
    global heard
    program = sys.argv[1]
    choices = [{}]
    choices += [{"encryption_algs": [cipher]} for cipher in CIPHERS]
    choices += [{"kex_algs": [exchange]} for exchange in EXCHANGES]
    choices += [{"rekey_bytes": 100_000}]
    for settings in choices:
        for role in (as_client, as_server):
            heard = asyncio.Queue()
            await role(program, [], **settings)
        print(f"asyncssh: both roles, tells and asks of {SIZES} bytes, {settings or 'defaults'}")
    for role in (as_client, as_server):
        heard = asyncio.Queue()
        await role(program, ["--rekey-bytes", "100000"])
    print("asyncssh: both roles, with key exchanges begun by the node")


if __name__ == "__main__":
    asyncio.run(main())
