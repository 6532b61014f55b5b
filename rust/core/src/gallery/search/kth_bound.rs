//! Keep the k largest numbers, and know the smallest of them: the k-th bound.

use std::cmp::Reverse;

use super::top_k::{SHORT, TopK};

/// The `most` largest numbers so far; nothing is kept if `most` is unlimited.
#[derive(Debug)]
pub(in crate::gallery) enum KthBound {
    /// Ascending; filled up with `i32::MIN`.
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

    /// The `most`-th largest number; `i32::MIN` as long as there are fewer.
    pub fn kth(&self) -> i32 {
        match self {
            Self::List(list) => list[0],
            Self::Many(best) => best.kth().map_or(i32::MIN, |kth| kth.0),
            Self::Unlimited => i32::MIN,
        }
    }

    /// Keep a number if it is among the `most` largest; returns whether it is.
    #[inline]
    pub fn offer(&mut self, lower_bound: i32) -> bool {
        match self {
            Self::List(list) => {
                if lower_bound <= list[0] {
                    return false;
                }
                // Drop the smallest and move the others down, without a branch that the CPU would guess wrong.
                for place in 0..list.len() - 1 {
                    list[place] = list[place].max(list[place + 1].min(lower_bound));
                }
                if let Some(last) = list.last_mut() {
                    *last = (*last).max(lower_bound);
                }
                true
            }
            Self::Many(best) => best.offer(Reverse(lower_bound)),
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
            lower_bounds in prop::collection::vec(-50_i32..50, 0..300),
            most in prop::sample::select(vec![1_usize, 2, 10, 64, 65, 200]),
        ) {
            let mut kept = KthBound::new(most);
            let mut sorted: Vec<i32> = Vec::new();
            for lower_bound in lower_bounds {
                let taken = sorted.len() < most || lower_bound > sorted[most - 1];
                prop_assert_eq!(kept.offer(lower_bound), taken);
                sorted.push(lower_bound);
                sorted.sort_unstable_by(|a, b| b.cmp(a));
                let kth = sorted.get(most - 1).copied().unwrap_or(i32::MIN);
                prop_assert_eq!(kept.kth(), kth);
            }
            kept.clear();
            prop_assert_eq!(kept.kth(), i32::MIN);
        }

        #[test]
        fn none_is_kept_where_all_count(lower_bound in any::<i32>()) {
            let mut kept = KthBound::new(usize::MAX);
            prop_assert!(!kept.offer(lower_bound));
            prop_assert_eq!(kept.kth(), i32::MIN);
        }
    }
}
