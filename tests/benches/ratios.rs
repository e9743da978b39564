//! Ratios that have a target: `cargo bench -p tellask-tests --bench ratios -- --assert`.

mod support;

use ::tellask::Bytes;
use rustls::CipherSuite;
use std::process::ExitCode;
#[cfg(feature = "quic")]
use support::quic;
use support::{boringtun, cipher, crowd, latency, quinn, ratio::Ratios, smol, tellask, text};

fn main() -> ExitCode {
    Ratios::main(compare)
}

fn compare(ratios: &mut Ratios) {
    backends(ratios);
    sessions(ratios);
    stacks(ratios);
    texts(ratios);
    handshakes(ratios);
    datagrams(ratios);
    fragments(ratios);
    asks(ratios);
    #[cfg(feature = "quic")]
    quics(ratios);
    #[cfg(feature = "quic")]
    many(ratios);
    runtimes(ratios);
    crowds(ratios);
    latencies(ratios);
}

/// Why there is a second backend at all.
fn backends(ratios: &mut Ratios) {
    for (size, target) in [(64, 3.0), (1200, 2.0), (16 * 1024, 1.2)] {
        let (mut ours, mut theirs) = (cipher::aws_lc(size), cipher::portable(size));
        ratios.operations(
            "cipher:aws-lc/portable",
            size,
            target,
            || ours.seal_and_open(),
            || theirs.seal_and_open(),
        );
    }
}

/// What a session costs over its own cipher, in whichever backend this build has.
fn sessions(ratios: &mut Ratios) {
    let portable = !cfg!(feature = "aws-lc");
    for (size, target) in [(64, 0.75), (1200, 0.92), (16 * 1024, 0.92)] {
        let target = if portable { 0.95 } else { target };
        let (mut ours, mut theirs) = (tellask::session(size), cipher::ours(size));
        ratios.operations("session/cipher", size, target, &mut ours, || theirs.seal_and_open());
        // The wire has each message authenticate its header, which costs the portable crate more
        // than the four bytes: its vector code goes out of step with the text.
        let mut theirs = cipher::ours(size).over_a_header();
        ratios.operations("session/cipher+header", size, target, ours, || theirs.seal_and_open());
    }
}

/// What it costs that a stack is chosen at run time: five layers from text, boxed, over one address type, and the
/// same as the compiler is told of them.
fn texts(ratios: &mut Ratios) {
    for size in [64, 1_200] {
        let (mut ours, mut theirs) = (text::from_text(), text::written_out());
        let text = Bytes::from(vec![0x5a; size]);
        ratios.operations(
            "tell:text/static",
            size,
            0.85,
            || assert_eq!(ours.carry(&text), size),
            || assert_eq!(theirs.carry(&text), size),
        );
        let (mut ours, mut theirs) = (text::from_text(), text::written_out());
        ratios.operations(
            "ask:text/static",
            size,
            0.85,
            || assert_eq!(ours.ask(&text), size),
            || assert_eq!(theirs.ask(&text), size),
        );
    }
}

/// Both stacks, from the application's tell to the application's event, in memory and on one core.
fn stacks(ratios: &mut Ratios) {
    let size = 1200;
    let (mut ours, mut theirs) = (tellask::pair(), boringtun::pair());
    let (text, packet) = (Bytes::from(vec![0x5a; size]), boringtun::packet(size));
    ratios.operations(
        "stack/boringtun",
        size,
        1.0,
        || assert_eq!(ours.carry(&text), size),
        || assert_eq!(theirs.carry(&packet), size),
    );
}

/// From the first datagram to the session in force on both sides: once between peers that have
/// not met, or have forgotten one another, and once where boringtun keeps what it computed for the peer.
fn handshakes(ratios: &mut Ratios) {
    let (mut ours, mut theirs) = (tellask::pair(), boringtun::pair());
    let text = Bytes::from_static(b"x");
    let mut handshake = || ours.handshake(&text);
    ratios.operations("handshake/boringtun", 1, 2.0, &mut handshake, boringtun::first_contact);
    ratios.operations("handshake/boringtun-kept", 1, 2.0, &mut handshake, || theirs.handshake());
}

/// Messages received over two UDP sockets on loopback, on tokio with two worker threads.
fn datagrams(ratios: &mut Ratios) {
    let (size, n) = (1200, 100_000);
    let (ours, theirs) = (tellask::udp(), quinn::pair(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256));
    ratios.rates("udp/quinn", size, 1.5, 11, || ours.tells(n, size), || theirs.datagrams(n, size));
    // For the record, without a target: another cipher, for which the machine has instructions.
    let theirs = quinn::pair(CipherSuite::TLS13_AES_128_GCM_SHA256);
    ratios.rates(
        "udp/quinn-aes",
        size,
        0.0,
        11,
        || ours.tells(n, size),
        || theirs.datagrams(n, size),
    );
}

