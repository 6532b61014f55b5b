//! The greatest so many of what is offered, and the least of these.

use std::cmp::Reverse;

use super::top_k::{SHORT, TopK};

/// The `most` greatest numbers so far; none if `most` is unlimited.
#[derive(Debug)]
pub(in crate::gallery) enum KthBound {
    /// Ascending; what is not there yet is `i32::MIN`.
    List(Vec<i32>),
    Many(TopK<Reverse<i32>>),
    Unlimited,
}

impl KthBound {
    pub fn new(most: usize) -> Self {
        match most {
            usize::MAX => Self::Unlimited,
            most if most <= SHORT => Self::List(vec![i32::MIN; most]),
            most => Self::Many(TopK::new(most)),
        }
    }

    pub fn clear(&mut self) {
        match self {
            Self::List(list) => list.fill(i32::MIN),
            Self::Many(best) => best.clear(),
            Self::Unlimited => {}
        }
    }

    /// The least of the `most` greatest; `i32::MIN` as long as there are fewer.
    pub fn least(&self) -> i32 {
        match self {
            Self::List(list) => list[0],
            Self::Many(best) => best.kth().map_or(i32::MIN, |least| least.0),
            Self::Unlimited => i32::MIN,
        }
    }

    /// Take up a number if it is among the greatest; returns whether it was.
    #[inline]
    pub fn offer(&mut self, floor: i32) -> bool {
        match self {
            Self::List(list) => {
                if floor <= list[0] {
                    return false;
                }
                // The least goes, and those below the new one move down: without a branch, which the CPU
                // would guess wrong.
                for place in 0..list.len() - 1 {
                    list[place] = list[place].max(list[place + 1].min(floor));
                }
                if let Some(last) = list.last_mut() {
                    *last = (*last).max(floor);
                }
                true
            }
            Self::Many(best) => best.offer(Reverse(floor)),
            Self::Unlimited => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::KthBound;

    proptest! {
        #[test]
        fn the_greatest_are_kept(
            floors in prop::collection::vec(-50_i32..50, 0..300),
            most in prop::sample::select(vec![1_usize, 2, 10, 64, 65, 200]),
        ) {
            let mut kept = KthBound::new(most);
            let mut sorted: Vec<i32> = Vec::new();
            for floor in floors {
                let taken = sorted.len() < most || floor > sorted[most - 1];
                prop_assert_eq!(kept.offer(floor), taken);
                sorted.push(floor);
                sorted.sort_unstable_by(|a, b| b.cmp(a));
                let least = sorted.get(most - 1).copied().unwrap_or(i32::MIN);
                prop_assert_eq!(kept.least(), least);
            }
            kept.clear();
            prop_assert_eq!(kept.least(), i32::MIN);
        }

        #[test]
        fn none_is_kept_where_all_count(floor in any::<i32>()) {
            let mut kept = KthBound::new(usize::MAX);
            prop_assert!(!kept.offer(floor));
            prop_assert_eq!(kept.least(), i32::MIN);
        }
    }
}
