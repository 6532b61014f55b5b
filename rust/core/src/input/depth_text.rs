//! Depth maps that were written as text: a line for each row, numbers of millimetres between blanks.
//!
//! ```text
//! text   = line{height} blank-lines
//! line   = blanks? number (blanks number){width - 1} blanks? (LF | CR LF | end of text)
//! number = sentinel | digit{1,7} ("." digit{1,20})?
//! blanks = (space | tab)+
//! ```
//!
//! Nearly all numbers of a depth map have three or four digits, and most have as many as the one before. So
//! runs of one length are read together, all digits of a number at once, and the next number begins at a place
//! that is known before this one is: that is what makes it fast. All else is taken a byte at a time.

use crate::{CoreError, Result};

/// Most rows, and most numbers in a row.
pub const MAX_SIDE: usize = 4096;
/// Most digits before a decimal point.
pub const MAX_DIGITS: usize = 7;
/// Most digits after it: all that a float64 is ever written with.
const MAX_DECIMALS: usize = 20;

/// What a text is expected to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepthText {
    /// Lines.
    pub height: usize,
    /// Numbers in each.
    pub width: usize,
    /// The negative number that stands for a missing one.
    pub missing: i32,
    /// Whatever is farther is left out, millimetres.
    pub cap_mm: u16,
}

impl DepthText {
    /// Reads millimetres row by row, decimals rounded to whole ones (halves up); 0 where the text has 0 or
    /// the sentinel, or where it is farther than the cap.
    ///
    /// # Errors
    /// [`CoreError::Text`] with the place of the first byte that does not fit; [`CoreError::Invalid`] if no
    /// text could: a side of 0 or of more than [`MAX_SIDE`], or a sentinel that is not negative.
    pub fn read(&self, text: &[u8]) -> Result<Vec<u16>> {
        self.check()?;
        let mut cursor = Cursor {
            text,
            at: 0,
            sentinel: Sentinel::new(self.missing),
        };
        // A number has at least a digit and a blank: a short text cannot ask for much memory.
        let most = (text.len() / 2 + 1).min(self.height * self.width);
        let mut depth = Vec::with_capacity(most);
        for _ in 0..self.height {
            let start = depth.len();
            depth.resize(start + self.width, 0);
            self.row(&mut cursor, &mut depth[start..])?;
        }
        while cursor.skip_blanks() {
            if !cursor.skip_line_end() {
                let expected = format!("the end of the text after {} lines", self.height);
                return Err(cursor.error(expected));
            }
        }
        Ok(depth)
    }

    fn check(&self) -> Result<()> {
        for (name, side) in [("height", self.height), ("width", self.width)] {
            if !(1..=MAX_SIDE).contains(&side) {
                let expected = format!("1 to {MAX_SIDE}");
                return Err(CoreError::invalid(name, expected, side.to_string()));
            }
        }
        if self.missing < 0 {
            return Ok(());
        }
        let got = self.missing.to_string();
        Err(CoreError::invalid("missing", "a negative number", got))
    }

    fn row(&self, cursor: &mut Cursor, row: &mut [u16]) -> Result<()> {
        let mut filled = 0;
        while filled < row.len() {
            let before = filled;
            filled += cursor.run::<4>(&mut row[filled..], self.cap_mm);
            filled += cursor.run::<3>(&mut row[filled..], self.cap_mm);
            filled += cursor.run_of_missing(row.len() - filled);
            if filled == before {
                let number = cursor.number().ok_or_else(|| {
                    cursor.error(format!(
                        "number {} of {} lines of {} numbers of at most {MAX_DIGITS} digits",
                        filled + 1,
                        self.height,
                        self.width
                    ))
                })?;
                row[filled] = capped(number, self.cap_mm);
                filled += 1;
            }
        }
        if cursor.skip_blanks() && !cursor.skip_line_end() {
            let expected = format!("the end of the line after {} numbers", self.width);
            return Err(cursor.error(expected));
        }
        Ok(())
    }
}

/// 0 beyond the cap.
#[inline]
fn capped(millimetres: u32, cap_mm: u16) -> u16 {
    match u16::try_from(millimetres) {
        Ok(millimetres) if millimetres <= cap_mm => millimetres,
        _ => 0,
    }
}

/// How a missing number is written.
struct Sentinel {
    /// Without its sign.
    size: u32,
    /// The first bytes of a text that begins with it.
    word: u64,
    /// Those of them that are its own; none if it is too long to be looked for in one piece.
    mask: u64,
    bytes: usize,
}

impl Sentinel {
    fn new(missing: i32) -> Self {
        let written = missing.to_string();
        let bytes = written.len();
        let mut first = [0; 8];
        let fits = bytes < first.len();
        if fits {
            first[..bytes].copy_from_slice(written.as_bytes());
        }
        Self {
            size: missing.unsigned_abs(),
            word: u64::from_le_bytes(first),
            mask: if fits { (1 << (8 * bytes)) - 1 } else { 0 },
            bytes,
        }
    }
}

