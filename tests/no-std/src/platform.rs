//! What an operating system, a C library and `std` would otherwise be asked for.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

// The kernel enters here, with the stack aligned but without a return address on it.
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "call {start}", "ud2", start = sym start);

extern "C" fn start() -> ! {
    match crate::run() {
        Ok(()) => exit(0),
        Err(reason) => {
            write_error(reason);
            exit(1)
        }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    write_error("panicked\n");
    exit(101)
}

fn write_error(text: &str) {
    const WRITE: usize = 1;
    const STANDARD_ERROR: usize = 2;
    // SAFETY: `write` reads `text.len()` bytes at `text` and writes no memory. What it returns goes
    // to rax; the kernel overwrites rcx and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") WRITE => _,
            in("rdi") STANDARD_ERROR,
            in("rsi") text.as_ptr(),
            in("rdx") text.len(),
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack, readonly),
        );
    }
}

fn exit(code: i32) -> ! {
    const EXIT_GROUP: usize = 231;
    // SAFETY: ends the process.
    unsafe { asm!("syscall", in("rax") EXIT_GROUP, in("rdi") code, options(noreturn, nostack)) }
}

/// Bytes that can be allocated in all. Nothing is given back.
const HEAP: usize = 1 << 20;

/// Memory handed out from the front, for a program that soon ends.
struct Bump {
    heap: UnsafeCell<[u8; HEAP]>,
    used: AtomicUsize,
}

// SAFETY: `used` gives each byte of `heap` to one allocation only.
unsafe impl Sync for Bump {}

#[global_allocator]
static ALLOCATOR: Bump = Bump { heap: UnsafeCell::new([0; HEAP]), used: AtomicUsize::new(0) };

// SAFETY: an allocation lies within `heap`, is aligned, overlaps no other, and stays for ever.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let heap = self.heap.get().cast::<u8>();
        let place = |used: usize| {
            let start =
                (heap.addr() + used).checked_next_multiple_of(layout.align())? - heap.addr();
            let end = start.checked_add(layout.size())?;
            (end <= HEAP).then_some((start, end))
        };
        let after = |used| place(used).map(|(_, end)| end);
        match self.used.try_update(Ordering::Relaxed, Ordering::Relaxed, after) {
            // SAFETY: `start` is within `heap`: the same `used` was let through a moment ago.
            Ok(used) => {
                place(used).map_or(ptr::null_mut(), |(start, _)| unsafe { heap.add(start) })
            }
            Err(_) => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
