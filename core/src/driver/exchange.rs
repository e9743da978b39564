//! What the workers of a node hand to each other: datagrams that reached the wrong socket, and floors.
//!
//! Sockets of one port share what arrives, but a kernel chooses among them by a hash of its own, while a
//! peer belongs to the worker that [`Steering`] says, where its session is. So each worker has a [`Seat`]:
//! it [sorts](Seat::sort) what its socket gave, keeps its own, and puts the rest into the queue of whom it
//! concerns. Workers share nothing else. The queues are lock-free; the one place where a waker is left is only
//! ever tried, never waited for.
//!
//! Floors ([`Event::Floor`](crate::Event::Floor)) go to all others, so that a hello replayed to another
//! worker is one there too. Where a queue of floors is full they wait with the sender, of each key the
//! highest.
//!
//! Bounds: for each worker [`HANDED_OVER`] datagrams and [`HANDED_OVER_BYTES`] bytes from all others, what
//! is on top is dropped and counted by the sender; and [`FLOORS`] floors, and with each sender for each other
//! worker one for each of [`FLOORS_OWED`] keys, further ones are dropped and counted.

use super::steering::Steering;
use crate::addr::UdpAddr;
use crate::identity::PublicKey;
use crate::p2pke::Tai64n;
use crate::port::DatagramInput;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use core::task::Waker;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

/// Datagrams that wait for one worker, from all others.
pub const HANDED_OVER: usize = 4_096;

/// Their bytes.
pub const HANDED_OVER_BYTES: usize = 4 * 1_024 * 1_024;

/// Floors that wait for one worker, from all others.
pub const FLOORS: usize = 1_024;

/// Keys whose floors wait with one worker until another takes them.
pub const FLOORS_OWED: usize = 65_536;

type Floor = (PublicKey, Tai64n);

/// One worker's place among those of its node.
pub struct Seat {
    me: usize,
    steering: Steering,
    doors: Arc<[Door]>,
    datagrams: Receiver<DatagramInput<UdpAddr>>,
    floors: Receiver<Floor>,
    // By worker.
    owed: Box<[BTreeMap<PublicKey, Tai64n>]>,
    // Others for whom something was put down since they were last woken.
    visited: Vec<usize>,
    counters: Handed,
}

/// What one worker handed to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handed {
    /// Datagrams that another worker took.
    pub over: u64,
    /// Datagrams that another worker had no room for.
    pub dropped: u64,
    /// Floors that other workers took.
    pub floors: u64,
    /// Floors that were not kept for a worker that did not take them.
    pub floors_dropped: u64,
}

/// Where others put what is for one worker.
struct Door {
    datagrams: SyncSender<DatagramInput<UdpAddr>>,
    bytes: AtomicUsize,
    floors: SyncSender<Floor>,
    // Something was put down since the worker last looked.
    knocked: AtomicBool,
    sleeper: Mutex<Option<Waker>>,
}

impl Door {
    /// Has the worker look, if it sleeps.
    fn knock(&self) {
        if !self.knocked.swap(true, SeqCst)
            && let Ok(mut sleeper) = self.sleeper.try_lock()
            && let Some(waker) = sleeper.take()
        {
            drop(sleeper);
            waker.wake();
        }
        // Where the lock was taken: by the worker itself, which looks at `knocked` once it released it.
    }

    fn put(&self, input: DatagramInput<UdpAddr>) -> bool {
        let len = len(&input);
        if self.bytes.fetch_add(len, Relaxed).saturating_add(len) > HANDED_OVER_BYTES
            || self.datagrams.try_send(input).is_err()
        {
            self.bytes.fetch_sub(len, Relaxed);
            return false;
        }
        true
    }
}

fn len(input: &DatagramInput<UdpAddr>) -> usize {
    if let DatagramInput::Datagram { payload, .. } = input { payload.len() } else { 0 }
}

