//! What the header fields of a request ask for (RFC 9110): text in, an answer out.
//!
//! Each function is given the lines of its field. A field that is a list may come in several lines, which are one
//! list (5.3); one that is none comes once, or asks for nothing. So does what is malformed.

use std::ops::RangeInclusive;

/// What `Range` selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// These bytes.
    Bytes(RangeInclusive<u64>),
    /// None that is there.
    Nothing,
}

/// The bytes that `Range` selects of `length`. `None`: the field is ignored, as it may be, because it is
/// malformed, of another unit, or asks for several ranges.
pub fn range<'a>(lines: impl IntoIterator<Item = &'a [u8]>, length: u64) -> Option<Selected> {
    let range = std::str::from_utf8(only(lines)?).ok()?;
    let (first, last) = range.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // A number beyond 64 bits is as good as the largest one.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = match (first, last) {
        ("", suffix) => match number(suffix)? {
            0 => return Some(Selected::Nothing),
            suffix => (length.saturating_sub(suffix), u64::MAX),
        },
        (first, "") => (number(first)?, u64::MAX),
        (first, last) => (number(first)?, number(last)?),
    };
    if last < first {
        return None;
    }
    let end = length.checked_sub(1).filter(|end| first <= *end);
    Some(end.map_or(Selected::Nothing, |end| Selected::Bytes(first..=last.min(end))))
}

/// Whether `If-None-Match` names an entity tag, by the weak comparison.
pub fn names<'a>(lines: impl IntoIterator<Item = &'a [u8]>, tag: &[u8]) -> bool {
    list(lines).any(|held| held == b"*" || held.strip_prefix(b"W/").unwrap_or(held) == tag)
}

/// Whether `If-Range` lets a range of this entity tag be sent, by the strong comparison. A date never does: media
/// are named by their tag, not by a time.
pub fn is_same<'a>(lines: impl IntoIterator<Item = &'a [u8]>, tag: &[u8]) -> bool {
    let mut lines = lines.into_iter();
    lines.next().is_none_or(|held| held == tag && lines.next().is_none())
}

/// Whether `Accept-Encoding` has gzip with a weight above 0.
pub fn takes_gzip<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> bool {
    list(lines).any(|coding| {
        let mut parts = coding.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"gzip"));
        named && parts.next().is_none_or(weighs)
    })
}

/// Whether a weight (12.4.2) is one above 0.
fn weighs(weight: &[u8]) -> bool {
    let value =
        weight.split_first_chunk().filter(|(name, _): &(&[u8; 2], _)| name.eq_ignore_ascii_case(b"q="));
    let value = value.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse::<f32>().ok());
    value.is_some_and(|value| value > 0.0 && value <= 1.0)
}

/// The members of a list. No member has a comma in it, nor has any tag that we give.
fn list<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    lines.into_iter().flat_map(|line| line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii))
}

fn only<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let mut lines = lines.into_iter();
    lines.next().filter(|_| lines.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<'a>(lines: &'a [&'a str]) -> impl Iterator<Item = &'a [u8]> {
        lines.iter().map(|line| line.as_bytes())
    }

    #[test]
    fn a_range_selects_by_the_rule() {
        let selected = |range| Some(Selected::Bytes(range));
        for (range, length, expected) in [
            ("bytes=0-0", 8, selected(0..=0)),
            ("bytes=2-5", 8, selected(2..=5)),
            ("bytes=2-", 8, selected(2..=7)),
            ("bytes=-3", 8, selected(5..=7)),
            ("bytes=-30", 8, selected(0..=7)),
            ("bytes=0-99999999999999999999", 8, selected(0..=7)),
            ("bytes=8-", 8, Some(Selected::Nothing)),
            ("bytes=99999999999999999999-", 8, Some(Selected::Nothing)),
            ("bytes=-0", 8, Some(Selected::Nothing)),
            ("bytes=0-", 0, Some(Selected::Nothing)),
            ("bytes=5-2", 8, None),
            ("bytes=0-1,4-5", 8, None),
            ("bytes=-", 8, None),
            ("bytes=+1-2", 8, None),
            ("bytes=a-b", 8, None),
            ("seconds=1-2", 8, None),
            ("", 8, None),
        ] {
            assert_eq!(super::range(bytes(&[range]), length), expected, "{range} of {length}");
        }
        assert_eq!(range(bytes(&[]), 8), None);
        assert_eq!(range(bytes(&["bytes=0-0", "bytes=2-5"]), 8), None, "two ranges");
    }

    #[test]
    fn a_tag_is_named_wherever_it_stands_in_the_list() {
        for (lines, expected) in [
            (&["\"a\""][..], true),
            (&["W/\"a\""], true),
            (&["*"], true),
            (&["\"b\", \"a\""], true),
            (&["\"b\",W/\"c\"", "\"d\" ,\"a\""], true),
            (&["\"b\"", "\"c\""], false),
            (&["W/W/\"a\""], false),
            (&["a"], false),
            (&[""], false),
            (&[], false),
        ] {
            assert_eq!(names(bytes(lines), b"\"a\""), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_range_is_of_the_copy_that_is_named_once() {
        for (lines, expected) in [
            (&[][..], true),
            (&["\"a\""], true),
            (&["W/\"a\""], false),
            (&["\"b\""], false),
            (&["\"a\"", "\"a\""], false),
            (&["Tue, 24 Nov 2026 06:00:00 GMT"], false),
        ] {
            assert_eq!(is_same(bytes(lines), b"\"a\""), expected, "{lines:?}");
        }
    }

    #[test]
    fn gzip_is_taken_if_it_has_a_weight() {
        for (lines, expected) in [
            (&["gzip"][..], true),
            (&["br, GZIP;q=0.5"], true),
            (&["deflate, gzip ; Q=1.000"], true),
            (&["br", "gzip"], true),
            (&["gzip;q=0"], false),
            (&["gzip; q=0"], false),
            (&["gzip;Q=0.000"], false),
            (&["gzip;q=nan"], false),
            (&["gzip;q="], false),
            (&["gzip;quality=1"], false),
            (&["identity", "br"], false),
            (&["*"], false),
            (&[""], false),
            (&[], false),
        ] {
            assert_eq!(takes_gzip(bytes(lines)), expected, "{lines:?}");
        }
    }
}
