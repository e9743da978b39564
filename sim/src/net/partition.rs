//! Partitions: who cannot reach whom, said by groups of nodes.
//!
//! Groups are numbered; whoever is in none is in the [rest](Partition::REST). What is blocked is said for pairs of
//! groups, each direction by itself, so nobody lists pairs of nodes, and to judge a datagram takes two
//! look-ups however many nodes there are. Several partitions may stand at the same time: what
//! one of them blocks is lost.

use super::place::ByAddr;
use tellask::MemoryAddr;

/// Who cannot reach whom.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    /// Groups but for the rest.
    groups: u16,
    of: ByAddr<u16>,
    /// By the group that sends, then by the one that is sent to.
    blocked: Vec<Vec<bool>>,
}

/// A group of nodes in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group(u16);

/// The name of a partition that was put up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionId(pub(super) u64);

impl Partition {
    /// Whoever is in no other group.
    pub const REST: Group = Group(0);

    /// One that blocks nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every group apart from every other one; who is in none reaches all and is reached by all.
    #[must_use]
    pub fn split<G: IntoIterator<Item = MemoryAddr>>(groups: impl IntoIterator<Item = G>) -> Self {
        let mut partition = Self::new();
        let groups: Vec<_> = groups.into_iter().map(|group| partition.group(group)).collect();
        for (nth, one) in groups.iter().enumerate() {
            groups.iter().skip(nth + 1).for_each(|other| partition.block_both(*one, *other));
        }
        partition
    }

    /// These nodes apart from all others, in both directions.
    #[must_use]
    pub fn around(nodes: impl IntoIterator<Item = MemoryAddr>) -> Self {
        let mut partition = Self::new();
        let inside = partition.group(nodes);
        partition.block_both(inside, Self::REST);
        partition
    }

    /// What `from` sends to `to` is lost, and nothing else.
    #[must_use]
    pub fn one_way(
        from: impl IntoIterator<Item = MemoryAddr>,
        to: impl IntoIterator<Item = MemoryAddr>,
    ) -> Self {
        let mut partition = Self::new();
        let (from, to) = (partition.group(from), partition.group(to));
        partition.block(from, to);
        partition
    }

    /// Makes these nodes a group. Each node is in one: the last that it was put into. There are at the most
    /// 65,535; whoever is put into another is in the last of them.
    pub fn group(&mut self, nodes: impl IntoIterator<Item = MemoryAddr>) -> Group {
        self.groups = self.groups.saturating_add(1);
        nodes.into_iter().for_each(|node| self.of.set(node, Some(self.groups)));
        Group(self.groups)
    }

    /// What `from` sends to `to` is lost. Of a group with itself this is true too.
    pub fn block(&mut self, from: Group, to: Group) {
        let (from, to) = (usize::from(from.0), usize::from(to.0));
        if self.blocked.len() <= from {
            self.blocked.resize_with(from + 1, Vec::new);
        }
        if let Some(row) = self.blocked.get_mut(from) {
            if row.len() <= to {
                row.resize(to + 1, false);
            }
            row.iter_mut().skip(to).take(1).for_each(|blocked| *blocked = true);
        }
    }

    /// The same in both directions.
    pub fn block_both(&mut self, one: Group, other: Group) {
        self.block(one, other);
        self.block(other, one);
    }

    /// Whether it lets nothing through from `src` to `dst`.
    #[must_use]
    pub fn blocks(&self, src: MemoryAddr, dst: MemoryAddr) -> bool {
        let group = |node| usize::from(self.of.get(node).unwrap_or_default());
        let row = self.blocked.get(group(src));
        row.and_then(|row| row.get(group(dst))).is_some_and(|blocked| *blocked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(numbers: core::ops::Range<u32>) -> impl Iterator<Item = MemoryAddr> {
        numbers.map(MemoryAddr)
    }

    /// Which of the first six nodes the partition lets send to which.
    fn open(partition: &Partition) -> Vec<(u32, u32)> {
        let pairs = (0..6).flat_map(|src| (0..6).map(move |dst| (src, dst)));
        let open = |(src, dst): &(u32, u32)| {
            src != dst && !partition.blocks(MemoryAddr(*src), MemoryAddr(*dst))
        };
        pairs.filter(open).collect()
    }

    #[test]
    fn a_split_separates_its_groups_and_leaves_the_others_alone() {
        let partition = Partition::split([nodes(0..2), nodes(2..4)]);
        let open = open(&partition);
        let crosses = |(src, dst): &(u32, u32)| *src < 4 && *dst < 4 && src / 2 != dst / 2;
        assert!(!open.iter().any(crosses), "{open:?}");
        assert_eq!(open.len(), 30 - 8);
    }

    #[test]
    fn what_is_around_a_group_leaves_it_whole_inside_and_whole_outside() {
        let partition = Partition::around(nodes(0..2));
        let inside = |node: &u32| *node < 2;
        let right = |(src, dst): &(u32, u32)| inside(src) == inside(dst);
        assert!(open(&partition).iter().all(right));
        assert_eq!(open(&partition).len(), 2 + 12);
    }

    #[test]
    fn one_way_blocks_one_way_and_the_rest_can_be_named() {
        let partition = Partition::one_way(nodes(0..3), nodes(3..6));
        assert!(open(&partition).iter().all(|(src, dst)| *src >= 3 || *dst < 3));
        assert_eq!(open(&partition).len(), 30 - 9);

        let mut deaf = Partition::new();
        let group = deaf.group(nodes(5..6));
        deaf.block(Partition::REST, group);
        assert!(open(&deaf).iter().all(|(_, dst)| *dst != 5));
        assert_eq!(open(&deaf).len(), 25);
        assert_eq!(open(&Partition::new()).len(), 30);
    }

    #[test]
    fn a_node_is_in_the_group_that_it_was_put_into_last() {
        let mut partition = Partition::around(nodes(0..2));
        partition.group(nodes(1..2));
        assert!(!partition.blocks(MemoryAddr(1), MemoryAddr(5)));
        assert!(partition.blocks(MemoryAddr(0), MemoryAddr(5)));
    }
}