impl Seat {
    /// The seats of all workers, in their order.
    #[must_use]
    pub fn all(steering: &Steering) -> Vec<Self> {
        let workers = steering.workers().get();
        let (mut doors, mut queues) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (datagrams, taken) = sync_channel(HANDED_OVER);
            let (floors, heard) = sync_channel(FLOORS);
            let (knocked, sleeper) = (AtomicBool::new(false), Mutex::new(None));
            let bytes = AtomicUsize::new(0);
            doors.push(Door { datagrams, bytes, floors, knocked, sleeper });
            queues.push((taken, heard));
        }
        let doors: Arc<[Door]> = doors.into();
        let seat = |(me, (datagrams, floors))| Self {
            me,
            steering: steering.clone(),
            doors: Arc::clone(&doors),
            datagrams,
            floors,
            owed: (0..workers).map(|_| BTreeMap::new()).collect(),
            visited: Vec::new(),
            counters: Handed::default(),
        };
        queues.into_iter().enumerate().map(seat).collect()
    }

    /// Takes out of `arrived`, from `first` on, what belongs to other workers, and hands it to them.
    /// [`wake_others`](Self::wake_others) follows.
    pub fn sort(&mut self, arrived: &mut VecDeque<DatagramInput<UdpAddr>>, first: usize) {
        let Self { me, steering, doors, visited, counters, .. } = self;
        let (mut at, mut kept) = (first, first);
        // Neighbours are mostly from one peer.
        let mut last: Option<(UdpAddr, usize)> = None;
        while at < arrived.len() {
            let worker = match arrived.get(at) {
                Some(DatagramInput::Datagram { src, .. }) => match last {
                    Some((peer, worker)) if peer == *src => worker,
                    _ => {
                        let worker = steering.worker_of(src);
                        last = Some((*src, worker));
                        worker
                    }
                },
                _ => *me,
            };
            arrived.swap(at, kept);
            at += 1;
            if worker == *me {
                kept += 1;
                continue;
            }
            let Some(door) = doors.get(worker) else { continue };
            let foreign = arrived.get_mut(kept).map(|place| {
                core::mem::replace(place, DatagramInput::Bound { local: Vec::new(), mtu: 0 })
            });
            if foreign.is_some_and(|foreign| door.put(foreign)) {
                counters.over += 1;
                if visited.last() != Some(&worker) {
                    visited.push(worker);
                }
            } else {
                counters.dropped += 1;
            }
        }
        arrived.truncate(kept);
    }

    /// Tells floors to all other workers, and what they had no room for before.
    /// [`wake_others`](Self::wake_others) follows.
    pub fn tell_floors(&mut self, raised: impl Iterator<Item = Floor>) {
        let Self { me, doors, owed, visited, counters, .. } = self;
        let others = || (0..).zip(doors.iter()).filter(|(worker, _)| worker != me);
        for (key, stamp) in raised {
            for (worker, _) in others() {
                let Some(owed) = owed.get_mut(worker) else { continue };
                if owed.len() >= FLOORS_OWED && !owed.contains_key(&key) {
                    counters.floors_dropped += 1;
                    continue;
                }
                let floor = owed.entry(key).or_insert(stamp);
                *floor = stamp.max(*floor);
            }
        }
        for (worker, door) in others() {
            let Some(owed) = owed.get_mut(worker) else { continue };
            let before = owed.len();
            while let Some((key, stamp)) = owed.pop_first() {
                match door.floors.try_send((key, stamp)) {
                    Ok(()) => counters.floors += 1,
                    Err(TrySendError::Full(_)) => {
                        owed.insert(key, stamp);
                        break;
                    }
                    // It has ended, and hears no hello either.
                    Err(TrySendError::Disconnected(_)) => {}
                }
            }
            if owed.len() < before {
                visited.push(worker);
            }
        }
    }

    /// Whether another worker still has to take floors of ours: call [`tell_floors`](Self::tell_floors) again.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.owed.iter().any(|owed| !owed.is_empty())
    }

    /// Wakes those for whom something was put down. No lock may be held.
    pub fn wake_others(&mut self) {
        for worker in self.visited.drain(..) {
            if let Some(door) = self.doors.get(worker) {
                door.knock();
            }
        }
    }

    /// Takes up to `max` datagrams that others handed over, and says whether there may be more.
    pub fn take(&mut self, arrived: &mut VecDeque<DatagramInput<UdpAddr>>, max: usize) -> bool {
        let Some(door) = self.doors.get(self.me) else { return false };
        for _ in 0..max {
            let Ok(input) = self.datagrams.try_recv() else { return false };
            door.bytes.fetch_sub(len(&input), Relaxed);
            arrived.push_back(input);
        }
        true
    }

    /// The floors that others told.
    pub fn take_floors(&mut self) -> impl Iterator<Item = Floor> {
        self.floors.try_iter()
    }

    /// To be called before what others put down is taken: what comes later is news again.
    pub fn look(&mut self) {
        if let Some(door) = self.doors.get(self.me) {
            door.knocked.store(false, SeqCst);
        }
    }

    /// Has `waker` called once another worker puts something down for this one. `false` where that happened
    /// since the last [`look`](Self::look): look again.
    #[must_use]
    pub fn sleep(&mut self, waker: &Waker) -> bool {
        let Some(door) = self.doors.get(self.me) else { return true };
        match door.sleeper.try_lock() {
            Ok(sleeper) if sleeper.as_ref().is_some_and(|old| old.will_wake(waker)) => {}
            Ok(mut sleeper) => *sleeper = Some(waker.clone()),
            // Somebody is about to wake us.
            Err(_) => return false,
        }
        !door.knocked.load(SeqCst)
    }

    /// What it handed to others so far.
    #[must_use]
    pub const fn handed(&self) -> Handed {
        self.counters
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat")
            .field("me", &self.me)
            .field("handed", &self.counters)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use alloc::task::Wake;
    use alloc::vec;
    use bytes::BytesMut;
    use core::net::SocketAddr;
    use core::num::NonZeroUsize;

    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn seats(workers: usize) -> (Steering, Vec<Seat>) {
        let workers = NonZeroUsize::new(workers).expect("some");
        let steering = Steering::new(&Seed::from_u64(1), workers);
        let seats = Seat::all(&steering);
        (steering, seats)
    }

    fn from(port: u16, len: usize) -> DatagramInput<UdpAddr> {
        let [src, dst] = [port, 1].map(|port| UdpAddr(SocketAddr::from(([127, 0, 0, 1], port))));
        let mut payload = BytesMut::zeroed(len);
        payload[..2].copy_from_slice(&port.to_be_bytes());
        DatagramInput::Datagram { src, dst, payload }
    }

    fn src(input: &DatagramInput<UdpAddr>) -> UdpAddr {
        let DatagramInput::Datagram { src, .. } = input else { panic!("{input:?} is no datagram") };
        *src
    }

    /// A port whose peer is this worker's.
    fn port_of(steering: &Steering, worker: usize) -> u16 {
        (1_000..).find(|port| steering.worker_of(&src(&from(*port, 2))) == worker).expect("one")
    }

    fn floor(number: u8, nanos: u32) -> Floor {
        let date = crate::time::UnixTime::new(1, nanos);
        (PublicKey::from_bytes([number; 32]), Tai64n::from_unix(date))
    }

    #[test]
    fn each_worker_keeps_its_own_in_order_and_gets_the_rest_from_the_others() {
        let (steering, mut seats) = seats(3);
        let all: Vec<_> = (1_000..1_200).map(|port| from(port, 100)).collect();
        let unreachable = DatagramInput::Unreachable { dst: src(&all[0]) };
        let of = |worker| {
            let mine = all.iter().filter(|input| steering.worker_of(&src(input)) == worker);
            mine.cloned().collect::<Vec<_>>()
        };
        let mut arrived: VecDeque<_> = all.iter().cloned().collect();
        arrived.push_front(unreachable.clone());
        arrived.push_back(unreachable.clone());
        seats[1].sort(&mut arrived, 1);
        assert_eq!(arrived.pop_front(), Some(unreachable.clone()));
        assert_eq!(arrived.pop_back(), Some(unreachable), "what is no datagram stays");
        assert_eq!(Vec::from(arrived), of(1));
        let others = of(0).len() + of(2).len();
        assert_eq!(seats[1].handed(), Handed { over: others as u64, ..Handed::default() });
        for worker in [0, 2] {
            let mut taken = VecDeque::new();
            assert!(!seats[worker].take(&mut taken, usize::MAX), "there is no more");
            assert_eq!(Vec::from(taken), of(worker));
        }
    }

    #[test]
    fn what_waits_for_a_worker_is_bounded_in_number_and_in_bytes_and_the_rest_is_counted() {
        for (len, room) in [(2, HANDED_OVER), (60_000, HANDED_OVER_BYTES / 60_000)] {
            let (steering, mut seats) = seats(2);
            let port = port_of(&steering, 1);
            for _ in 0..2 {
                let mut arrived: VecDeque<_> = (0..room + 5).map(|_| from(port, len)).collect();
                seats[0].sort(&mut arrived, 0);
                assert!(arrived.is_empty());
                let handed = seats[0].handed();
                assert_eq!((handed.over, handed.dropped), (room as u64, 5), "of {len} bytes");
                let mut taken = VecDeque::new();
                assert!(seats[1].take(&mut taken, room), "there may be more");
                assert!(!seats[1].take(&mut taken, 1));
                assert_eq!(taken.len(), room);
                // Taken, they leave as much room as before.
                seats[0].counters = Handed::default();
            }
        }
    }

    #[test]
    fn floors_reach_all_others_and_where_there_is_no_room_the_highest_of_each_key_waits() {
        let (_, mut seats) = seats(3);
        seats[0].tell_floors([floor(1, 5), floor(2, 5), floor(1, 4)].into_iter());
        assert!(!seats[0].owes());
        for worker in [1, 2] {
            let heard: Vec<_> = seats[worker].take_floors().collect();
            assert_eq!(heard, [floor(1, 5), floor(2, 5)]);
        }
        for nanos in 0..FLOORS as u32 {
            seats[0].tell_floors(core::iter::once(floor(1, nanos)));
        }
        assert!(!seats[0].owes());
        for (number, nanos) in [(7, 1), (7, 3), (7, 2), (8, 1)] {
            seats[0].tell_floors(core::iter::once(floor(number, nanos)));
        }
        assert!(seats[0].owes());
        assert_eq!(seats[1].take_floors().count(), FLOORS);
        drop(seats.pop());
        seats[0].tell_floors(core::iter::empty());
        assert_eq!(seats[1].take_floors().collect::<Vec<_>>(), [floor(7, 3), floor(8, 1)]);
        assert!(!seats[0].owes(), "nothing is kept for a worker that has ended");
    }

    #[test]
    fn a_worker_that_sleeps_is_woken_once_and_one_that_was_visited_does_not_fall_asleep() {
        let (steering, mut seats) = seats(2);
        let bell = Arc::new(Bell(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&bell));
        let [sender, sleeper] = &mut seats[..] else { panic!("two") };
        let port = port_of(&steering, 1);
        let send = |sender: &mut Seat| {
            sender.sort(&mut VecDeque::from([from(port, 9)]), 0);
            sender.wake_others();
        };
        sleeper.look();
        assert!(sleeper.sleep(&waker));
        send(sender);
        send(sender);
        assert_eq!(bell.0.load(Relaxed), 1);
        sleeper.look();
        let mut taken = VecDeque::new();
        sleeper.take(&mut taken, 64);
        assert_eq!(taken.len(), 2);
        send(sender);
        assert!(!sleeper.sleep(&waker), "something came after it had looked");
        sleeper.look();
        assert!(sleeper.sleep(&waker));
        sender.tell_floors(vec![floor(1, 1)].into_iter());
        sender.wake_others();
        assert!(bell.0.load(Relaxed) > 1, "floors are news too");
    }
}
