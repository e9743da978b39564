//! What the tasks of a program do, step by step.

use super::executor::{Fate, Fated};
use super::log::{Log, NO, Taken, What, reply};
use super::program::{All, Held, Listener, MILLI, Node, PATIENT, SECOND};
use super::runtime::Timer;
use core::cell::RefCell;
use core::future::poll_fn;
use core::time::Duration;
use std::rc::Rc;
use std::sync::Arc;
use tellask::driver::Timer as _;
use tellask::seed::Rng;
use tellask::swarm::Refusal;
use tellask::{Addr, Seed};

fn fate(rng: &mut Rng, may_stay: u64) -> Fate {
    match rng.below(10) {
        roll if roll < may_stay => Fate::Finish,
        0..4 => Fate::After(rng.below(4) as u32),
        4..7 => Fate::Woken(1 + rng.below(3) as u32),
        _ => Fate::Within(1 + rng.below(40 * MILLI)),
    }
}

async fn pause(nanos: u64) {
    let mut timer = Timer::within(nanos);
    poll_fn(|cx| timer.poll(cx)).await;
}

/// One step of a task.
pub(crate) async fn step<A: Addr + Unpin + Send + Sync + 'static>(
    all: &Rc<All<A>>,
    me: usize,
    node: &Node<A>,
    events: &mut Option<Listener<A>>,
    rng: &mut Rng,
) {
    let others = all.addrs.len() as u64 - 1;
    let to = (me + 1 + rng.below(others) as usize) % all.addrs.len();
    match rng.below(100) {
        0..24 => tell(all, me, node, to, rng).await,
        24..48 => receive(all, me, node, rng).await,
        48..68 => ask(all, me, node, to, rng).await,
        68..80 => take(all, me, node, rng).await,
        80..86 => serve(all, me, node, rng).await,
        86..89 => {
            let _waiting = all.log.waits(me, What::Identify);
            let progress = &all.progress[&(me, What::Identify)];
            let _ = Fated::new(node.identify(&all.addrs[to]), fate(rng, 4), progress).await;
        }
        89..93 => listen(all, me, events.get_or_insert_with(|| node.events()), rng).await,
        93..98 => pause(rng.below(20 * MILLI)).await,
        98 => {
            all.clean[me].set(false);
            all.clean[to].set(false);
            node.disconnect(&all.addrs[to]);
        }
        _ => {
            all.clean.iter().for_each(|clean| clean.set(false));
            all.closed.set(all.closed.get() + 1);
            let _waiting = all.log.waits(me, What::Close);
            let progress = &all.progress[&(me, What::Close)];
            let close = node.close(Duration::from_nanos(rng.below(SECOND)));
            let _ = Fated::new(close, fate(rng, 4), progress).await;
        }
    }
}

async fn tell<A: Addr>(all: &All<A>, me: usize, node: &Node<A>, to: usize, rng: &mut Rng) {
    for _ in 0..1 + rng.below(8) {
        let (id, text) = all.log.tell(to, rng.below(1_000) as usize);
        if rng.chance(1, 4) {
            if node.try_tell(&all.addrs[to], text).is_ok() {
                all.log.accepted(id);
            }
            continue;
        }
        let _waiting = all.log.waits(me, What::Tell);
        let tell = node.tell(&all.addrs[to], text);
        let progress = &all.progress[&(me, What::Tell)];
        if let Some(Ok(())) = Fated::new(tell, fate(rng, 5), progress).await {
            all.log.accepted(id);
        }
    }
}

async fn receive<A: Addr>(all: &All<A>, me: usize, node: &Node<A>, rng: &mut Rng) {
    for _ in 0..1 + rng.below(6) {
        let _waiting = all.log.waits(me, What::Message);
        let progress = &all.progress[&(me, What::Message)];
        let fate = fate(rng, 2);
        if rng.chance(1, 2) {
            if let Some(Some(message)) = Fated::new(node.receive(), fate, progress).await {
                all.log.received(me, &message.payload);
            }
            continue;
        }
        let mut messages = Vec::new();
        let many = node.receive_many(&mut messages, rng.below(4) as usize);
        let count = Fated::new(many, fate, progress).await;
        assert_eq!(messages.len(), count.unwrap_or(0), "none comes with a future that is dropped");
        messages.iter().for_each(|message| all.log.received(me, &message.payload));
    }
}

