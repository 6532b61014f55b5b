//! The parser against a plain one, texts that do not fit, and whatever bytes there are.

use proptest::prelude::*;

use super::{DepthText, MAX_DIGITS, MAX_SIDE, number_of};
use crate::CoreError;

const FORMAT: DepthText = DepthText {
    height: 2,
    width: 3,
    missing: -1,
    cap_mm: 1200,
};

fn read(text: &str) -> Vec<u16> {
    FORMAT.read(text.as_bytes()).expect("a text that fits")
}

/// Line, column and what was expected and found.
fn refusal(text: &str) -> (usize, usize, String) {
    match FORMAT.read(text.as_bytes()) {
        Err(CoreError::Text {
            line,
            column,
            expected,
            got,
        }) => (line, column, format!("expected {expected}, got {got}")),
        other => panic!("{other:?} of {text:?}"),
    }
}

/// Splits and converts with the standard library; for texts that fit.
fn plainly(text: &str, format: DepthText) -> Vec<u16> {
    let cap = f64::from(format.cap_mm);
    text.split_ascii_whitespace()
        .map(|word| word.parse::<f64>().expect("a number"))
        .map(|mm| (mm + 0.5).floor())
        .map(|mm| if mm > 0.0 && mm <= cap { mm as u16 } else { 0 })
        .collect()
}

#[test]
fn a_text_as_the_data_set_has_it() {
    let text = "\t-1\t0\t7\t\n1200\t1201\t899\t\n";
    assert_eq!(read(text), [0, 0, 7, 1200, 0, 899]);
}

#[test]
fn blanks_line_ends_and_decimals_as_they_come() {
    let expected = [1, 20, 300, 4, 0, 6];
    for text in [
        "1 20 300\n4 -1 6",
        "1 20 300\n4 -1 6\n",
        "1\t20\t300\r\n4\t-1\t6\r\n\r\n \n",
        "  1  20 \t 300  \n 4 -1 6  ",
        "1.0 19.5 300.4999\n3.50 -1 5.99999999999999999999",
        "0000001 0020 300\n 4 1200.5 6",
        "1 20 300\n4 9999999 6",
    ] {
        assert_eq!(read(text), expected, "{text:?}");
    }
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let number = "of 2 lines of 3 numbers of at most 7 digits";
    for (text, line, column, expected, got) in [
        ("", 1, 1, "number 1", "the end of the text"),
        ("1 2 3\n", 2, 1, "number 1", "the end of the text"),
        ("1 2 3\n4 5", 2, 4, "number 3", "the end of the text"),
        ("1 2\n4 5 6\n", 1, 4, "number 3", "the end of the line"),
        ("1 2 3\n\n4 5 6", 2, 1, "number 1", "the end of the line"),
        ("1 2 x\n4 5 6\n", 1, 5, "number 3", "'x'"),
        ("1 2x 3\n4 5 6\n", 1, 4, "number 2", "'x'"),
        ("1 2 3\n4 -5 6\n", 2, 4, "number 2", "another number"),
        ("1 2 3\n4 - 6\n", 2, 4, "number 2", "byte 0x20"),
        ("1 2 3\n4 +5 6\n", 2, 3, "number 2", "'+'"),
        ("1 2 3\n4 -1.0 6\n", 2, 5, "number 2", "'.'"),
        ("1 2 3\n4 5. 6\n", 2, 5, "number 2", "byte 0x20"),
        ("1 2 3\n4 .5 6\n", 2, 3, "number 2", "'.'"),
        ("1 2 3\n4 1e3 6\n", 2, 4, "number 2", "'e'"),
        ("1 2 3\n4 nan 6\n", 2, 3, "number 2", "'n'"),
        ("1,2,3\n4,5,6\n", 1, 2, "number 1", "','"),
        ("1 12345678 3\n4 5 6\n", 1, 10, "number 2", "another number"),
        (
            "1 2 3\n4 0.000000000000000000001 6",
            2,
            25,
            "number 2",
            "another number",
        ),
        ("1 2 \0\n4 5 6\n", 1, 5, "number 3", "byte 0x00"),
        ("1 2 \u{0663}\n4 5 6\n", 1, 5, "number 3", "byte 0xd9"),
        (
            "1 2 3\r4 5 6\n",
            1,
            6,
            "the end of the line after 3 numbers",
            "the end of the line",
        ),
    ] {
        let expected = if expected.starts_with("number") {
            format!("{expected} {number}")
        } else {
            expected.to_owned()
        };
        let whole = format!("expected {expected}, got {got}");
        assert_eq!(refusal(text), (line, column, whole), "{text:?}");
    }
    for (text, place, expected) in [
        (
            "1 2 3 4\n4 5 6\n",
            (1, 7),
            "the end of the line after 3 numbers",
        ),
        (
            "1 2 3\n4 5 6\n\n 7\n",
            (4, 2),
            "the end of the text after 2 lines",
        ),
        (
            "1 2 3\n4 5 6\n\r",
            (3, 1),
            "the end of the text after 2 lines",
        ),
    ] {
        let (line, column, words) = refusal(text);
        assert_eq!((line, column), place, "{text:?}");
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn what_no_text_could_fit_is_refused() {
    for format in [
        DepthText {
            height: 0,
            ..FORMAT
        },
        DepthText { width: 0, ..FORMAT },
        DepthText {
            width: MAX_SIDE + 1,
            ..FORMAT
        },
        DepthText {
            height: usize::MAX,
            width: usize::MAX,
            ..FORMAT
        },
        DepthText {
            missing: 0,
            ..FORMAT
        },
    ] {
        let refused = format.read(b"1").expect_err("no such text");
        assert!(matches!(refused, CoreError::Invalid { .. }), "{refused}");
    }
}

#[test]
fn any_negative_number_may_stand_for_a_missing_one() {
    for missing in [-9, -9999, -999_999, -9_999_999, i32::MIN] {
        let format = DepthText { missing, ..FORMAT };
        let read = format.read(format!("{missing}\t1\t2\n3\t4\t5\t").as_bytes());
        assert_eq!(read.is_ok(), missing > i32::MIN, "{missing}"); // which has too many digits
        assert!(format.read(b"-1\t1\t2\n3\t4\t5\t").is_err());
    }
}

#[test]
fn no_number_is_shown() {
    let message = FORMAT
        .read(b"1 2 3\n871 8712 871234567\n")
        .expect_err("too long")
        .to_string();
    assert!(!message.contains("871"), "{message}");
    assert!(
        message.starts_with("line 2, column 17: expected "),
        "{message}"
    );
}

#[test]
fn so_many_digits_before_a_blank_are_a_number() {
    fn check<const DIGITS: usize>() {
        for value in 0..10_u32.pow(DIGITS as u32) {
            let mut bytes = *b"99999999";
            bytes[..=DIGITS].copy_from_slice(format!("{value:0DIGITS$}\t").as_bytes());
            assert_eq!(number_of::<DIGITS>(u64::from_le_bytes(bytes)), Some(value));
        }
        for place in 0..=DIGITS {
            for other in 0..=255_u8 {
                let mut bytes = *b"99999999";
                bytes[DIGITS] = b' ';
                bytes[place] = other;
                let fits = if place == DIGITS {
                    matches!(other, b' ' | b'\t')
                } else {
                    other.is_ascii_digit()
                };
                let found = number_of::<DIGITS>(u64::from_le_bytes(bytes));
                assert_eq!(found.is_some(), fits, "{other:#04x} at {place}");
            }
        }
    }
    check::<3>();
    check::<4>();
}

/// A word of a text, as it may be written.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0..1500_u32).prop_map(|mm| mm.to_string()),
        1 => Just("-1".to_owned()),
        1 => (0..10_u32.pow(MAX_DIGITS as u32)).prop_map(|mm| format!("{mm:07}")),
        1 => (0..1500_u32, "[0-9]{1,9}").prop_map(|(mm, decimals)| format!("{mm}.{decimals}")),
    ]
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(
        width in 1..12_usize,
        words in proptest::collection::vec(word(), 1..100),
        blank in "[ \t]{1,3}",
        end in "[ \t]{0,2}\r?\n",
    ) {
        let width = width.min(words.len());
        let words = &words[..words.len() / width * width];
        let lines: Vec<String> = words.chunks(width).map(|row| row.join(&blank) + &end).collect();
        let format = DepthText { height: lines.len(), width, ..FORMAT };
        let text = lines.concat();
        prop_assert_eq!(format.read(text.as_bytes()), Ok(plainly(&text, format)));
    }

    #[test]
    fn bytes_of_any_kind_give_an_answer_or_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        height in 1..5_usize,
        width in 1..5_usize,
    ) {
        check_answer(DepthText { height, width, ..FORMAT }, &bytes);
    }

    #[test]
    fn bytes_that_nearly_fit_give_an_answer_or_an_error(text in "[0-9 \t\r\n.-]{0,60}") {
        check_answer(FORMAT, text.as_bytes());
    }
}

