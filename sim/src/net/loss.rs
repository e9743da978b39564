//! Why datagrams are lost, each reason by its name.

use core::fmt;

/// How a datagram was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// At random, by itself.
    Random,
    /// The way is [cut](super::Network::cut).
    Cut,
    /// Nobody is at its destination.
    Nobody,
    /// It is larger than the MTU, and its sender was told.
    TooLarge,
    /// The queue of a [`Pipe`](super::Pipe) was full.
    Overflow,
    /// In a bad time of its way: see [`Burst`](super::Burst).
    Burst,
    /// It is larger than the MTU of its way, and nobody told its sender.
    BlackHole,
    /// It had waited too long in a pipe that is managed by [`Codel`](super::Codel).
    Codel,
    /// A [`Partition`](super::Partition) is between the two.
    Partition,
    /// It came to a port of a NAT that leads nowhere.
    Unmapped,
    /// It came to a port of a NAT that does not let this sender in.
    Filtered,
    /// It was for the outside of the NAT that its sender is behind, which does not turn it round.
    Hairpin,
    /// The NAT of its sender has no port left for it.
    Ports,
    /// It was for the inner address of a node behind a NAT, and came from outside.
    Private,
    /// Too many waited already for a node that is slow or paused.
    Backlog,
}

impl Loss {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 15] = [
        Self::Random,
        Self::Cut,
        Self::Nobody,
        Self::TooLarge,
        Self::Overflow,
        Self::Burst,
        Self::BlackHole,
        Self::Codel,
        Self::Partition,
        Self::Unmapped,
        Self::Filtered,
        Self::Hairpin,
        Self::Ports,
        Self::Private,
        Self::Backlog,
    ];

    /// Its name, as it stands in accounts. No two are the same.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Cut => "cut",
            Self::Nobody => "nobody",
            Self::TooLarge => "too large",
            Self::Overflow => "overflow",
            Self::Burst => "burst",
            Self::BlackHole => "black hole",
            Self::Codel => "codel",
            Self::Partition => "partition",
            Self::Unmapped => "unmapped",
            Self::Filtered => "filtered",
            Self::Hairpin => "hairpin",
            Self::Ports => "ports",
            Self::Private => "private",
            Self::Backlog => "backlog",
        }
    }

    /// The reason of this [`name`](Self::name).
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|loss| loss.name() == name)
    }

    /// Which one it is, as a number from zero on.
    pub(super) const fn code(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many copies of datagrams were lost, by the reason.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses([u64; Loss::ALL.len()]);

impl Losses {
    /// How many were lost in this way.
    #[must_use]
    pub fn of(&self, loss: Loss) -> u64 {
        self.0.get(loss.code()).copied().unwrap_or_default()
    }

    /// How many were lost in each way, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (Loss, u64)> + use<> {
        Loss::ALL.into_iter().zip(self.0)
    }

    /// How many were lost in all.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn count(&mut self, loss: Loss) {
        if let Some(count) = self.0.get_mut(loss.code()) {
            *count += 1;
        }
    }

    pub(super) fn add(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
        self
    }
}

/// Those that happened.
impl fmt::Debug for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let happened = self.iter().filter(|(_, count)| *count > 0);
        f.debug_map().entries(happened.map(|(loss, count)| (loss.name(), count))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_a_name_of_its_own_by_which_it_is_found() {
        for (nth, loss) in Loss::ALL.into_iter().enumerate() {
            assert_eq!(loss.code(), nth);
            assert_eq!(Loss::by_name(&loss.to_string()), Some(loss));
        }
        assert_eq!(Loss::ALL.into_iter().map(Loss::name).collect::<BTreeSet<_>>().len(), 15);
        assert_eq!(Loss::by_name("Random"), None);
    }

    #[test]
    fn losses_are_counted_by_their_reason() {
        let mut losses = Losses::default();
        losses.count(Loss::Cut);
        losses.count(Loss::Backlog);
        losses = losses.add(losses);
        assert_eq!((losses.of(Loss::Cut), losses.of(Loss::Random), losses.sum()), (2, 0, 4));
        assert_eq!(format!("{losses:?}"), r#"{"cut": 2, "backlog": 2}"#);
    }
}
