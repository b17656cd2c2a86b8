//! The table of rules. Every one of them is broken once on purpose in the tests.

use super::Rule;

const fn rule(name: &'static str, source: &'static str, sentence: &'static str) -> Rule {
    Rule { name, source, sentence }
}

macro_rules! rules {
    ($($id:ident: $name:literal, $source:literal, $sentence:literal;)*) => {
        $(#[doc = $sentence] pub const $id: &Rule = &rule($name, $source, $sentence);)*
        /// All rules.
        pub const ALL: &[&Rule] = &[$($id),*];
    };
}

rules! {
    READABLE: "readable", "§4.1", "A playlist begins with EXTM3U, its tags are well-formed, and each URI has its tag.";
    HEADER_FIXED: "header-fixed", "§6.2.1", "Tags on the playlist as a whole never change.";
    SEGMENT_FIXED: "segment-fixed", "§6.2.1, §6.3.4", "A media sequence number keeps its URI and all its lines, on every server.";
    SEQUENCE_MONOTONE: "sequence-monotone", "§6.2.2", "EXT-X-MEDIA-SEQUENCE never goes back, whichever server answers.";
    EDGE_MONOTONE: "edge-monotone", "§6.2.1", "Segments leave a playlist at its head only, whichever server answers.";
    DISCONTINUITY_MONOTONE: "discontinuity-monotone", "§6.2.2", "EXT-X-DISCONTINUITY-SEQUENCE never goes back.";
    DISCONTINUITY_FIXED: "discontinuity-fixed", "§6.2.2, §6.2.4", "A segment has one discontinuity sequence number for its lifetime, on all variants and servers.";
    DISCONTINUITY_COUNTED: "discontinuity-counted", "Apple 8.17", "EXT-X-DISCONTINUITY-SEQUENCE is there from the first live playlist on.";
    TARGET_FIXED: "target-fixed", "§6.2.1", "EXT-X-TARGETDURATION never changes.";
    TARGET_EQUAL: "target-equal", "§6.2.4", "All variants have the same EXT-X-TARGETDURATION.";
    DURATION_WITHIN_TARGET: "duration-within-target", "§4.4.3.1", "EXTINF, rounded to whole seconds, is not longer than the target duration.";
    UPDATE_IN_TIME: "update-in-time", "§6.2.1", "A new segment is listed within 1.5 target durations of the one before.";
    WINDOW_LENGTH: "window-length", "§6.2.2", "No segment is removed if that leaves less than three target durations.";
    WINDOW_SEGMENTS: "window-segments", "Apple 8.11", "A live playlist from which segments are removed has six at least.";
    KEPT_AFTER_REMOVAL: "kept-after-removal", "§6.2.2", "A removed segment can be fetched for its duration and that of the longest playlist which had it, from its listing on.";
    LISTED_IS_THERE: "listed-is-there", "§6.2.1", "What is listed can be fetched whole, at once, from the server that lists it.";
    NO_CLIENT_ERROR: "no-client-error", "players", "No 4xx answers a request for what is listed: players take it for final.";
    NO_REDIRECT: "no-redirect", "Apple 8.18", "Media and playlists are not redirected.";
    MEDIA_TYPE: "media-type", "Apple 10.4", "Every answer has the media type of what it is.";
    CROSS_ORIGIN: "cross-origin", "Fetch §3.3", "Every answer has Access-Control-Allow-Origin: pages of other sites may read it.";
    SAME_CODED: "same-coded", "RFC 9110 §8.4.1", "A playlist says in gzip what it says as it is.";
    NO_PLAYLIST_TYPE: "no-playlist-type", "§6.2.2", "A playlist from which segments are removed has no EXT-X-PLAYLIST-TYPE.";
    END_FINAL: "end-final", "§4.4.3.4, §6.2.1", "After EXT-X-ENDLIST nothing is added, and the tag stays.";
    DATE_PRESENT: "date-present", "Apple 8.4", "Every live media playlist has EXT-X-PROGRAM-DATE-TIME.";
    DATE_ADDS_UP: "date-adds-up", "§4.4.4.6, Apple 8.1", "Dates advance by the sum of EXTINF, to one frame.";
    VARIANTS_ALIGNED: "variants-aligned", "§6.2.4, Apple 8.22", "A number has the same date on all variants and servers, to one frame.";
    VARIANTS_TOGETHER: "variants-together", "§6.2.4", "No variant ends more than a target duration before another.";
    CONTROL_EQUAL: "control-equal", "§6.2.4", "All media playlists have the same EXT-X-SERVER-CONTROL, or none.";
    INDEPENDENT: "independent-segments", "Apple 9.11", "EXT-X-INDEPENDENT-SEGMENTS is said, of all variants at once or in each playlist.";
    VARIANT_CODECS: "variant-codecs", "Apple 9.1", "Every variant has CODECS.";
    VARIANT_RESOLUTION: "variant-resolution", "Apple 9.2", "Every variant with pictures has RESOLUTION.";
    VARIANT_FRAME_RATE: "variant-frame-rate", "Apple 9.15", "Every variant with pictures has FRAME-RATE.";
    VARIANT_AVERAGE: "variant-average", "Apple 9.14", "Every variant has AVERAGE-BANDWIDTH, not above BANDWIDTH.";
    VARIANT_AUDIO: "variant-audio", "§4.4.6.2", "AUDIO names a group that exists.";
    GROUP_DEFAULT: "group-default", "§4.4.6.1", "A group has distinct names and one DEFAULT at the most, which has AUTOSELECT.";
    OFFER_EQUAL: "offer-equal", "§6.2.4", "All servers and pathways offer the same variants with the same attributes.";
    PEAK: "peak-bandwidth", "Apple 1.29", "No segment, with its sound, takes more than 125% of BANDWIDTH.";
    AVERAGE: "average-bandwidth", "Apple 1.28", "No variant, with its sound, takes more than 110% of AVERAGE-BANDWIDTH over an hour.";
    BOXES: "boxes", "§3.1.2", "A segment is whole fragments, each with tfdt, counted from its moof.";
    TIME_CONTINUOUS: "time-continuous", "Apple 7.3", "The decode time of a segment is where the one before ended.";
    STARTS_WITH_SYNC: "starts-with-sync", "Apple 7.4", "A segment begins with a sample that can be decoded alone.";
    DURATION_TRUE: "duration-true", "Apple 8.1", "EXTINF is the duration of the media, to one frame.";
    DATE_MAPS_TIME: "date-maps-time", "§6.2.4", "Dates and media time keep one distance, on all variants and servers.";
    DECODES: "decodes", "§3", "A decoder that is given segment after segment has nothing to complain about.";
}