/// Messages of 64 KiB in fragments, without acknowledgements, beside streams that have them. How many of
/// ours arrive is a comparison too: with none lost it is 1.
fn fragments(ratios: &mut Ratios) {
    let (size, n) = (64 * 1024, 4_000);
    let ours = tellask::udp_fragmented(size);
    for (name, suite) in [
        ("fragments/quinn-streams", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
        ("fragments/quinn-streams-aes", CipherSuite::TLS13_AES_128_GCM_SHA256),
    ] {
        let theirs = quinn::pair(suite);
        ratios.rates(name, size, 1.0, 11, || ours.tells(n, size), || theirs.streams(n, size));
    }
    ratios.rates("fragments/told", size, 0.999, 11, || ours.arrive(n, size) as f64, || n as f64);
}

/// Questions of 64 bytes that are answered with the same, one after the other and 64 at a time, beside
/// quinn's bidirectional streams.
fn asks(ratios: &mut Ratios) {
    let (size, n) = (64, 20_000);
    let (ours, theirs) =
        (tellask::udp_asking(), quinn::pair(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256));
    for (name, parallel, target) in
        [("ask/quinn-streams", 1, 1.6), ("asks:64/quinn-streams", 64, 2.25)]
    {
        ratios.rates(
            name,
            size,
            target,
            11,
            || ours.asks(n, size, parallel),
            || theirs.asks(n, size, parallel),
        );
    }
}

/// QUIC's tells and asks beside streams of quinn's own endpoints, with the cipher that both prefer.
#[cfg(feature = "quic")]
fn quics(ratios: &mut Ratios) {
    let (ours, theirs) = (tellask::udp_quic(), quinn::pair(CipherSuite::TLS13_AES_256_GCM_SHA384));
    for (name, parallel) in [("quic:ask/quinn", 1), ("quic:asks:64/quinn", 64)] {
        let (size, n) = (64, 20_000);
        let theirs = || theirs.asks(n, size, parallel);
        ratios.rates(name, size, 1.0, 11, || ours.asks(n, size, parallel), theirs);
    }
    for (name, size, n) in
        [("quic:tells/quinn", 1_200, 50_000), ("quic:tells/quinn", 64 * 1_024, 4_000)]
    {
        let theirs = || theirs.streams(n, size);
        ratios.rates(name, size, 1.0, 11, || ours.tells(n, size), theirs);
    }
}

/// Messages to one of 10,000 peers, chosen at random, beside one of 100: what it costs a node to have many, that they do
/// not fit the caches included. What the peers take themselves is not counted: in life they are elsewhere.
#[cfg(feature = "quic")]
fn many(ratios: &mut Ratios) {
    let (name, size) = ("quic:peers:10000/100", 1_000);
    if ratios.is_wanted(name) {
        let text = Bytes::from(vec![0x5a; size]);
        let (mut many, mut few) = (quic::crowd(10_000), quic::crowd(100));
        let n = 20_000;
        ratios.rates(name, size, 0.77, 11, || many.tells(n, &text), || few.tells(n, &text));
    }
}

/// The same nodes on smol and on tokio, in as many threads: neither is to be much behind. Where one ping
/// follows the other there is the runtimes' own part of it beside ours: that of plain sockets.
fn runtimes(ratios: &mut Ratios) {
    let (size, n) = (1_200, 100_000);
    let (smol, tokio) = (smol::udp(2), tellask::udp_asking());
    let theirs = || tokio.tells(n, size);
    ratios.rates("tells:smol/tokio", size, 0.9, 11, || smol.tells(n, size), theirs);
    let (size, n) = (64, 20_000);
    let theirs = || tokio.asks(n, size, 64);
    ratios.rates("asks:64:smol/tokio", size, 0.9, 11, || smol.asks(n, size, 64), theirs);
    for (threads, ask, echo) in [
        (1, "ask:smol/tokio:1-thread", "echo:smol/tokio:1-thread"),
        (2, "ask:smol/tokio:2-threads", "echo:smol/tokio:2-threads"),
    ] {
        let smol = smol::udp(threads);
        let tokio = tellask::udp_asking_on(tellask::runtime(threads));
        let theirs = || tokio.asks(n, size, 1);
        ratios.rates(ask, size, 0.9, 11, || smol.asks(n, size, 1), theirs);
        let (smol, mut tokio) = (smol::echo(threads), latency::echo(threads));
        let theirs = || tokio.pings(n, size).rate();
        ratios.rates(echo, size, 0.0, 11, || smol.pings(n, size), theirs);
    }
}

/// A node of two workers beside one of one worker, with eight peers that tell it things as fast as they can:
/// each in as many threads as workers, those who send included, and both in two threads.
fn crowds(ratios: &mut Ratios) {
    let (size, n) = (1_200, 200_000);
    let two = crowd::crowd(2, 2);
    for (name, threads, target) in
        [("workers:2/1:threads-2/1", 1, 1.5), ("workers:2/1:threads-2/2", 2, 0.0)]
    {
        let one = crowd::crowd(threads, 1);
        ratios.rates(name, size, target, 11, || two.tells(n, size), || one.tells(n, size));
    }
    println!("handed over {:.2} of the datagrams", two.handed_over());
}

/// How long a secure ping takes beside a plain socket's: at most 1.6 times as long at the median, which is
/// a ratio of 0.625, and twice as long for the slowest in a hundred.
fn latencies(ratios: &mut Ratios) {
    let (size, n) = (64, 5_000);
    let (asking, telling, mut plain) = (tellask::udp_asking(), tellask::udp(), latency::echo(2));
    for (share, target, ask, tell) in [
        (0.5, 0.625, "ping:ask/udp:median", "ping:tells/udp:median"),
        (0.99, 0.5, "ping:ask/udp:99%", "ping:tells/udp:99%"),
    ] {
        let ours = || asking.asked_pings(n, size).rate_at(share);
        ratios.rates(ask, size, target, 21, ours, || plain.pings(n, size).rate_at(share));
        let ours = || telling.told_pings(n, size).rate_at(share);
        ratios.rates(tell, size, target, 21, ours, || plain.pings(n, size).rate_at(share));
    }
}