/// Whether it is one that may be given: a whole map, or a place in the text.
fn check_answer(format: DepthText, bytes: &[u8]) {
    match format.read(bytes) {
        Ok(depth) => {
            assert_eq!(depth.len(), format.height * format.width);
            assert!(depth.iter().all(|&mm| mm <= format.cap_mm));
            let text = std::str::from_utf8(bytes).expect("only ASCII fits");
            assert_eq!(depth, plainly(text, format));
        }
        Err(CoreError::Text { line, column, .. }) => {
            let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
            assert!(line <= lines.len() && column <= lines[line - 1].len() + 1);
        }
        Err(other) => panic!("{other}"),
    }
}

/// `make fuzz`: two million texts, each with a few bytes changed, left out, doubled or cut off.
#[test]
#[ignore = "seconds; `make fuzz` runs it"]
fn two_million_damaged_texts() {
    const ODD: &[u8] = b"0123456789-+. \t\r\n\0x\xff\xd9e,";
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % limit
    };
    let format = DepthText {
        height: 4,
        width: 5,
        ..FORMAT
    };
    let whole =
        "812\t-1\t0\t1200\t7\t\n9999999 3.25 64 1 2\r\n1 2 3 4 5\n600\t600\t601\t-1\t1201\t\n";
    assert!(format.read(whole.as_bytes()).is_ok());
    let mut fitted = 0;
    for _ in 0..2_000_000 {
        let mut text = whole.as_bytes().to_vec();
        for _ in 0..=below(4) {
            if text.is_empty() {
                break;
            }
            let at = below(text.len());
            match below(5) {
                0 => text[at] = ODD[below(ODD.len())],
                1 => text[at] = below(256) as u8,
                2 => drop(text.remove(at)),
                3 => text.insert(at, text[at]),
                _ => text.truncate(at + 1),
            }
        }
        check_answer(format, &text);
        fitted += usize::from(format.read(&text).is_ok());
    }
    assert!((10_000..1_990_000).contains(&fitted), "{fitted} fitted");
}
