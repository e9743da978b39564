//! What a join holds, and what becomes of it.

use super::{Joined, MARK, at, bound, figures, held, limits, peer};
use tellask::swarm::{Link, Scope, Undeliverable};
use tellask::{
    Command, DatagramPort, Event, Join, Layer, Limits, MemoryAddr, Par, Payload, Stack, Swarm,
};

fn one_full_member() -> Join<u32, MemoryAddr> {
    let mut join = Join::new(&Limits::default());
    let link = Link { local: vec![MemoryAddr(1)], unit: 1_200, tell_max: 1_200, ask_max: 0 };
    join.handle_input(at(1), (1, Event::Link(link)));
    join.handle_input(at(1), (1, Event::Full { scope: Scope::All }));
    join.handle_command(at(2), held(peer(1, 5)));
    while join.poll_event().is_some() {}
    join
}

#[test]
fn a_close_comes_after_what_a_full_member_was_still_to_get() {
    let mut join = one_full_member();
    join.handle_command(at(3), Command::Close);
    assert_eq!(join.poll_transmit(), None);
    join.handle_input(at(4), (1, Event::Ready { scope: Scope::All }));
    assert_eq!(join.poll_transmit(), Some((1, held(MemoryAddr(5)))));
    assert_eq!(join.poll_transmit(), Some((1, Command::Close)));
    assert_eq!(figures(&join).value("join.held_bytes"), 0);
}

#[test]
fn a_member_that_closes_while_it_is_full_leaves_nobody_waiting() {
    let mut join = one_full_member();
    join.handle_input(at(3), (1, Event::Closed));
    let events: Vec<_> = core::iter::from_fn(|| join.poll_event()).collect();
    let (dst, reason) = (peer(1, 5), Undeliverable::NoRoute);
    assert!(events.contains(&Event::Undelivered { dst, reason }), "{events:?}");
    assert!(!join.is_full(&peer(1, 5)));
}

#[test]
fn a_destination_is_ready_when_neither_it_nor_its_member_is_full() {
    let to = || Scope::To(MemoryAddr(5));
    for (first, last) in [(Scope::All, to()), (to(), Scope::All)] {
        let mut join = one_full_member();
        join.handle_input(at(3), (1, Event::Full { scope: to() }));
        join.handle_input(at(4), (1, Event::Ready { scope: first }));
        assert!(join.is_full(&peer(1, 5)) && join.poll_event().is_none());
        join.handle_input(at(5), (1, Event::Ready { scope: last }));
        assert_eq!(join.poll_event(), Some(Event::Ready { scope: Scope::To(peer(1, 5)) }));
    }
    let mut join = one_full_member();
    join.handle_input(at(3), (1, Event::Full { scope: Scope::To(MemoryAddr(6)) }));
    join.remove(&1);
    assert!(!join.is_full(&peer(1, 6)), "a member that comes back starts anew");
}

#[test]
fn what_was_held_for_a_member_that_is_taken_out_is_undelivered() {
    let mut join = one_full_member();
    join.remove(&1);
    let events: Vec<_> = core::iter::from_fn(|| join.poll_event()).collect();
    let (dst, reason) = (peer(1, 5), Undeliverable::NoRoute);
    assert!(events.contains(&Event::Undelivered { dst, reason }), "{events:?}");
    assert!(!join.is_full(&peer(1, 5)));
    assert_eq!(figures(&join).value("join.held_bytes"), 0);
}

#[test]
fn what_is_on_its_way_to_a_member_that_is_taken_out_is_undelivered_too() {
    let mut join = one_full_member();
    join.handle_input(at(3), (1, Event::Ready { scope: Scope::All }));
    join.remove(&1);
    assert_eq!(join.poll_transmit(), None);
    let events: Vec<_> = core::iter::from_fn(|| join.poll_event()).collect();
    let (dst, reason) = (peer(1, 5), Undeliverable::NoRoute);
    assert!(events.contains(&Event::Undelivered { dst, reason }), "{events:?}");
}

