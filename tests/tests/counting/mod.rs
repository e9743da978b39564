//! The allocator of a test that counts what its own thread allocates, so that tests may run side by side.
//!
//! What C code allocates for `aws-lc` is not seen here.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

struct Counting;

/// What one thread allocated. What another frees counts there, so all wraps.
#[derive(Clone, Copy)]
struct Counts {
    allocations: usize,
    live: usize,
    peak: usize,
}

thread_local! {
    // Needs neither an allocation nor a destructor, so the allocator may use it at any time.
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { allocations: 0, live: 0, peak: 0 }) };
}

fn grew(bytes: usize) {
    let Counts { allocations, live, peak } = COUNTS.get();
    let live = live.wrapping_add(bytes);
    // Below zero it is no peak.
    let peak = if live.cast_signed() > peak.cast_signed() { live } else { peak };
    COUNTS.set(Counts { allocations: allocations + 1, live, peak });
}

fn shrank(bytes: usize) {
    let counts = COUNTS.get();
    COUNTS.set(Counts { live: counts.live.wrapping_sub(bytes), ..counts });
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: the caller's promises are the ones that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        shrank(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        shrank(layout.size());
        grew(size);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread has allocated.
pub(crate) fn allocations() -> usize {
    COUNTS.get().allocations
}

/// Bytes that this thread allocated and has not given back.
pub(crate) fn live() -> usize {
    COUNTS.get().live
}

/// Bytes at the worst point since [`begin`].
pub(crate) fn peak() -> usize {
    COUNTS.get().peak
}

/// The worst point so far is now. Returns the bytes that are allocated.
pub(crate) fn begin() -> usize {
    let counts = COUNTS.get();
    COUNTS.set(Counts { peak: counts.live, ..counts });
    counts.live
}
