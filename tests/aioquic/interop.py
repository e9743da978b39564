#!/usr/bin/env python3
"""Nodes of QUIC and aioquic, an implementation that shares no code with ours, in either role.

Usage: interop.py PATH_OF_TELLASK

Needs aioquic (pip install aioquic). Speaks protocol `p2p` as it is written down: Ed25519 certificates on both sides,
a unidirectional stream for each tell, a bidirectional one with lengths for each ask. Exit code 0 where all went well.
"""

import asyncio
import datetime
import hashlib
import json
import os
import ssl
import sys
import tempfile
from pathlib import Path

import aioquic.tls
from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamDataReceived, StreamReset
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

SIZES = [0, 1, 1_200, 70_000, 1 << 20]
STACK = "udp://127.0.0.1:0 | quic"
PATIENCE = 60
ALPHABET = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

# As a server aioquic asks for a certificate only where this is set.
_init = aioquic.tls.Context.__init__


def _ask_for_certificates(self, *args, **kwargs):
    _init(self, *args, **kwargs)
    self._request_client_certificate = True


aioquic.tls.Context.__init__ = _ask_for_certificates


def peer_id(public_key):
    """The name of a key: SHAKE256 of its SubjectPublicKeyInfo, in base64 that keeps the order."""
    spki = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    bits = "".join(f"{byte:08b}" for byte in hashlib.shake_256(spki).digest(32)) + "00"
    return "".join(ALPHABET[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def certified(folder):
    """A key and its certificate."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "aioquic")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, None)
    )
    return key, certificate


def configuration(is_client, key, certificate):
    settings = QuicConfiguration(is_client=is_client, alpn_protocols=["p2p"])
    settings.verify_mode = ssl.CERT_NONE
    settings.certificate, settings.private_key = certificate, key
    settings.max_data = settings.max_stream_data = 4 << 20
    return settings


def text(size):
    return bytes(97 + at % 23 for at in range(size))


def framed(body):
    return len(body).to_bytes(4, "big") + body


class Peer(QuicConnectionProtocol):
    """Puts streams together, and answers requests with themselves backwards."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.streams, self.whole, self.ended = {}, asyncio.Queue(), asyncio.Event()

    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived):
            data = self.streams.setdefault(event.stream_id, bytearray())
            data += event.data
            ours = (event.stream_id % 2 == 0) == self._quic.configuration.is_client
            bidirectional = event.stream_id & 2 == 0
            if bidirectional and not ours:
                # A request ends with its length.
                if len(data) >= 4 and len(data) - 4 >= int.from_bytes(data[:4], "big"):
                    answer = framed(bytes(data[4:])[::-1])
                    data[:] = b""
                    if not self.streams.get(("answered", event.stream_id)):
                        self.streams[("answered", event.stream_id)] = True
                        self._quic.send_stream_data(event.stream_id, answer, True)
                        self.transmit()
            elif event.end_stream:
                self.whole.put_nowait((event.stream_id, bytes(data)))
        elif isinstance(event, StreamReset):
            self.whole.put_nowait((event.stream_id, event.error_code))
        elif isinstance(event, ConnectionTerminated):
            self.ended.set()

    async def next(self):
        return await asyncio.wait_for(self.whole.get(), PATIENCE)

    def tell(self, body):
        stream = self._quic.get_next_available_stream_id(is_unidirectional=True)
        self._quic.send_stream_data(stream, body, True)
        self.transmit()

    async def ask(self, body):
        stream = self._quic.get_next_available_stream_id()
        # Its end comes after the answer, as from the Go implementation.
        self._quic.send_stream_data(stream, framed(body), False)
        self.transmit()
        answered, answer = await self.next()
        assert answered == stream, f"stream {answered} ended, not {stream}"
        self._quic.send_stream_data(stream, b"", True)
        return answer


class Tellask:
    """A command of ours, whose lines are JSON."""

    def __init__(self, program, home):
        self.program = program
        self.env = {**os.environ, "XDG_CONFIG_HOME": home, "HOME": home}

    async def start(self, *args):
        return await asyncio.create_subprocess_exec(
            self.program, *args, env=self.env, stdout=asyncio.subprocess.PIPE, limit=16 << 20
        )

    async def run(self, *args):
        child = await self.start(*args)
        out, _ = await asyncio.wait_for(child.communicate(), PATIENCE)
        assert child.returncode == 0, f"{args[0]} ended with {child.returncode}"
        return out


async def lines(child, wanted):
    """The next line of this event."""
    while True:
        line = await asyncio.wait_for(child.stdout.readline(), PATIENCE)
        assert line, f"it ended before {wanted!r}"
        said = json.loads(line)
        if said.get("event") == wanted:
            return said


def port_of(said):
    return int(said["addresses"][0].rsplit(":", 1)[1])


async def aioquic_dials(tellask, key, certificate):
    settings = configuration(True, key, certificate)
    child = await tellask.start("listen", "--json", "--stack", STACK)
    at = port_of(await lines(child, "listening"))
    async with connect("127.0.0.1", at, configuration=settings, create_protocol=Peer) as peer:
        for size in SIZES:
            peer.tell(text(size))
            said = await lines(child, "message")
            assert said["from"].split("@")[0] == peer_id(key.public_key()), said["from"]
            assert said["text"].encode() == text(size), f"a tell of {size} bytes"
    child.terminate()
    await child.wait()

    child = await tellask.start("serve", "--echo", "--json", "--stack", STACK)
    at = port_of(await lines(child, "listening"))
    async with connect("127.0.0.1", at, configuration=settings, create_protocol=Peer) as peer:
        for size in SIZES:
            assert await peer.ask(text(size)) == framed(text(size)), f"an ask of {size} bytes"
    child.terminate()
    await child.wait()
    print("aioquic dialled us: certificates, tells and asks of", SIZES)


async def we_dial_aioquic(tellask, folder, key, certificate):
    settings, peers = configuration(False, key, certificate), asyncio.Queue()

    def accepted(*args, **kwargs):
        peer = Peer(*args, **kwargs)
        peers.put_nowait(peer)
        return peer

    server = await serve("127.0.0.1", 0, configuration=settings, create_protocol=accepted)
    at = server._transport.get_extra_info("sockname")[1]
    address = f"{peer_id(key.public_key())}@127.0.0.1:{at}"
    for size in SIZES:
        body = Path(folder, "body")
        body.write_bytes(text(size))
        await tellask.run("tell", address, "--file", str(body), "--stack", STACK)
        peer = await asyncio.wait_for(peers.get(), PATIENCE)
        _, told = await peer.next()
        assert told == text(size), f"a tell of {size} bytes"
        theirs = peer._quic.tls._peer_certificate
        assert theirs is not None, "we presented no certificate"
        answer = await tellask.run("ask", address, "--file", str(body), "--stack", STACK)
        assert answer == text(size)[::-1], f"an ask of {size} bytes"
        await asyncio.wait_for(peers.get(), PATIENCE)
    server.close()
    print("we dialled aioquic: certificates, tells and asks of", SIZES)


async def main():
    program = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        tellask, (key, certificate) = Tellask(program, folder), certified(folder)
        await aioquic_dials(tellask, key, certificate)
        await we_dial_aioquic(tellask, folder, key, certificate)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(main())
