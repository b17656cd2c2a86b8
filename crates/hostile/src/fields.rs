//! Header fields of viewers' requests.

use airtight_media::fields::{self, Selected};

const TAG: &[u8] = b"\"a-7-720p-12\"";

/// The first byte is the length of what is asked for, then each line is one of every field.
pub(super) fn fields(bytes: &[u8]) {
    let Some((length, text)) = bytes.split_first() else { return };
    let length = u64::from(*length);
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let one = lines.join(&b", "[..]);
    let all = || lines.iter().copied();
    assert_eq!(fields::names(all(), TAG), fields::names([&one[..]], TAG), "lines are one list");
    assert_eq!(fields::takes_gzip(all()), fields::takes_gzip([&one[..]]), "lines are one list");
    assert!(fields::names(all().chain([TAG]), TAG), "a tag is named beside whatever else");
    assert!(fields::takes_gzip(all().chain([&b"gzip"[..]])), "a coding is taken beside whatever else");
    assert!(lines.len() == 1 || fields::range(all(), length).is_none(), "two ranges are none");
    for line in &lines {
        let is_same = fields::is_same([*line], TAG);
        assert!(
            !is_same || fields::names([*line], TAG),
            "what is the same by strong comparison is so by weak"
        );
        if let Some(Selected::Bytes(range)) = fields::range([*line], length) {
            let (first, last) = range.clone().into_inner();
            assert!(first <= last && last < length, "{first} to {last} of {length}");
            let again = format!("bytes={first}-{last}");
            assert_eq!(fields::range([again.as_bytes()], length), Some(Selected::Bytes(range)));
        }
    }
}

pub(super) fn requests() -> Vec<Vec<u8>> {
    let of = |lines: &str| [&[8], lines.as_bytes()].concat();
    vec![
        of("bytes=2-5"),
        of("bytes=-3"),
        of("bytes=8-18446744073709551615"),
        of("bytes=0-1,4-5\nbytes=0-"),
        of("\"b-7-720p-12\", W/\"a-7-720p-12\"\n\"a-7-720p-12\"\n*"),
        of("br;q=1.0, gzip;q=0.5, *;q=0\ngzip; q=0.000"),
    ]
}
