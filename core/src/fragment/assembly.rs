//! Messages of which a part has arrived.

use super::wire::Header;
use crate::limits::Limits;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use bytes::BytesMut;
use core::hash::{Hash, Hasher};
use core::time::Duration;

/// How long after its first fragment a message that is not whole is given up.
pub const EXPIRY: Duration = Duration::from_secs(10);

/// Messages of one source that are remembered after they were delivered.
pub const REMEMBERED: usize = 32;

/// What a message counts beyond its buffer: its places in tables. It may be the only one of its source, and
/// then has nodes of its own.
pub(super) const fn entry<A>() -> usize {
    832 + 16 * size_of::<A>()
}

/// Why a fragment was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// It arrived before.
    Duplicate,
    /// Its message was delivered.
    Late,
    /// It contradicts another one of its message, all of which is dropped.
    Disagrees,
    /// It shows that its message, all of which is dropped, is larger than messages may be.
    TooLarge,
    /// It is not the last and has no data.
    Empty,
    /// The message alone is over the budget.
    NoRoom,
}

/// All messages that are not whole yet, and the last that became so.
///
/// What counts against the budgets is what is allocated: the whole message from its first fragment
/// on, so that an honest one is put together with one copy.
#[derive(Clone, Debug)]
pub(super) struct Assembly<A> {
    // By age: in the order they expire.
    messages: BTreeMap<u64, Partial<A>>,
    sources: BTreeMap<A, Source<A>>,
    bytes: usize,
    next: u64,
    // The message of the last fragment: most likely that of the next one.
    latest: u64,
    max: usize,
    limits: Bounds,
    pub(super) expired: u64,
    pub(super) evicted: u64,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    bytes: usize,
    bytes_each: usize,
    messages: usize,
    messages_each: usize,
}

#[derive(Clone, Debug)]
struct Source<A> {
    index: BTreeMap<(u32, A), u64>,
    open: BTreeSet<u64>,
    done: VecDeque<u64>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Partial<A> {
    src: A,
    dst: A,
    id: u32,
    total: u8,
    expires: Instant,
    // What it counts against the budgets.
    weight: usize,
    // None once it was delivered.
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    buffer: BytesMut,
    // Bytes of data in each fragment but the last, once one of those has arrived.
    size: Option<usize>,
    have: [u64; 4],
    missing: u8,
    // The last fragment's data, while `size` is unknown.
    tail: BytesMut,
}

impl<A: Clone + Ord + Hash> Assembly<A> {
    /// For messages of up to `max` bytes.
    pub(super) const fn new(max: usize, limits: &Limits) -> Self {
        let limits = Bounds {
            bytes: limits.reassembly,
            bytes_each: limits.reassembly_per_peer,
            messages: limits.partials,
            messages_each: limits.partials_per_peer,
        };
        Self {
            messages: BTreeMap::new(),
            sources: BTreeMap::new(),
            bytes: 0,
            next: 0,
            latest: 0,
            max,
            limits,
            expired: 0,
            evicted: 0,
        }
    }

    /// Takes a fragment of a message of several. The message, where it is whole now.
    pub(super) fn add(
        &mut self,
        now: Instant,
        src: &A,
        dst: &A,
        header: Header,
        data: &[u8],
    ) -> Result<Option<BytesMut>, Rejected> {
        let seq = match self.find(src, dst, header.id) {
            Some(seq) => seq,
            None => {
                self.fits(header, None, data)?;
                self.begin(now, src, dst, header)?
            }
        };
        self.latest = seq;
        let result = self.put(seq, header, data);
        if matches!(
            result,
            Err(Rejected::Disagrees | Rejected::TooLarge | Rejected::NoRoom | Rejected::Empty)
        ) {
            self.remove(seq);
        }
        result
    }

    /// Forgets all that came from `src`. Returns how many messages were not whole.
    pub(super) fn forget(&mut self, src: &A) -> usize {
        let Some(source) = self.sources.remove(src) else { return 0 };
        self.bytes = self.bytes.saturating_sub(source.bytes);
        for seq in source.index.values() {
            self.messages.remove(seq);
        }
        source.open.len()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.sources.clear();
        self.bytes = 0;
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.messages.first_key_value().map(|(_, message)| message.expires)
    }

    /// Gives up what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some((seq, message)) = self.messages.first_key_value()
            && message.expires <= now
        {
            let seq = *seq;
            self.expired += u64::from(message.open.is_some());
            self.remove(seq);
        }
    }

