//! A search on several threads.

use std::sync::OnceLock;
use std::thread;

/// Microseconds of work that are worth another thread; starting one costs a fifth of it.
pub(in crate::gallery) const WORTH_A_THREAD_US: usize = 300;

/// Search all tiles of queries, each thread an equal share of them.
pub(in crate::gallery) fn by_queries<T: Send + Default>(
    threads: usize,
    tiles: usize,
    search: impl Fn(std::ops::Range<usize>) -> T + Sync,
    append: impl Fn(&mut T, &T),
) -> T {
    let parts = in_parallel(threads.min(tiles), tiles, search);
    let mut parts = parts.into_iter();
    let mut all = parts.next().unwrap_or_default();
    for part in parts {
        append(&mut all, &part);
    }
    all
}

/// Run `work` on so many even parts of `0..count`, each on a thread of its own, the first on this one.
pub(in crate::gallery) fn in_parallel<T: Send>(
    threads: usize,
    count: usize,
    work: impl Fn(std::ops::Range<usize>) -> T + Sync,
) -> Vec<T> {
    let threads = threads.max(1);
    let part = |i: usize| count * i / threads..count * (i + 1) / threads;
    thread::scope(|scope| {
        let work = &work;
        let begin = |i| thread::Builder::new().spawn_scoped(scope, move || work(part(i)));
        let others: Vec<_> = (1..threads).map(begin).collect();
        let mut parts = vec![work(part(0))];
        for (i, other) in (1..).zip(others) {
            parts.push(match other.map(thread::ScopedJoinHandle::join) {
                Ok(done) => done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                // The system gives no further thread.
                Err(_) => work(part(i)),
            });
        }
        parts
    })
}

/// Number of threads that this process may use; asked for once, since the answer takes microseconds.
pub(in crate::gallery) fn available() -> usize {
    static AVAILABLE: OnceLock<usize> = OnceLock::new();
    *AVAILABLE.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}
