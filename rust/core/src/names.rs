//! Names of people: what Unicode's Technical Standard 39 (<https://www.unicode.org/reports/tr39/>) says of their
//! characters, their scripts, and their looks.

use unicode_normalization::char::is_combining_mark;
use unicode_security::general_security_profile::IdentifierType;
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::{GeneralSecurityProfile, skeleton as uts39_skeleton};

/// Stand in names, numbered ones and addresses, though in no identifier of a program.
const PUNCTUATION: &str = " ’,()/&#@+";
/// The standard leaves them out since two characters could stand for each; Thai, Lao and Armenian are written with
/// them all the same. Both spellings have one skeleton.
const LETTERS: &str = "\u{e33}\u{eb3}\u{edc}\u{edd}\u{587}";
const DOT_ABOVE: char = '\u{307}';

/// The first character that no name has: one that cannot be seen, that stands for another, or that nobody writes in a
/// language of today.
#[must_use]
pub fn stray(name: &str) -> Option<char> {
    name.chars().find(|&each| !stands_in_names(each))
}

/// Whether a name mixes scripts beyond the "Highly Restrictive" level: one script, or Latin with those of Chinese, of
/// Japanese, or of Korean. Characters that belong to no script go with all.
#[must_use]
pub fn mixes_scripts(name: &str) -> bool {
    let latin = AugmentedScriptSet::for_char('a');
    let mut all = AugmentedScriptSet::default();
    let mut others = AugmentedScriptSet::default();
    for each in name.chars() {
        let scripts = AugmentedScriptSet::for_char(each);
        all.intersect_with(scripts);
        let mut both = scripts;
        both.intersect_with(latin);
        if both.is_empty() {
            others.intersect_with(scripts);
        }
    }
    all.is_empty() && !(others.hanb || others.jpan || others.kore)
}

/// What a name looks like: names of one skeleton are taken for each other. Not meant to be shown.
///
/// That of the standard, without the dots above i and j, which have one already.
#[must_use]
pub fn skeleton(name: &str) -> String {
    let mut dotted = false;
    let sees = |each: &char| {
        if !is_combining_mark(*each) {
            dotted = matches!(each, 'i' | 'j');
        }
        !(dotted && *each == DOT_ABOVE)
    };
    uts39_skeleton(name).filter(sees).collect()
}

fn stands_in_names(character: char) -> bool {
    use IdentifierType::{Inclusion, Limited_Use, Recommended, Uncommon_Use};

    // The standard's own profile leaves the last two to the program: people bear names in scripts of small
    // communities, and with rare letters.
    let kind = character.identifier_type();
    PUNCTUATION.contains(character)
        || LETTERS.contains(character)
        || matches!(
            kind,
            Some(Recommended | Inclusion | Limited_Use | Uncommon_Use)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_have_no_strays() {
        for name in [
            "ada lovelace",
            "p01",
            "O'Neill-Søndergård",
            "O’Neill, J. (left)",
            "ada@example.org",
            "Nguyễn Thị Ánh",
            "Łukasz Żółć",
            "محمد علي",
            "संजय",
            "สมชาย น้ำ",
            "ໜູ ຄຳ",
            "Սևակ",
            "李小龍",
            "김민준",
            "さくら サクラ",
            "ᏣᎳᎩ",
        ] {
            assert_eq!(stray(name), None, "{name}");
            assert!(!mixes_scripts(name), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_seen_or_stands_for_another_is_a_stray() {
        let unseen = [
            '\u{ad}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180b}',
            '\u{200b}',
            '\u{202e}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{ffa0}',
            '\u{e0061}',
            '\u{e0100}',
            '\u{a0}',
            '\u{3000}',
            '\n',
            '\u{1b}',
        ];
        let other = [
            'ａ',
            'ﬁ',
            '𝐚',
            '①',
            '²',
            '€',
            '😀',
            '<',
            '=',
            '\u{1d159}',
            '\u{13000}',
        ];
        for each in unseen.into_iter().chain(other) {
            assert_eq!(stray(&format!("ad{each}a")), Some(each), "{each:?}");
        }
    }

    #[test]
    fn latin_goes_with_the_scripts_of_east_asia_only() {
        for name in [
            "ada 李",
            "ada さくら李",
            "ada 김",
            "ada ㄅ李",
            "ada 1.",
            "123",
        ] {
            assert!(!mixes_scripts(name), "{name}");
        }
        for name in ["\u{430}da", "adα", "김さ", "ㄅ김", "ada ᏣᎳ", "սam", "adа李"] {
            assert!(mixes_scripts(name), "{name}");
        }
    }

    #[test]
    fn names_that_look_the_same_have_one_skeleton() {
        for (one, other) in [
            ("ada", "\u{430}\u{501}\u{430}"),
            ("ace", "\u{430}\u{441}\u{435}"),
            ("น้ำ", "น\u{e4d}\u{e49}\u{e32}"),
            ("paypal1", "paypall"),
            ("O'Neill", "O’Neill"),
            ("inci", "i\u{307}nci"),
            ("p0", "pO"),
        ] {
            assert_eq!(skeleton(one), skeleton(other), "{one:?} {other:?}");
        }
        for (one, other) in [
            ("ada", "ben"),
            ("ada", "Ada"),
            ("İnci", "Inci"),
            ("o", "ö"),
            ("p1", "p2"),
        ] {
            assert_ne!(skeleton(one), skeleton(other), "{one:?} {other:?}");
        }
    }
}