#[test]
fn a_member_that_is_full_again_halfway_through_what_was_held_loses_none_of_it() {
    let mut join = one_full_member();
    for number in 6..9 {
        join.handle_command(at(2), held(peer(1, number)));
    }
    let held_bytes = figures(&join).value("join.held_bytes");
    join.handle_input(at(3), (1, Event::Ready { scope: Scope::All }));
    assert_eq!(join.poll_transmit(), Some((1, held(MemoryAddr(5)))));
    join.handle_input(at(3), (1, Event::Full { scope: Scope::All }));
    assert_eq!(join.poll_transmit(), None, "it would be refused");
    assert!(join.is_full(&peer(1, 6)) && !join.is_full(&peer(1, 5)));
    assert_eq!(figures(&join).value("join.held_bytes"), held_bytes / 4 * 3);
    join.handle_input(at(4), (1, Event::Ready { scope: Scope::All }));
    let rest: Vec<_> = core::iter::from_fn(|| join.poll_transmit()).collect();
    assert_eq!(rest, [6, 7, 8].map(|number| (1, held(MemoryAddr(number)))));
    assert_eq!(figures(&join).value("join.held_bytes"), 0);
}

#[test]
fn a_message_larger_than_all_that_may_be_held_is_held_where_nothing_else_is() {
    let mut limits = Limits::default();
    limits.send = 1_000;
    let mut join = Join::new(&limits);
    let link = Link { local: vec![MemoryAddr(1)], unit: 1_200, tell_max: 1_200, ask_max: 0 };
    join.handle_input(at(1), (1, Event::Link(link)));
    join.handle_input(at(1), (1, Event::Full { scope: Scope::All }));
    assert_eq!(join.tell(at(2), peer(1, 5), vec![5; 1_200].into()), Ok(()));
    join.handle_command(at(2), held(peer(1, 6)));
    let events: Vec<_> = core::iter::from_fn(|| join.poll_event()).collect();
    let (dst, reason) = (peer(1, 6), Undeliverable::Full);
    assert!(events.contains(&Event::Undelivered { dst, reason }), "it is bounded: {events:?}");
    join.handle_input(at(3), (1, Event::Ready { scope: Scope::All }));
    let all: Vec<_> = core::iter::from_fn(|| join.poll_transmit()).collect();
    let (dst, payload) = (MemoryAddr(5), vec![5; 1_200].into());
    assert_eq!(all, [(1, Command::Tell { dst, payload })]);
}

#[test]
fn a_burst_through_a_full_member_arrives_whole_however_small_its_queue_is() {
    let mut wide = Limits::default();
    wide.send = 10 * MARK;
    let mut par = Par::new();
    par.insert(0, DatagramPort::new(&limits()));
    let mut stack: Joined = Stack::new(par, Join::new(&wide));
    let mut now = at(1);
    stack.handle_input(now, (0, bound(0)));
    let mut accepted = 0;
    for number in 0..60 {
        let payload = Payload::from(vec![1; 1_000]);
        accepted += u32::from(stack.tell(now, peer(0, number), payload).is_ok());
    }
    assert_eq!(accepted, 60, "one to each while the member is full");
    let (mut sent, mut lost) = (0, 0);
    loop {
        while stack.poll_transmit().is_some() {
            sent += 1;
        }
        while let Some(event) = stack.poll_event() {
            lost += u32::from(matches!(event, Event::Undelivered { .. }));
        }
        let Some(due) = stack.poll_timeout() else { break };
        now = now.max(due);
        stack.handle_timeout(now);
    }
    assert_eq!((sent, lost), (accepted, 0));
}

#[test]
fn a_closed_member_counts_for_nothing_until_another_takes_its_place() {
    let link = |number, size| {
        let local = vec![MemoryAddr(number)];
        Event::Link(Link { local, unit: size, tell_max: size, ask_max: 0 })
    };
    let mut join = one_full_member();
    join.handle_input(at(3), (2, link(2, 500)));
    assert_eq!(join.mtu(), 500);
    join.handle_input(at(4), (2, Event::Closed));
    assert_eq!((join.mtu(), join.local_addrs()), (1_200, &[peer(1, 1)][..]));
    join.handle_command(at(5), held(peer(2, 5)));
    assert_eq!(join.poll_transmit(), None);
    join.handle_input(at(6), (2, link(3, 400)));
    assert_eq!((join.mtu(), join.local_addrs()), (400, &[peer(1, 1), peer(2, 3)][..]));
    join.handle_command(at(7), held(peer(2, 5)));
    assert_eq!(join.poll_transmit(), Some((2, held(MemoryAddr(5)))));
}

#[test]
fn a_family_that_is_told_to_close_twice_closes_its_members_once() {
    let mut join = one_full_member();
    for _ in 0..3 {
        join.handle_command(at(3), Command::Close);
    }
    join.handle_input(at(4), (1, Event::Ready { scope: Scope::All }));
    let down: Vec<_> = core::iter::from_fn(|| join.poll_transmit()).collect();
    assert_eq!(down, [(1, held(MemoryAddr(5))), (1, Command::Close)]);
}
