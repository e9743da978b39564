//! What happened in a program, as its tasks saw it, and what of it cannot be.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tellask::swarm::{AskError, Refusal};

/// The code that applications refuse with.
pub(crate) const NO: u32 = 7;

#[derive(Clone, Debug, Default)]
pub(crate) struct Log(pub(crate) Rc<RefCell<Entries>>);

#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) told: BTreeMap<u64, Told>,
    pub(crate) asked: BTreeMap<u64, Asked>,
    /// For each node who waits there for what.
    pub(crate) waiting: BTreeMap<(usize, What), usize>,
    /// For each node how many waited for room or an answer at the same time, at the most.
    pub(crate) most: BTreeMap<usize, usize>,
    last: u64,
}

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Message,
    Request,
    Tell,
    Ask,
    Identify,
    Events,
    Close,
}

#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) to: usize,
    pub(crate) len: usize,
    pub(crate) accepted: bool,
    pub(crate) received: bool,
}

#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) len: usize,
    pub(crate) deadline: u64,
    /// When the future was ready, or dropped.
    pub(crate) over: Option<u64>,
    pub(crate) polled: bool,
    pub(crate) taken: Taken,
}

/// What the other application did about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Never,
    Held,
    Answered,
    Refused,
    Dropped,
}

/// For as long as a task waits.
pub(crate) struct Waiting {
    log: Log,
    node: usize,
    what: What,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut log = self.log.0.borrow_mut();
        *log.waiting.get_mut(&(self.node, self.what)).expect("it waited") -= 1;
    }
}

impl Log {
    pub(crate) fn waits(&self, node: usize, what: What) -> Waiting {
        {
            let mut log = self.0.borrow_mut();
            *log.waiting.entry((node, what)).or_default() += 1;
            let count = |what| log.waiting.get(&(node, what)).copied().unwrap_or(0);
            let now = count(What::Tell) + count(What::Ask);
            let most = log.most.entry(node).or_default();
            *most = now.max(*most);
        }
        Waiting { log: self.clone(), node, what }
    }

    pub(crate) fn is_waiting(&self, node: usize, what: What) -> bool {
        self.0.borrow().waiting.get(&(node, what)).is_some_and(|count| *count > 0)
    }

    /// A new message, which was not accepted yet.
    pub(crate) fn tell(&self, to: usize, len: usize) -> (u64, Vec<u8>) {
        let mut log = self.0.borrow_mut();
        let (id, text) = log.text(len);
        let told = Told { to, len: text.len(), accepted: false, received: false };
        log.told.insert(id, told);
        (id, text)
    }

    pub(crate) fn accepted(&self, id: u64) {
        self.0.borrow_mut().told.get_mut(&id).expect("told").accepted = true;
    }

    pub(crate) fn received(&self, node: usize, text: &[u8]) {
        let mut log = self.0.borrow_mut();
        let told = log.told.get_mut(&number(text)).expect("somebody told it");
        assert_eq!(
            (told.to, told.len),
            (node, text.len()),
            "it came whole, and to whom it was for"
        );
        assert!(told.accepted, "what was not accepted was received");
        assert!(!told.received, "it was received twice");
        told.received = true;
    }

    pub(crate) fn ask(&self, from: usize, to: usize, len: usize, deadline: u64) -> (u64, Vec<u8>) {
        let mut log = self.0.borrow_mut();
        let (id, text) = log.text(len);
        let len = text.len();
        let taken = Taken::Never;
        let asked = Asked { from, to, len, deadline, over: None, polled: false, taken };
        log.asked.insert(id, asked);
        (id, text)
    }

    /// An application took a request.
    pub(crate) fn taken(&self, node: usize, text: &[u8]) -> u64 {
        let id = number(text);
        let mut log = self.0.borrow_mut();
        let asked = log.asked.get_mut(&id).expect("somebody asked it");
        assert_eq!(
            (asked.to, asked.len),
            (node, text.len()),
            "it came whole, and to whom it was for"
        );
        assert!(asked.polled, "nothing is sent before the first poll");
        assert_eq!(asked.taken, Taken::Never, "it ran twice");
        asked.taken = Taken::Held;
        id
    }

    pub(crate) fn did(&self, id: u64, what: Taken) {
        self.0.borrow_mut().asked.get_mut(&id).expect("asked").taken = what;
    }

    /// The future of a request is ready, at `now`.
    pub(crate) fn outcome(
        &self,
        id: u64,
        now: u64,
        clean: bool,
        result: &Result<Vec<u8>, AskError>,
    ) {
        let mut log = self.0.borrow_mut();
        let asked = log.asked.get_mut(&id).expect("asked");
        assert_eq!(asked.over, None, "it has one outcome");
        asked.over = Some(now);
        match result {
            Ok(reply) => {
                assert_eq!(asked.taken, Taken::Answered);
                assert_eq!(number(reply), id, "it is the answer to this");
            }
            Err(AskError::Refused(Refusal { code: NO, .. })) => {
                assert_eq!(asked.taken, Taken::Refused);
            }
            Err(AskError::Refused(refusal)) => {
                assert_eq!(refusal.code, Refusal::UNANSWERED);
                assert!(matches!(asked.taken, Taken::Never | Taken::Dropped), "{asked:?}");
            }
            Err(AskError::TimedOut { .. }) => {
                assert!(now >= asked.deadline, "too early: {asked:?}")
            }
            Err(AskError::Busy) => {
                assert_eq!(asked.taken, Taken::Never, "it said that nothing ran")
            }
            Err(AskError::TooLarge { .. }) => {}
            Err(other) => assert!(!clean, "nothing was wrong, but: {other}"),
        }
    }

    /// The future of a request was dropped before it was ready, or it is ready.
    pub(crate) fn over(&self, id: u64, now: u64) {
        self.0.borrow_mut().asked.get_mut(&id).expect("asked").over.get_or_insert(now);
    }
}

impl Entries {
    fn text(&mut self, len: usize) -> (u64, Vec<u8>) {
        self.last += 1;
        let mut text = vec![0x5a; len.max(8)];
        text[..8].copy_from_slice(&self.last.to_be_bytes());
        (self.last, text)
    }
}

/// The reply to the request of this number.
pub(crate) fn reply(id: u64, len: usize) -> Vec<u8> {
    let mut text = vec![0xa5; len.max(8)];
    text[..8].copy_from_slice(&id.to_be_bytes());
    text
}

fn number(text: &[u8]) -> u64 {
    u64::from_be_bytes(text[..8].try_into().expect("eight bytes"))
}