async fn ask<A: Addr + Unpin>(all: &All<A>, me: usize, node: &Node<A>, to: usize, rng: &mut Rng) {
    let within = if rng.chance(1, 2) { PATIENT } else { 1 + rng.below(SECOND) };
    let now = all.world.now();
    let (id, text) = all.log.ask(me, to, rng.below(3_000) as usize, now + within);
    let fate = fate(rng, 4);
    let polled = !matches!(fate, Fate::After(0));
    all.log.0.borrow_mut().asked.get_mut(&id).expect("asked").polled = polled;
    let _waiting = all.log.waits(me, What::Ask);
    let _over = Over { all, id };
    let ask = node.ask(&all.addrs[to], text).within(Duration::from_nanos(within));
    let progress = &all.progress[&(me, What::Ask)];
    if let Some(result) = Fated::new(ask, fate, progress).await {
        let clean = all.clean[me].get() && all.clean[to].get();
        all.log.outcome(id, all.world.now(), clean, &result.map(|reply| reply.to_vec()));
    }
}

struct Over<'a, A: Addr> {
    all: &'a All<A>,
    id: u64,
}

impl<A: Addr> Drop for Over<'_, A> {
    fn drop(&mut self) {
        self.all.log.over(self.id, self.all.world.now());
    }
}

async fn take<A: Addr>(all: &All<A>, me: usize, node: &Node<A>, rng: &mut Rng) {
    for _ in 0..1 + rng.below(4) {
        let request = {
            let _waiting = all.log.waits(me, What::Request);
            let progress = &all.progress[&(me, What::Request)];
            Fated::new(node.next_ask(), fate(rng, 2), progress).await
        };
        let Some(Some(request)) = request else { continue };
        let id = all.log.taken(me, request.payload());
        let held = Held { log: all.log.clone(), id, request: Some(request) };
        match rng.below(8) {
            0..3 => held.answer(rng.below(3_000) as usize),
            3 => held.refuse(),
            4 => drop(held),
            5 => {
                pause(rng.below(50 * MILLI)).await;
                held.answer(rng.below(100) as usize);
            }
            _ if all.released.get() => held.refuse(),
            _ => all.held[me].borrow_mut().push(held),
        }
    }
}

async fn serve<A: Addr + Unpin + Send + Sync + 'static>(
    all: &Rc<All<A>>,
    me: usize,
    node: &Node<A>,
    rng: &mut Rng,
) {
    let fate = fate(rng, 1);
    let served = Rc::clone(all);
    let choices = RefCell::new(Seed::from_u64(rng.u64()).rng("handler"));
    let handler = |message: tellask::Message<A, tellask::Bytes>| {
        let id = served.log.taken(me, &message.payload);
        let choice = choices.borrow_mut().below(8);
        let mut open = Open { log: served.log.clone(), id, done: false };
        async move {
            match choice {
                0..2 => pause(5 * MILLI).await,
                2 => pause(30 * SECOND).await,
                _ => {}
            }
            open.done = true;
            if choice == 3 {
                open.log.did(id, Taken::Refused);
                return Err(Refusal::new(NO, "no"));
            }
            open.log.did(id, Taken::Answered);
            Ok(reply(id, 8))
        }
    };
    let _waiting = all.log.waits(me, What::Request);
    // Its polls are its handlers' too.
    Fated::new(node.serve(handler), fate, &Arc::default()).await;
}

/// A handler that has not finished.
struct Open {
    log: Log,
    id: u64,
    done: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.done {
            self.log.did(self.id, Taken::Dropped);
        }
    }
}

async fn listen<A: Addr>(all: &All<A>, me: usize, events: &mut Listener<A>, rng: &mut Rng) {
    for _ in 0..rng.below(3) {
        let _waiting = all.log.waits(me, What::Events);
        let progress = &all.progress[&(me, What::Events)];
        let _ = Fated::new(events.next(), fate(rng, 1), progress).await;
    }
}
