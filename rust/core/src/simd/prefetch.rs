//! Fetching data into the caches before they are read.

use std::arch::x86_64::{_MM_HINT_NTA, _MM_HINT_T0, _mm_prefetch};

/// Distance in bytes at which codes are fetched ahead of their turn.
const AHEAD: usize = 8192;

/// How often memory is going to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Once: it need not stay in the caches.
    Once,
    /// Again and again.
    Often,
}

/// Fetch data that are going to be read often.
#[inline(always)]
pub(super) fn fetch<T>(data: &[T]) {
    lines::<_MM_HINT_T0>(data.as_ptr().cast(), size_of_val(data));
}

/// Fetch as many bytes as these, from [`AHEAD`] bytes after their beginning: by itself the CPU does not look beyond a
/// page of memory.
#[inline(always)]
pub(crate) fn fetch_ahead(bytes: &[u8], reads: Reads) {
    let first = bytes.as_ptr().wrapping_add(AHEAD);
    match reads {
        Reads::Once => lines::<_MM_HINT_NTA>(first, bytes.len()),
        Reads::Often => lines::<_MM_HINT_T0>(first, bytes.len()),
    }
}

/// Fetch some bytes, wherever they are, cache line by cache line.
#[inline(always)]
fn lines<const HINT: i32>(first: *const u8, bytes: usize) {
    for line in (0..bytes).step_by(64) {
        // SAFETY: fetching has no effect that a program could see, whatever the address.
        unsafe { _mm_prefetch::<HINT>(first.wrapping_add(line).cast()) };
    }
}
