//! The routines that compiled code calls by name and expects a C library to have.
//!
//! Written with string instructions: a loop in Rust could be compiled to a call of itself.

use core::arch::asm;

/// Copies `len` bytes from `src` to `dst`, which do not overlap.
///
/// # Safety
/// As C's `memcpy`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(dst: *mut u8, src: *const u8, len: usize) -> *mut u8 {
    // SAFETY: reads and writes what the caller answers for; the direction flag is clear by the ABI.
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rdi") dst => _,
            inout("rsi") src => _,
            options(nostack, preserves_flags),
        );
    }
    dst
}

/// Copies `len` bytes from `src` to `dst`, which may overlap.
///
/// # Safety
/// As C's `memmove`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(dst: *mut u8, src: *const u8, len: usize) -> *mut u8 {
    if dst.addr().wrapping_sub(src.addr()) >= len {
        // SAFETY: `dst` is before `src` or behind its end: copying forwards overwrites nothing unread.
        return unsafe { memcpy(dst, src, len) };
    }
    // SAFETY: as the caller answers for; backwards from the last byte, and the flag is put back.
    unsafe {
        asm!(
            "std",
            "rep movsb",
            "cld",
            inout("rcx") len => _,
            inout("rdi") dst.wrapping_add(len).wrapping_sub(1) => _,
            inout("rsi") src.wrapping_add(len).wrapping_sub(1) => _,
            options(nostack),
        );
    }
    dst
}

/// Sets `len` bytes from `dst` to `byte`.
///
/// # Safety
/// As C's `memset`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(dst: *mut u8, byte: i32, len: usize) -> *mut u8 {
    // SAFETY: writes what the caller answers for; the direction flag is clear by the ABI.
    unsafe {
        asm!(
            "rep stosb",
            inout("rcx") len => _,
            inout("rdi") dst => _,
            in("al") byte as u8,
            options(nostack, preserves_flags),
        );
    }
    dst
}

/// The difference of the first two bytes that differ, or zero.
///
/// # Safety
/// As C's `memcmp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, len: usize) -> i32 {
    for i in 0..len {
        // SAFETY: the caller answers for `len` bytes at both. Volatile, so that the loop stays one.
        let (left, right) = unsafe { (left.add(i).read_volatile(), right.add(i).read_volatile()) };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
    }
    0
}

/// Not zero where any of `len` bytes differ.
///
/// # Safety
/// As BSD's `bcmp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, len: usize) -> i32 {
    // SAFETY: the same contract.
    unsafe { memcmp(left, right, len) }
}

/// Named by the tables of precompiled `alloc`; never called where panics abort.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