/// A text, and how far it was read.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    sentinel: Sentinel,
}

impl Cursor<'_> {
    /// Reads numbers of so many digits, each with a blank behind it, as long as there are some and room for
    /// them; returns how many.
    #[inline]
    fn run<const DIGITS: usize>(&mut self, room: &mut [u16], cap_mm: u16) -> usize {
        let (mut at, mut read) = (self.at, 0);
        for depth in room {
            let Some(number) = word_at(self.text, at).and_then(number_of::<DIGITS>) else {
                break;
            };
            *depth = capped(number, cap_mm);
            at += DIGITS + 1;
            read += 1;
        }
        self.at = at;
        read
    }

    /// As `run`, of sentinels: there is nothing to write, since a map begins with zeros.
    #[inline]
    fn run_of_missing(&mut self, room: usize) -> usize {
        let Sentinel {
            word, mask, bytes, ..
        } = self.sentinel;
        let mut read = 0;
        while read < room
            && mask != 0
            && word_at(self.text, self.at)
                .is_some_and(|found| found & mask == word && is_blank((found >> (8 * bytes)) as u8))
        {
            self.at += bytes + 1;
            read += 1;
        }
        read
    }

    /// Any number, blanks before it; `None` leaves the cursor at the byte that does not fit.
    fn number(&mut self) -> Option<u32> {
        self.skip_blanks();
        let negative = self.skip(b'-');
        let mut value = 0;
        let digits = self.digits(MAX_DIGITS, |digit| value = 10 * value + u32::from(digit))?;
        if negative {
            if value != self.sentinel.size {
                self.at -= digits;
                return None;
            }
            value = 0;
        } else if self.skip(b'.') {
            let mut first = None;
            self.digits(MAX_DECIMALS, |digit| {
                first.get_or_insert(digit);
            })?;
            value += u32::from(first >= Some(5));
        }
        match self.peek() {
            None | Some(b'\r' | b'\n') => Some(value),
            Some(behind) if is_blank(behind) => {
                self.at += 1; // so that a run may begin here
                Some(value)
            }
            Some(_) => None,
        }
    }

    /// Between one and `most` digits, and how many they are.
    fn digits(&mut self, most: usize, mut take: impl FnMut(u8)) -> Option<usize> {
        let start = self.at;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if self.at - start == most {
                return None;
            }
            take(digit - b'0');
            self.at += 1;
        }
        (self.at > start).then_some(self.at - start)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Whether there is anything behind the blanks here.
    fn skip_blanks(&mut self) -> bool {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
        self.at < self.text.len()
    }

    fn skip_line_end(&mut self) -> bool {
        let start = self.at;
        self.skip(b'\r');
        let ended = self.skip(b'\n');
        if !ended {
            self.at = start;
        }
        ended
    }

    /// What was expected here, and what is here: its kind, since a number may be a pixel of a face.
    fn error(&self, expected: String) -> CoreError {
        let before = &self.text[..self.at];
        let line_start = before
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |p| p + 1);
        let got = match self.peek() {
            None => "the end of the text".to_owned(),
            Some(b'\r' | b'\n') => "the end of the line".to_owned(),
            Some(b'0'..=b'9') => "another number".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("'{}'", char::from(byte)),
            Some(byte) => format!("byte {byte:#04x}"),
        };
        CoreError::Text {
            line: before.split(|&b| b == b'\n').count(),
            column: 1 + self.at - line_start,
            expected,
            got,
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Eight bytes of a text, the first of them lowest; none near its end.
#[inline]
fn word_at(text: &[u8], at: usize) -> Option<u64> {
    let bytes = text.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// The number that a word begins with, if it has so many digits (at most four) and a blank behind it.
#[inline]
fn number_of<const DIGITS: usize>(word: u64) -> Option<u32> {
    const { assert!(1 <= DIGITS && DIGITS <= 4) };
    // Four bytes, the last digit highest, zeros before the first: a digit becomes its value, 0 to 9.
    let shift = 8 * (4 - DIGITS as u32);
    let ones = ((word as u32) ^ 0x3030_3030) << shift;
    // From 10 up, the upper half of a byte is not 0, or is not after adding 6.
    let no_digits = (ones.wrapping_add(0x0606_0606 << shift) | ones) & 0xf0f0_f0f0;
    if no_digits != 0 || !is_blank((word >> (8 * DIGITS)) as u8) {
        return None;
    }
    let pairs = (10 * ones + (ones >> 8)) & 0x00ff_00ff;
    Some(100 * (pairs & 0xff) + (pairs >> 16))
}

#[cfg(test)]
mod tests;
