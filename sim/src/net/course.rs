//! What a datagram passes through on its way, and the state of that way.

use super::draw::Draw;
use super::faults::Faults;
use super::sampling::Samples;
use super::verdict::Passing;
use core::time::Duration;

/// Layers of faults: of the way itself, out of the node that sends, into the one that is sent to.
pub(super) const LAYERS: usize = 3;
/// Bits of a [`Way`] that count.
const COUNT: u32 = u64::BITS - LAYERS as u32;

/// What is kept of a way: how many datagrams went it, and which of its layers is in a
/// [bad time](super::Burst). A word, since nodes have many ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Way(u64);

impl Way {
    /// Counts one more; returns how many there were before.
    pub(super) const fn next(&mut self) -> u64 {
        let count = self.0 & ((1 << COUNT) - 1);
        self.0 += 1;
        count
    }

    const fn is_bad(self, layer: usize) -> bool {
        self.0 >> (COUNT + layer as u32) & 1 == 1
    }

    const fn set_bad(&mut self, layer: usize, bad: bool) {
        let bit = 1 << (COUNT + layer as u32);
        self.0 = if bad { self.0 | bit } else { self.0 & !bit };
    }
}

/// Faults that a datagram meets.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) faults: &'a Faults,
    /// The draws about the datagram here.
    pub(super) draw: Draw,
    /// Whether the time is bad.
    pub(super) bad: bool,
}

/// All that a datagram of `len` bytes meets.
pub(super) struct Course<'a> {
    layers: [Option<Layer<'a>>; LAYERS],
    /// How long the distance takes.
    pub(super) travel: Duration,
    pub(super) len: usize,
    samples: &'a Samples,
    /// The draws about its way as a whole.
    way: Draw,
    number: u64,
}

impl<'a> Course<'a> {
    /// The course through these layers of faults; the first is the way's own. Its bad times go on, or begin.
    pub(super) fn new(
        seed: u64,
        which: Passing,
        len: usize,
        (faults, travel): ([Option<&'a Faults>; LAYERS], Duration),
        samples: &'a Samples,
        way: &mut Way,
    ) -> Self {
        let Passing { src, dst, number } = which;
        let draw = Draw::new(seed, src.0, dst.0, number);
        let mut layers = [None; LAYERS];
        for (nth, (layer, faults)) in layers.iter_mut().zip(faults).enumerate() {
            let Some(faults) = faults else { continue };
            // Zero and one are the copies'.
            let draw = if nth == 0 { draw } else { draw.with(1 + nth as u64) };
            let bad = faults.burst.step(way.is_bad(nth), draw);
            way.set_bad(nth, bad);
            *layer = Some(Layer { faults, draw, bad });
        }
        let way = Draw::new(seed, src.0, dst.0, u64::MAX);
        Self { layers, travel, len, samples, way, number }
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = &Layer<'a>> {
        self.layers.iter().flatten()
    }

    /// How long a copy takes through one of them.
    pub(super) fn time(&self, layer: &Layer<'_>, copy: u64) -> Duration {
        let Layer { faults, draw, .. } = layer;
        let held = faults.reorder.happens(*draw, "reorder");
        let held = if held { faults.reorder_by } else { Duration::ZERO };
        let number = self.number.wrapping_add(copy);
        let spread = faults.spread.time(*draw, self.samples, self.way, number);
        let time = faults.delay.saturating_add(draw.up_to("jitter", faults.jitter));
        time.saturating_add(held).saturating_add(spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_counts_on_whatever_its_times_are() {
        let mut way = Way::default();
        for count in 0..100 {
            assert_eq!(way.next(), count);
            for layer in 0..LAYERS {
                let bad = count >> layer & 1 == 1;
                way.set_bad(layer, bad);
                assert_eq!(way.is_bad(layer), bad);
            }
        }
        assert_eq!(way.next(), 100);
    }
}