    /// Bytes allocated, [`entry`] a message included.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages held, those included that were delivered and are remembered.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn sources(&self) -> usize {
        self.sources.len()
    }

    pub(super) fn dump(&self, mut hasher: &mut dyn Hasher) {
        for (seq, message) in &self.messages {
            (seq, &message.src, &message.dst, message.id, message.total).hash(&mut hasher);
            (message.expires, message.weight).hash(&mut hasher);
            if let Some(Open { buffer, size, have, missing, tail }) = &message.open {
                (&buffer[..], size, have, missing, &tail[..]).hash(&mut hasher);
            }
        }
        for source in self.sources.values() {
            source.done.hash(&mut hasher);
        }
    }

    fn find(&self, src: &A, dst: &A, id: u32) -> Option<u64> {
        let is_it =
            |message: &Partial<A>| message.id == id && message.src == *src && message.dst == *dst;
        if self.messages.get(&self.latest).is_some_and(is_it) {
            return Some(self.latest);
        }
        self.sources.get(src)?.index.get(&(id, dst.clone())).copied()
    }

    /// Whether the message may still be no larger than messages may be.
    fn fits(&self, header: Header, size: Option<usize>, data: &[u8]) -> Result<(), Rejected> {
        let before = usize::from(header.total) - 1;
        let is_last = usize::from(header.part) == before;
        let least = match (is_last, size) {
            (false, _) if data.is_empty() => return Err(Rejected::Empty),
            (false, _) => data.len().saturating_mul(before),
            // As all others are no shorter than the last one.
            (true, size) => {
                let size = size.unwrap_or(data.len());
                size.saturating_mul(before).saturating_add(data.len())
            }
        };
        if least > self.max {
            return Err(Rejected::TooLarge);
        }
        let alone = self.capacity(header.total, data.len()).saturating_add(entry::<A>());
        if alone > self.limits.bytes_each.min(self.limits.bytes) {
            return Err(Rejected::NoRoom);
        }
        Ok(())
    }

    /// Bytes of a message of `total` fragments of `size` bytes.
    fn capacity(&self, total: u8, size: usize) -> usize {
        usize::from(total).saturating_mul(size).min(self.max)
    }

    fn begin(&mut self, now: Instant, src: &A, dst: &A, header: Header) -> Result<u64, Rejected> {
        let Header { id, total, .. } = header;
        let seq = self.next;
        self.make_room(src, entry::<A>(), seq)?;
        self.next += 1;
        let open = Open {
            buffer: BytesMut::new(),
            size: None,
            have: [0; 4],
            missing: total,
            tail: BytesMut::new(),
        };
        let (src, dst) = (src.clone(), dst.clone());
        let source = self.sources.entry(src.clone()).or_insert_with(Source::new);
        source.index.insert((id, dst.clone()), seq);
        source.open.insert(seq);
        let expires = now + EXPIRY;
        let message = Partial { src, dst, id, total, expires, weight: 0, open: Some(open) };
        self.messages.insert(seq, message);
        self.weigh(seq, entry::<A>());
        Ok(seq)
    }

    /// Puts a fragment's data where they belong.
    fn put(&mut self, seq: u64, header: Header, data: &[u8]) -> Result<Option<BytesMut>, Rejected> {
        let Some(message) = self.messages.get(&seq) else { return Err(Rejected::NoRoom) };
        if message.total != header.total {
            return Err(if message.open.is_none() { Rejected::Late } else { Rejected::Disagrees });
        }
        let Some(open) = &message.open else { return Err(Rejected::Late) };
        if open.has(header.part) {
            return Err(Rejected::Duplicate);
        }
        self.fits(header, open.size, data)?;
        let is_last = header.part + 1 == header.total;
        if let (false, None) = (is_last, open.size) {
            self.learn_size(seq, data.len())?;
        } else if open.size.is_none() {
            let src = message.src.clone();
            self.make_room(&src, data.len(), seq)?;
            self.weigh(seq, entry::<A>() + data.len());
        }
        let max = self.max;
        let Some(message) = self.messages.get_mut(&seq) else { return Err(Rejected::NoRoom) };
        let Some(open) = &mut message.open else { return Err(Rejected::Late) };
        match open.size {
            Some(size) if data.len() > size || (!is_last && data.len() != size) => {
                return Err(Rejected::Disagrees);
            }
            Some(size) => open.write(usize::from(header.part) * size, data),
            // What pins a buffer that is not counted here must not wait.
            None => open.tail = BytesMut::from(data),
        }
        open.note(header.part);
        if open.missing > 0 {
            return Ok(None);
        }
        debug_assert!(open.buffer.len() <= max, "checked by every fragment");
        let whole = core::mem::take(&mut open.buffer);
        message.open = None;
        self.finish(seq);
        Ok(Some(whole))
    }

    /// The first fragment but the last says how large all are: the buffer is made.
    fn learn_size(&mut self, seq: u64, size: usize) -> Result<(), Rejected> {
        let Some(message) = self.messages.get(&seq) else { return Err(Rejected::NoRoom) };
        let Some(open) = &message.open else { return Err(Rejected::Late) };
        let before = (usize::from(message.total) - 1).saturating_mul(size);
        let tail = open.tail.len();
        if tail > size {
            return Err(Rejected::Disagrees);
        }
        if before.saturating_add(tail) > self.max {
            return Err(Rejected::TooLarge);
        }
        let capacity = self.capacity(message.total, size);
        let (src, weight) = (message.src.clone(), message.weight);
        let new = capacity.saturating_add(entry::<A>());
        self.make_room(&src, new.saturating_sub(weight), seq)?;
        self.weigh(seq, new);
        let Some(message) = self.messages.get_mut(&seq) else { return Err(Rejected::NoRoom) };
        let Some(open) = &mut message.open else { return Err(Rejected::Late) };
        open.size = Some(size);
        open.buffer = BytesMut::with_capacity(capacity);
        if open.missing < message.total {
            let tail = core::mem::take(&mut open.tail);
            open.write(before, &tail);
        }
        Ok(())
    }

    /// Gives up the oldest until `more` bytes, and one message if `keep` is not one yet, fit.
    fn make_room(&mut self, src: &A, more: usize, keep: u64) -> Result<(), Rejected> {
        let new = usize::from(!self.messages.contains_key(&keep));
        while let Some(source) = self.sources.get(src)
            && (source.bytes.saturating_add(more) > self.limits.bytes_each
                || source.open.len() + new > self.limits.messages_each)
        {
            let open = || source.open.iter().find(|seq| **seq != keep);
            let oldest = source.done.front().or_else(open);
            self.evict(oldest.copied())?;
        }
        while self.bytes.saturating_add(more) > self.limits.bytes
            || self.messages.len() + new > self.limits.messages
        {
            let oldest = self.messages.keys().find(|seq| **seq != keep).copied();
            self.evict(oldest)?;
        }
        Ok(())
    }

    fn evict(&mut self, seq: Option<u64>) -> Result<(), Rejected> {
        let seq = seq.ok_or(Rejected::NoRoom)?;
        let is_open = self.messages.get(&seq).is_some_and(|message| message.open.is_some());
        self.evicted += u64::from(is_open);
        self.remove(seq);
        Ok(())
    }

    /// Changes what a message counts.
    fn weigh(&mut self, seq: u64, weight: usize) {
        let Some(message) = self.messages.get_mut(&seq) else { return };
        let was = core::mem::replace(&mut message.weight, weight);
        self.bytes = self.bytes.saturating_sub(was).saturating_add(weight);
        if let Some(source) = self.sources.get_mut(&message.src) {
            source.bytes = source.bytes.saturating_sub(was).saturating_add(weight);
        }
    }

    /// A message was delivered: it is remembered, so that late duplicates do not begin it again.
    fn finish(&mut self, seq: u64) {
        self.weigh(seq, entry::<A>());
        let Some(message) = self.messages.get(&seq) else { return };
        let Some(source) = self.sources.get_mut(&message.src) else { return };
        source.open.remove(&seq);
        source.done.push_back(seq);
        if source.done.len() > REMEMBERED
            && let Some(oldest) = source.done.front().copied()
        {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, seq: u64) {
        self.weigh(seq, 0);
        let Some(message) = self.messages.remove(&seq) else { return };
        let Some(source) = self.sources.get_mut(&message.src) else { return };
        source.index.remove(&(message.id, message.dst));
        source.open.remove(&seq);
        if let Some(at) = source.done.iter().position(|done| *done == seq) {
            source.done.remove(at);
        }
        if source.index.is_empty() {
            self.sources.remove(&message.src);
        }
    }
}

impl<A> Source<A> {
    const fn new() -> Self {
        Self { index: BTreeMap::new(), open: BTreeSet::new(), done: VecDeque::new(), bytes: 0 }
    }
}

impl Open {
    fn has(&self, part: u8) -> bool {
        self.have.get(usize::from(part / 64)).is_some_and(|word| word >> (part % 64) & 1 == 1)
    }

    fn note(&mut self, part: u8) {
        if let Some(word) = self.have.get_mut(usize::from(part / 64)) {
            *word |= 1 << (part % 64);
        }
        self.missing = self.missing.saturating_sub(1);
    }

    /// In order nothing but the data is written; a gap is filled with zeros until its data come.
    fn write(&mut self, at: usize, data: &[u8]) {
        if at > self.buffer.len() {
            self.buffer.resize(at, 0);
        }
        if at == self.buffer.len() {
            self.buffer.extend_from_slice(data);
        } else if let Some(room) = self.buffer.get_mut(at..at + data.len()) {
            room.copy_from_slice(data);
        }
    }
}
