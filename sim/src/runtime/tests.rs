//! Applications on the simulated runtime: their time, their order, their hosts, and what becomes of what they send.

use super::*;
use crate::net::{Chance, Faults};
use core::cell::RefCell;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use tellask::PeerAddr;
use tellask::swarm::{AskError, Undeliverable};

const SECOND: Duration = Duration::from_secs(1);

type Error = Box<dyn core::error::Error>;
type Secured = Node<PeerAddr<UdpAddr>>;

fn at(text: &str) -> UdpAddr {
    text.parse().expect("an address")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

async fn secured(addr: &str, number: u8) -> Secured {
    let key = SecretKey::from_seed(&[number; 32]);
    let builder = udp(at(addr)).secured(key).fragmented(64 << 10).asking();
    builder.spawn().await.expect("a free address")
}

async fn plain(addr: &str) -> Node<UdpAddr> {
    udp(at(addr)).spawn().await.expect("a free address")
}

fn lossy() -> Faults {
    let mut faults = Faults::NONE;
    faults.loss = Chance::percent(20);
    faults.jitter = Duration::from_millis(30);
    faults.duplicate = Chance::percent(5);
    faults
}

fn panic_of(what: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(what)).expect_err("it panics");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast_ref::<&str>().expect("a text")).to_owned(),
    }
}

#[test]
fn secure_nodes_tell_ask_and_close_as_they_do_on_sockets() -> Result<(), Error> {
    let sim = Sim::new(1);
    sim.run(async {
        let (alice, bob) = (secured("10.0.0.1:7", 1).await, secured("10.0.0.2:7", 2).await);
        let bobs = bob.local_addrs()[0];
        alice.tell(&bobs, vec![7; 50_000]).await?;
        let told = bob.receive().await.ok_or("closed")?;
        assert_eq!((told.payload.len(), told.src), (50_000, alice.local_addrs()[0]));
        let server = bob.clone();
        let serving = spawn(async move { server.serve(async |asked| Ok(asked.payload)).await });
        assert_eq!(alice.ask(&bobs, "you?").await?, "you?");
        bob.close(SECOND).await?;
        serving.await?;
        assert_eq!(bob.receive().await, None);
        alice.close(SECOND).await?;
        Ok::<_, Error>(())
    })?;
    assert_eq!((sim.world.timers(), sim.executor.tasks()), (0, 0));
    assert_eq!(sim.net().with(|network| network.apps().count()), 0, "no socket is left");
    Ok(())
}

/// What somebody heard of a hundred numbers, and the trace.
fn hundred(seed: u64, others: bool) -> (Vec<u8>, Trace) {
    let sim = Sim::new(seed);
    sim.net().set_faults(lossy());
    let heard = sim.run(async {
        let others = if others {
            Some((plain("10.0.0.3:7").await, plain("10.0.0.4:7").await))
        } else {
            None
        };
        let (alice, bob) = (plain("10.0.0.1:7").await, plain("10.0.0.2:7").await);
        for number in 0..100 {
            alice.tell(&at("10.0.0.2:7"), vec![number]).await.expect("accepted");
            if let Some((carol, _)) = &others {
                carol.tell(&at("10.0.0.4:7"), vec![number]).await.expect("accepted");
            }
            sleep(Duration::from_millis(10)).await;
        }
        let mut heard = Vec::new();
        while let Ok(Some(message)) = timeout(SECOND, bob.receive()).await {
            heard.extend(message.payload);
        }
        heard
    });
    (heard, sim.trace())
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    assert_eq!(hundred(7, false), hundred(7, false));
    assert_ne!(hundred(7, false).0, hundred(8, false).0);
    assert_ne!(hundred(7, false).1, hundred(8, false).1);
    assert!((60..100).contains(&hundred(7, false).0.len()));
}

#[test]
fn nodes_elsewhere_change_nothing_in_what_happens_between_two() {
    assert_eq!(hundred(7, false).0, hundred(7, true).0);
}

#[test]
fn time_passes_only_when_nobody_can_run_and_whoever_was_woken_first_is_polled_first() {
    let sim = Sim::new(1);
    let began = sim.now();
    let log = Rc::new(RefCell::new(Vec::new()));
    for (number, seconds) in [(1, 3_600), (2, 5), (3, 5), (4, 0), (5, 1)] {
        let log = Rc::clone(&log);
        sim.spawn(async move {
            sleep(Duration::from_secs(seconds)).await;
            log.borrow_mut().push((number, now().since(began).as_secs()));
        });
    }
    sim.run_for(Duration::from_secs(5));
    assert_eq!(*log.borrow(), [(4, 0), (5, 1), (2, 5), (3, 5)]);
    sim.run_for(Duration::from_secs(3_595));
    assert_eq!(log.borrow().last(), Some(&(1, 3_600)));
    assert_eq!(sim.now().since(began), Duration::from_secs(3_600));
}

