//! Counts the allocations that are large enough for a frame.

#![allow(unsafe_code, reason = "a global allocator is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Allocations from this size on are counted: a frame, not its name.
const LARGE: usize = 64 << 10;

static PIECES: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// How many large allocations there were so far, and their bytes.
pub(crate) fn large() -> [u64; 2] {
    [PIECES.load(Relaxed), BYTES.load(Relaxed)]
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(size: usize) {
    if size >= LARGE {
        PIECES.fetch_add(1, Relaxed);
        BYTES.fetch_add(size as u64, Relaxed);
    }
}

// SAFETY: all is the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, room: Layout) -> *mut u8 {
        count(room.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(room) }
    }

    unsafe fn alloc_zeroed(&self, room: Layout) -> *mut u8 {
        count(room.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(room) }
    }

    unsafe fn realloc(&self, old: *mut u8, room: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(old, room, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, room: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(old, room) }
    }
}
