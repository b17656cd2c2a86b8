//! Whether a playlist says in gzip what it says as it is.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use super::{Finding, SAME_CODED};
use crate::playlist::Playlist;

/// A playlist longer than this is not decoded: a few bytes may stand for very many.
const LONGEST: u64 = 4 << 20;

/// The rule that the answer to a request for gzip breaks, given the playlist as it is. Versions of a media
/// playlist that end or begin elsewhere are two playlists: one of them is newer.
pub fn finding(plain: &[u8], coding: Option<&str>, body: &[u8]) -> Option<Finding> {
    let text = match coding {
        None | Some("identity") => body.to_vec(),
        Some("gzip") => match decoded(body) {
            Ok(text) => text,
            Err(reason) => return Some(SAME_CODED.broken(format!("it can't be decoded: {reason}"))),
        },
        Some(other) => return Some(SAME_CODED.broken(format!("it is in '{other}', which nobody asked for"))),
    };
    let differs = text != plain && (place(plain).is_none() || place(plain) == place(&text));
    differs.then(|| {
        let lines = plain.split(|byte| *byte == b'\n').zip(text.split(|byte| *byte == b'\n'));
        let at = lines.take_while(|(plain, coded)| plain == coded).count() + 1;
        SAME_CODED.broken(format!("line {at} differs"))
    })
}

fn decoded(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(body).take(LONGEST).read_to_end(&mut text);
    read.map(|_| text).map_err(|error| error.to_string())
}

/// Which stretch of the programme a media playlist shows; none of what is no media playlist.
fn place(text: &[u8]) -> Option<(Option<u64>, Option<u64>, bool)> {
    match Playlist::read(std::str::from_utf8(text).ok()?) {
        Ok(Playlist::Media(media)) => {
            Some((media.segments.first().map(|segment| segment.number), media.edge(), media.ended))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn media(numbers: std::ops::Range<u64>, duration: &str) -> Vec<u8> {
        let head = numbers.start;
        let segments: String = numbers.map(|n| format!("#EXTINF:{duration},\n{n}.m4s\n")).collect();
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{head}\n{segments}").into_bytes()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_coded_playlist_is_the_plain_one() {
        let (plain, offer) = (media(3..9, "2.0"), b"#EXTM3U\n".to_vec());
        let cut = gzip(&plain)[..20].to_vec();
        let cases = [
            ("gzip", &plain, Some("gzip"), gzip(&plain), None),
            ("no coding", &plain, None, plain.clone(), None),
            ("a later one", &plain, Some("gzip"), gzip(&media(4..10, "2.0")), None),
            ("a shorter one", &plain, Some("gzip"), gzip(&media(4..9, "2.0")), None),
            ("another line", &plain, Some("gzip"), gzip(&media(3..9, "1.9")), Some("line 4 differs")),
            ("no gzip", &plain, Some("gzip"), plain.clone(), Some("it can't be decoded: ")),
            ("half of it", &plain, Some("gzip"), cut, Some("it can't be decoded: ")),
            ("another coding", &plain, Some("br"), plain.clone(), Some("it is in 'br', ")),
            ("an offer", &offer, Some("gzip"), gzip(&offer), None),
            ("another offer", &offer, Some("gzip"), gzip(b"#EXTM3U\n\n"), Some("line 3 differs")),
        ];
        for (what, plain, coding, body, expected) in cases {
            let found = finding(plain, coding, &body).map(|found| found.detail);
            let is_right = match (&found, expected) {
                (None, None) => true,
                (Some(found), Some(expected)) => found.starts_with(expected),
                _ => false,
            };
            assert!(is_right, "{what}: {found:?}");
        }
    }
}