#[test]
fn a_partition_has_asks_fail_and_they_are_answered_once_it_is_mended() -> Result<(), Error> {
    let sim = Sim::new(3);
    let net = sim.net().clone();
    sim.run(async {
        let (alice, bob) = (secured("10.0.0.1:7", 1).await, secured("10.0.0.2:7", 2).await);
        let bobs = bob.local_addrs()[0];
        spawn(async move { bob.serve(async |asked| Ok(asked.payload)).await });
        assert_eq!(alice.ask(&bobs, "1").await?, "1");
        net.part(&[at("10.0.0.1:7")], &[at("10.0.0.2:7")]);
        let before = now();
        let failed = alice.ask(&bobs, "2").within(SECOND * 5).await;
        assert!(matches!(failed, Err(AskError::TimedOut { .. })), "{failed:?}");
        assert_eq!(now().since(before), SECOND * 5);
        net.mend_all();
        assert_eq!(alice.ask(&bobs, "3").within(SECOND * 60).await?, "3");
        Ok(())
    })
}

#[test]
fn a_host_that_crashes_takes_tasks_and_sockets_with_it_and_can_start_again() {
    let sim = Sim::new(1);
    let host = sim.host(ip("10.0.0.2"));
    let serve = || async {
        let node = plain("0.0.0.0:7").await;
        let serving = node.clone();
        // What a task spawns is on its host.
        let inner = spawn(async move {
            while let Some(message) = serving.receive().await {
                serving.tell(&message.src, message.payload).await.expect("accepted");
            }
        });
        inner.await
    };
    let first = host.spawn(serve());
    sim.run(async {
        let bob = at("10.0.0.2:7");
        let alice = plain("10.0.0.1:7").await;
        let echo = async |text: &'static str| {
            alice.tell(&bob, text).await.expect("accepted");
            timeout(SECOND, alice.receive()).await.map(|echo| echo.expect("open").payload)
        };
        assert_eq!(echo("1").await.as_deref(), Ok(&b"1"[..]));
        host.pause();
        host.crash();
        assert_eq!(first.await, Err(Stopped));
        assert_eq!(echo("2").await, Err(Elapsed));
        let second = host.spawn(serve());
        assert_eq!(echo("3").await.as_deref(), Ok(&b"3"[..]));
        second.stop();
        assert!(second.is_over());
    });
}

#[test]
fn a_task_may_crash_its_own_host() {
    let sim = Sim::new(1);
    let host = sim.host(ip("10.0.0.2"));
    let suicide = host.clone();
    let task = host.spawn(async move {
        suicide.crash();
        core::future::pending::<()>().await;
    });
    assert_eq!(sim.run(task), Err(Stopped));
    assert_eq!(sim.executor.tasks(), 0);
}

#[test]
fn a_paused_host_hears_everything_when_it_goes_on() {
    let sim = Sim::new(1);
    let host = sim.host(ip("10.0.0.2"));
    let heard = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&heard);
    host.spawn(async move {
        let node = plain("0.0.0.0:7").await;
        while let Some(message) = node.receive().await {
            log.borrow_mut().extend(message.payload);
        }
    });
    sim.run(async {
        let alice = plain("10.0.0.1:7").await;
        let tell = async |number| {
            alice.tell(&at("10.0.0.2:7"), vec![number]).await.expect("accepted");
            sleep(SECOND).await;
        };
        tell(1).await;
        host.pause();
        tell(2).await;
        tell(3).await;
        assert_eq!(*heard.borrow(), [1]);
        host.resume();
        sleep(SECOND).await;
        assert_eq!(*heard.borrow(), [1, 2, 3]);
    });
}

#[test]
fn a_socket_keeps_so_many_bytes_and_what_is_lost_is_counted() {
    let sim = Sim::new(1);
    let host = sim.host(ip("10.0.0.2"));
    host.spawn(async { plain("0.0.0.0:7").await.receive().await });
    sim.run(async {
        let alice = plain("10.0.0.1:7").await;
        sleep(SECOND).await;
        host.pause();
        let many = RECEIVE_BUFFER / 1_000;
        for _ in 0..many + 100 {
            alice.tell(&at("10.0.0.2:7"), vec![0; 1_000]).await.expect("accepted");
        }
        sleep(SECOND).await;
    });
    let fit = RECEIVE_BUFFER / 1_064;
    let sent = RECEIVE_BUFFER / 1_000 + 100;
    assert_eq!(sim.net().overflowed(), (sent - fit) as u64);
    host.crash();
    assert_eq!(sim.net().overflowed(), (sent - fit) as u64, "they stay counted");
}

