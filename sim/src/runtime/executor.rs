//! The executor: one thread, and whoever was woken first is polled first.

use super::task::{Shared, Task};
use super::world::World;
use crate::net::Trace;
use core::cell::{Cell, RefCell};
use core::future::Future;
use core::net::IpAddr;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

pub(super) type TaskId = u64;

type Ready = Arc<Mutex<VecDeque<TaskId>>>;

/// The tasks of a simulation.
#[derive(Default)]
pub(super) struct Executor {
    tasks: RefCell<BTreeMap<TaskId, Running>>,
    ready: Ready,
    last: Cell<TaskId>,
    hosts: RefCell<BTreeMap<IpAddr, HostState>>,
    trace: Cell<Trace>,
}

struct Running {
    // `None` while it is polled.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    signal: Arc<Signal>,
    host: IpAddr,
}

#[derive(Default)]
struct HostState {
    paused: bool,
    // Who was woken meanwhile.
    held: Vec<TaskId>,
    // Of nodes that were made there.
    seeds: u64,
}

/// What a task is woken by. It holds no task, so that nobody keeps one alive.
pub(super) struct Signal {
    id: TaskId,
    queued: AtomicBool,
    ready: Ready,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.id);
        }
    }
}

/// Where a task is that is being polled.
#[derive(Clone)]
pub(super) struct Here {
    pub(super) world: Arc<World>,
    pub(super) executor: Rc<Executor>,
    pub(super) host: IpAddr,
}

thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// The simulation that runs in this thread now.
pub(super) fn here() -> Option<Here> {
    HERE.with_borrow(Clone::clone)
}

/// Puts back what was before, whatever happens.
struct Entered(Option<Here>);

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take();
        HERE.with_borrow_mut(|here| *here = before);
    }
}

/// Does something as a task of a host does it.
pub(super) fn within<T>(here: Here, what: impl FnOnce() -> T) -> T {
    let _entered = Entered(HERE.replace(Some(here)));
    what()
}

impl Executor {
    /// A name for a task, which nobody else has, and what wakes it. It is to be polled.
    pub(super) fn signal(&self) -> Arc<Signal> {
        self.last.set(self.last.get() + 1);
        let (id, ready) = (self.last.get(), Arc::clone(&self.ready));
        let signal = Arc::new(Signal { id, queued: AtomicBool::new(false), ready });
        signal.wake_by_ref();
        signal
    }

    /// Begins a task of a host.
    pub(super) fn spawn<R: 'static>(
        self: &Rc<Self>,
        host: IpAddr,
        future: impl Future<Output = R> + 'static,
    ) -> Task<R> {
        let shared = Shared::new();
        let finish = shared.finish();
        let future = async move { finish.with(future.await) };
        let signal = self.signal();
        let id = signal.id;
        let running = Running { future: Some(Box::pin(future)), signal, host };
        self.tasks.borrow_mut().insert(id, running);
        Task::new(shared, id, Rc::downgrade(self))
    }

    /// Who is to be polled next.
    pub(super) fn next(&self) -> Option<TaskId> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Polls a task, unless it is over or its host is paused.
    pub(super) fn poll(self: &Rc<Self>, world: &Arc<World>, id: TaskId) {
        let (mut future, signal, host) = {
            let mut tasks = self.tasks.borrow_mut();
            let Some(task) = tasks.get_mut(&id) else { return };
            if let Some(host) = self.hosts.borrow_mut().get_mut(&task.host)
                && host.paused
            {
                return host.held.push(id);
            }
            let Some(future) = task.future.take() else { return };
            (future, Arc::clone(&task.signal), task.host)
        };
        let here = Here { world: Arc::clone(world), executor: Rc::clone(self), host };
        within(here, || {
            let polled = self.poll_as(world, &signal, |cx| future.as_mut().poll(cx));
            let mut tasks = self.tasks.borrow_mut();
            if polled.is_ready() {
                tasks.remove(&id);
            } else if let Some(task) = tasks.get_mut(&id) {
                // Unless it, or its host, was stopped meanwhile.
                task.future = Some(future);
                return;
            }
            // What a future does when it is dropped may concern other tasks.
            drop(tasks);
            drop(future);
        });
    }

    /// Polls something under the name of a task, and notes it.
    pub(super) fn poll_as<T>(
        &self,
        world: &World,
        signal: &Arc<Signal>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        signal.queued.store(false, Ordering::Relaxed);
        let began = world.now().as_nanos();
        let waker = Waker::from(Arc::clone(signal));
        let polled = poll(&mut Context::from_waker(&waker));
        let mut trace = self.trace.get();
        trace.add(&[began, signal.id, u64::from(polled.is_ready())], &[]);
        self.trace.set(trace);
        polled
    }

    /// Drops a task as it stands.
    pub(super) fn stop(&self, id: TaskId) {
        let task = self.tasks.borrow_mut().remove(&id);
        drop(task);
    }

    /// Drops all tasks of a host as they stand, or of all hosts, in the order in which they began.
    pub(super) fn stop_all(&self, of: Option<IpAddr>) {
        // Whoever is dropped may begin others.
        loop {
            let mut tasks = self.tasks.borrow_mut();
            let found = tasks.iter().find(|(_, task)| of.is_none_or(|host| task.host == host));
            let Some(id) = found.map(|(id, _)| *id) else { return };
            let task = tasks.remove(&id);
            drop(tasks);
            drop(task);
        }
    }

    /// Drops all tasks of a host as they stand. If it was paused, it is no more.
    pub(super) fn crash(&self, host: IpAddr) {
        self.stop_all(Some(host));
        if let Some(host) = self.hosts.borrow_mut().get_mut(&host) {
            host.paused = false;
            host.held.clear();
        }
    }

    /// Lets the tasks of a host be polled, or not.
    pub(super) fn pause(&self, host: IpAddr, paused: bool) {
        let mut hosts = self.hosts.borrow_mut();
        let host = hosts.entry(host).or_default();
        host.paused = paused;
        if !paused {
            let held = host.held.drain(..);
            self.ready.lock().unwrap_or_else(PoisonError::into_inner).extend(held);
        }
    }

    /// The number of the next seed that a host draws.
    pub(super) fn next_seed(&self, host: IpAddr) -> u64 {
        let mut hosts = self.hosts.borrow_mut();
        let host = hosts.entry(host).or_default();
        host.seeds += 1;
        host.seeds
    }

    /// Which tasks were polled when.
    pub(super) const fn trace(&self) -> Trace {
        self.trace.get()
    }

    /// How many tasks there are.
    #[cfg(test)]
    pub(super) fn tasks(&self) -> usize {
        self.tasks.borrow().len()
    }
}

impl Signal {
    pub(super) const fn id(&self) -> TaskId {
        self.id
    }
}

/// An executor that may be gone.
pub(super) type Gone = Weak<Executor>;
