//! A bit for each pixel of a picture, and the search for the next one that is not set.

/// Pixels in a word of bits.
pub(super) const WORD: usize = u64::BITS as usize;
/// The ends of a gap along a row are looked for in so many words either way: where pixels are finer than a tenth of a
/// millimetre, a hole may be too wide to be filled.
const REACH: usize = 4;

/// A bit for each pixel of a picture; every row begins with a new word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
    pub(super) words_per_row: usize,
}

impl Bits {
    pub(super) fn none(width: usize, height: usize) -> Self {
        let words_per_row = width.div_ceil(WORD);
        Self {
            words: vec![0; words_per_row * height],
            words_per_row,
        }
    }

    pub(super) fn row(&self, row: usize) -> &[u64] {
        &self.words[row * self.words_per_row..][..self.words_per_row]
    }

    pub(super) fn row_mut(&mut self, row: usize) -> &mut [u64] {
        &mut self.words[row * self.words_per_row..][..self.words_per_row]
    }

    pub(super) fn set(&mut self, row: usize, column: usize) {
        self.row_mut(row)[column / WORD] |= 1 << (column % WORD);
    }

    /// The nearest column before `column` whose bit is not set, at most `REACH` words away.
    #[inline(always)]
    pub(super) fn unset_before(&self, row: usize, column: usize) -> Option<usize> {
        let words = self.row(row);
        let at = column / WORD;
        let unset = !words[at] & ((1 << (column % WORD)) - 1);
        if unset != 0 {
            return Some(at * WORD + unset.ilog2() as usize);
        }
        let mut before = (at.saturating_sub(REACH)..at).rev();
        let near = before.find(|&at| words[at] != u64::MAX)?;
        Some(near * WORD + (!words[near]).ilog2() as usize)
    }

    /// The same after `column`; it may be one beyond the picture, whose bits are not set.
    #[inline(always)]
    pub(super) fn unset_after(&self, row: usize, column: usize) -> Option<usize> {
        let words = self.row(row);
        let at = column / WORD;
        let unset = !words[at] & (u64::MAX << (column % WORD));
        if unset != 0 {
            return Some(at * WORD + unset.trailing_zeros() as usize);
        }
        let mut after = at + 1..words.len().min(at + 1 + REACH);
        let near = after.find(|&at| words[at] != u64::MAX)?;
        Some(near * WORD + (!words[near]).trailing_zeros() as usize)
    }

    /// The columns from `first` to `end` (exclusive) of a row whose bits are set, in their order.
    pub fn columns(&self, row: usize, first: usize, end: usize) -> impl Iterator<Item = usize> {
        let words = self.row(row);
        (first / WORD..end.div_ceil(WORD))
            .flat_map(move |at| ones(words[at]).map(move |bit| at * WORD + bit))
            .filter(move |column| (first..end).contains(column))
    }
}

/// Places of the bits that are set.
pub(super) fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros() as usize;
        word &= word.wrapping_sub(1);
        (bit < WORD).then_some(bit)
    })
}