#[test]
fn ports_are_given_and_taken_as_a_machine_does() {
    let sim = Sim::new(1);
    let host = sim.host(ip("10.0.0.9"));
    let (there, open) = sim
        .run(host.spawn(async {
            let node = plain("0.0.0.0:0").await;
            // As on a machine: it does not say which of its addresses.
            (node.local_addrs()[0], node)
        }))
        .expect("not stopped");
    assert!(there.0.ip().is_unspecified());
    let there = UdpAddr(core::net::SocketAddr::new(host.ip(), there.0.port()));
    sim.run(async {
        let first = plain("10.0.0.1:0").await;
        let second = plain("10.0.0.1:0").await;
        assert_ne!(first.local_addrs(), second.local_addrs());
        let taken = udp(first.local_addrs()[0]).spawn().await;
        assert!(matches!(taken, Err(BindError::InUse { .. })), "{taken:?}");
        first.tell(&there, "hello").await.expect("accepted");
        assert_eq!(open.receive().await.expect("open").dst, there);
        let addr = first.local_addrs()[0];
        first.close(SECOND).await.expect("all was sent");
        udp(addr).spawn().await.expect("it is free again");
    });
}

#[test]
fn workers_share_a_port_and_each_peer_has_one() {
    let sim = Sim::new(1);
    sim.run(async {
        let key = SecretKey::from_seed(&[99; 32]);
        let node = || udp(at("10.0.0.1:7")).secured(key.clone()).fragmented(64 << 10).asking();
        let many = workers(3, node).spawn().await.expect("a free address");
        let served = many.clone();
        spawn(async move { served.serve(async |asked| Ok(asked.payload)).await });
        for number in 1..=20 {
            let peer = secured("10.0.0.2:0", number).await;
            let reply = peer.ask(&many.local_addrs()[0], vec![number]).await.expect("a reply");
            assert_eq!(reply[..], [number]);
        }
        let received = |node: &Secured| node.stats().value("socket.received");
        let each: Vec<_> = many.workers().iter().map(received).collect();
        assert!(each.iter().all(|received| *received > 0), "{each:?}");
    });
}

#[test]
fn a_datagram_that_is_too_large_for_the_network_is_told_to_its_sender() {
    let sim = Sim::new(1);
    sim.net().set_mtu(500);
    sim.run(async {
        let node = plain("10.0.0.1:7").await;
        let mut events = node.events();
        node.tell(&at("10.0.0.2:7"), vec![0; 600]).await.expect("accepted");
        let notice = timeout(SECOND, events.next()).await.expect("it comes");
        let large = Undeliverable::TooLarge { limit: 500 };
        assert!(
            matches!(&notice, Some(Notice::Undelivered { reason, .. }) if *reason == large),
            "{notice:?}"
        );
    });
}

#[test]
fn who_is_no_socket_can_be_answered_too() {
    let sim = Sim::new(1);
    let net = sim.net().clone();
    sim.run(async {
        let node = plain("10.0.0.1:7").await;
        let (stranger, me) = (tellask::MemoryAddr(77), net.place(at("10.0.0.1:7")));
        net.with(|network| network.inject(stranger, me, b"hello", Duration::ZERO));
        let src = node.receive().await.expect("open").src;
        assert_eq!((src, net.place(src), net.addr(stranger)), (at("[100::4d]:1"), stranger, src));
    });
}

#[test]
fn a_run_that_cannot_end_says_so() {
    let sim = Sim::new(1);
    let stuck = panic_of(|| sim.run(core::future::pending()));
    assert!(stuck.starts_with("everybody waits for ever since 1.000000000"), "{stuck}");
    let spins = panic_of(|| {
        sim.run(core::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
    });
    assert!(spins.starts_with("a task wakes itself for ever"), "{spins}");
    let nested = panic_of(|| sim.run(async { sim.run(async {}) }));
    assert!(nested.starts_with("a simulation runs here already"), "{nested}");
    // And it goes on all the same.
    sim.run_for(SECOND);
}

#[test]
fn two_simulations_in_one_thread_know_nothing_of_each_other() {
    let (one, two) = (Sim::new(1), Sim::new(2));
    let alone = hundred(7, false);
    let first = one.run(plain("10.0.0.1:7"));
    let second = two.run(plain("10.0.0.1:7"));
    one.run_for(SECOND);
    assert_eq!(one.now().since(two.now()), SECOND);
    assert_eq!(hundred(7, false), alone);
    drop(one);
    assert_eq!(two.run(async { second.try_tell(&at("10.0.0.2:7"), "hello") }), Ok(()));
    assert!(first.try_tell(&at("10.0.0.2:7"), "hello").is_err(), "its driver is gone");
}

#[test]
fn without_a_simulation_there_is_no_node_and_no_sleep() {
    let bound = udp(at("10.0.0.1:7")).bind();
    assert!(matches!(bound, Err(BindError::NoRuntime)), "{bound:?}");
    assert!(panic_of(|| drop(sleep(SECOND))).starts_with("a simulation runs here"));
}
