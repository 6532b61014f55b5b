//! Keep the k smallest items: a bounded max-heap, or a sorted list for small k.

use std::collections::BinaryHeap;

/// Up to this k, a sorted list is faster than a heap.
pub(in crate::gallery) const SHORT: usize = 64;

/// The `most` smallest items so far.
#[derive(Debug)]
pub(in crate::gallery) struct TopK<T> {
    most: usize,
    kept: Kept<T>,
}

#[derive(Debug)]
enum Kept<T> {
    /// Ascending.
    List(Vec<T>),
    Heap(BinaryHeap<T>),
}

impl<T: Ord + Copy> TopK<T> {
    pub fn new(most: usize) -> Self {
        Self {
            most,
            kept: if most <= SHORT {
                Kept::List(Vec::with_capacity(most))
            } else {
                Kept::Heap(BinaryHeap::new())
            },
        }
    }

    pub fn clear(&mut self) {
        match &mut self.kept {
            Kept::List(list) => list.clear(),
            Kept::Heap(heap) => heap.clear(),
        }
    }

    /// The k-th smallest item, once there are k: a further item must be smaller.
    pub fn kth(&self) -> Option<T> {
        let (len, greatest) = match &self.kept {
            Kept::List(list) => (list.len(), list.last()),
            Kept::Heap(heap) => (heap.len(), heap.peek()),
        };
        greatest.copied().filter(|_| len == self.most)
    }

    /// Keep an item if it is among the `most` smallest; returns whether it is.
    pub fn offer(&mut self, item: T) -> bool {
        let full = match self.kth() {
            Some(kth) if kth <= item => return false,
            kth => kth.is_some(),
        };
        match &mut self.kept {
            Kept::List(list) => {
                if full {
                    list.pop();
                }
                let place = list
                    .iter()
                    .rposition(|kept| *kept <= item)
                    .map_or(0, |i| i + 1);
                list.insert(place, item);
            }
            Kept::Heap(heap) => {
                if full {
                    heap.pop();
                }
                heap.push(item);
            }
        }
        true
    }

    /// Move all items to the end of a list, in order.
    pub fn drain_into(&mut self, list: &mut Vec<T>) {
        match &mut self.kept {
            Kept::List(kept) => list.append(kept),
            Kept::Heap(heap) => {
                let start = list.len();
                list.extend(heap.drain());
                list[start..].sort_unstable();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TopK;

    proptest! {
        #[test]
        fn the_least_are_kept_in_order(
            items in prop::collection::vec(-50_i32..50, 0..300),
            most in prop::sample::select(vec![1_usize, 2, 10, 64, 65, 200, usize::MAX]),
        ) {
            let mut best = TopK::new(most);
            let mut sorted: Vec<i32> = Vec::new();
            for item in items {
                let taken = sorted.len() < most || item < sorted[most - 1];
                prop_assert_eq!(best.offer(item), taken);
                sorted.push(item);
                sorted.sort_unstable();
                prop_assert_eq!(best.kth(), sorted.get(most.wrapping_sub(1)).copied());
            }
            sorted.truncate(most);
            let mut drained = vec![7];
            best.drain_into(&mut drained);
            prop_assert_eq!(&drained[1..], &sorted[..]);
            prop_assert_eq!(best.kth(), None);
        }
    }
}
