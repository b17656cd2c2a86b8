//! What one answer shows by itself: status, media type, and who may read it.

use super::{CROSS_ORIGIN, Finding, MEDIA_TYPE, NO_CLIENT_ERROR, NO_REDIRECT};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A playlist of either kind.
    Playlist,
    /// An initialisation section.
    Init,
    /// A media segment.
    Segment,
}

impl Kind {
    fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Playlist => &["application/vnd.apple.mpegurl", "audio/mpegurl"],
            Self::Init => &["video/mp4", "audio/mp4"],
            Self::Segment => &["video/iso.segment", "audio/iso.segment", "video/mp4", "audio/mp4"],
        }
    }
}

/// What the head of an answer says.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// Its status.
    pub status: u16,
    /// `Content-Type`.
    pub media_type: Option<String>,
    /// `Access-Control-Allow-Origin`.
    pub readers: Option<String>,
}

/// The rules that an answer to a request for something listed breaks.
pub fn findings(kind: Kind, head: &Head) -> Vec<Finding> {
    let closed = head.readers.is_none().then(|| CROSS_ORIGIN.broken(format!("status {}", head.status)));
    closed.into_iter().chain(finding(kind, head.status, head.media_type.as_deref())).collect()
}

fn finding(kind: Kind, status: u16, media_type: Option<&str>) -> Option<Finding> {
    match status {
        300..400 => Some(NO_REDIRECT.broken(format!("status {status}"))),
        400..500 => Some(NO_CLIENT_ERROR.broken(format!("status {status}"))),
        200..300 => {
            let bare =
                media_type.and_then(|value| value.split(';').next()).map(str::trim).unwrap_or_default();
            let right = kind.media_types().iter().any(|right| bare.eq_ignore_ascii_case(right));
            let expected = || kind.media_types().join(" or ");
            (!right).then(|| MEDIA_TYPE.broken(format!("it is '{bare}', expected {}", expected())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_others_may_not_read() {
        for (status, readers, expected) in
            [(200, Some("*"), &[][..]), (200, None, &["cross-origin"]), (503, None, &["cross-origin"])]
        {
            let media_type = Some("video/mp4".to_owned());
            let head = Head { status, media_type, readers: readers.map(str::to_owned) };
            let found: Vec<_> = findings(Kind::Init, &head).iter().map(|found| found.rule.name).collect();
            assert_eq!(found, expected, "{head:?}");
        }
    }

    #[test]
    fn an_answer_by_itself() {
        let playlist = Some("application/vnd.apple.mpegurl; charset=utf-8");
        let cases = [
            (Kind::Playlist, 200, playlist, None),
            (Kind::Playlist, 200, Some("Audio/MpegURL"), None),
            (Kind::Playlist, 200, Some("text/plain"), Some("media-type")),
            (Kind::Playlist, 200, None, Some("media-type")),
            (Kind::Init, 200, Some("video/mp4"), None),
            (Kind::Init, 200, Some("video/iso.segment"), Some("media-type")),
            (Kind::Segment, 200, Some("video/iso.segment"), None),
            (Kind::Segment, 200, playlist, Some("media-type")),
            (Kind::Segment, 302, None, Some("no-redirect")),
            (Kind::Segment, 404, None, Some("no-client-error")),
            (Kind::Playlist, 410, None, Some("no-client-error")),
            // Players ask again.
            (Kind::Playlist, 503, None, None),
        ];
        for (kind, status, media_type, expected) in cases {
            let found = finding(kind, status, media_type);
            assert_eq!(found.map(|found| found.rule.name), expected, "{kind:?} {status} {media_type:?}");
        }
    }
}
