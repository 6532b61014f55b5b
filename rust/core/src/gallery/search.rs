//! Which way a search takes, and on how many threads.

use std::sync::OnceLock;
use std::thread;

use super::coarse::Coarse;
use super::nearest::{Lists, Nearest, Wanted};
use super::panel::Panel;
use super::scan;
use super::store::Store;
use crate::distance::Kernel;
use crate::vectors::UnitVectors;

/// Bytes of codes times queries that are worth a further thread: about a millisecond on one, where
/// starting another costs a twentieth.
const BYTES_OF_A_THREAD: usize = 64 << 20;

/// The matching rows of each query. `threads`: how many to use at most, or as many as the work is worth.
pub(super) fn search(
    kernel: Kernel,
    store: &Store,
    panel: Option<&Panel>,
    queries: &UnitVectors,
    wanted: Wanted,
    threads: Option<usize>,
) -> Lists {
    let Some(panel) = panel else {
        return scan::search(kernel, store, queries, wanted);
    };
    let coarse = Coarse::new(kernel, store, panel, wanted, queries);
    let (tiles, blocks) = (coarse.tiles(), panel.blocks().len());
    let bytes = panel.blocks().codes.len().saturating_mul(queries.len());
    let threads = threads.unwrap_or_else(|| available().min(1 + bytes / BYTES_OF_A_THREAD));
    let mut lists = Lists::default();
    if tiles >= threads {
        for part in in_parallel(threads, tiles, |tiles| coarse.search(tiles)) {
            lists.append(&part);
        }
        return lists;
    }
    // Fewer queries than threads: each thread looks for all of them in a part of the gallery.
    let parts = in_parallel(threads.min(blocks), blocks, |blocks| {
        let mut candidates = Vec::new();
        coarse.scan(0..tiles, blocks, &mut candidates);
        candidates
    });
    let mut parts = parts.into_iter();
    let mut joined = parts.next().unwrap_or_default();
    for part in parts {
        for (all, candidates) in joined.iter_mut().zip(part) {
            all.join(candidates);
        }
    }
    coarse.confirm(0, &mut joined, &mut Nearest::new(wanted), &mut lists);
    lists
}

/// Run `work` on so many even parts of `0..count`, each on a thread of its own, the first on this one.
fn in_parallel<T: Send>(
    threads: usize,
    count: usize,
    work: impl Fn(std::ops::Range<usize>) -> T + Sync,
) -> Vec<T> {
    let threads = threads.max(1);
    let part = |i: usize| count * i / threads..count * (i + 1) / threads;
    thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = (1..threads)
            .map(|i| scope.spawn(move || work(part(i))))
            .collect();
        let mut parts = vec![work(part(0))];
        for other in others {
            parts.push(
                other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        parts
    })
}

/// Threads that this process may use; asked for once, since the answer takes microseconds.
fn available() -> usize {
    static AVAILABLE: OnceLock<usize> = OnceLock::new();
    *AVAILABLE.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}
