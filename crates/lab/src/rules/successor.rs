//! Whether one version of a media playlist may follow another.
//!
//! A client judges whatever it was given last against what it is given now; it does not know which server
//! answered.

use super::{
    DISCONTINUITY_FIXED, DISCONTINUITY_MONOTONE, EDGE_MONOTONE, END_FINAL, Finding, HEADER_FIXED,
    NO_PLAYLIST_TYPE, SEGMENT_FIXED, SEQUENCE_MONOTONE, TARGET_FIXED, WINDOW_LENGTH, WINDOW_SEGMENTS,
};
use crate::playlist::{Media, Segment};

/// What `after` must not be, coming after `before`.
pub fn findings(before: &Media, after: &Media) -> Vec<Finding> {
    let mut found = order(before, after);
    found.extend(fixed(before, after));
    found.extend(removal(before, after));
    for segment in &after.segments {
        found.extend(before.segment(segment.number).and_then(|was| unlike(was, segment)));
    }
    found
}

/// What goes back.
pub fn order(before: &Media, after: &Media) -> Vec<Finding> {
    let mut found = Vec::new();
    let back = |from: u64, to: u64| format!("it went back from {from} to {to}");
    if after.head < before.head {
        found.push(SEQUENCE_MONOTONE.broken(back(before.head, after.head)));
    }
    match (before.edge(), after.edge()) {
        (Some(was), Some(is)) if is < was => found.push(EDGE_MONOTONE.broken(back(was, is))),
        (Some(was), None) => found.push(EDGE_MONOTONE.broken(format!("after {was} it is empty"))),
        _ => {}
    }
    let sequence = |playlist: &Media| playlist.discontinuity_sequence.unwrap_or(0);
    if sequence(after) < sequence(before) {
        found.push(DISCONTINUITY_MONOTONE.broken(back(sequence(before), sequence(after))));
    }
    if before.ended && !after.ended {
        found.push(END_FINAL.broken("the tag is gone"));
    }
    if before.ended && after.edge() > before.edge() {
        let (was, is) = (before.edge().unwrap_or(0), after.edge().unwrap_or(0));
        found.push(END_FINAL.broken(format!("after the end with {was} there is {is}")));
    }
    found
}

/// What may not change at all.
pub fn fixed(before: &Media, after: &Media) -> Vec<Finding> {
    let mut found = Vec::new();
    if before.target != after.target {
        let (was, is) = (before.target, after.target);
        found.push(TARGET_FIXED.broken(format!("it was {was:?} and is {is:?}")));
    }
    let whole = |playlist: &Media| {
        let (kind, control) = (playlist.kind.clone(), playlist.server_control.clone());
        let independent = playlist.independent.then(|| "#EXT-X-INDEPENDENT-SEGMENTS".to_owned());
        let optional = [kind, control, independent].into_iter().flatten();
        playlist.header.iter().cloned().chain(optional).collect::<Vec<_>>()
    };
    if whole(before) != whole(after) {
        found.push(HEADER_FIXED.broken(format!("it was {:?} and is {:?}", whole(before), whole(after))));
    }
    found
}

/// What the removal of segments demands of what is left.
fn removal(before: &Media, after: &Media) -> Vec<Finding> {
    let mut found = Vec::new();
    if after.head <= before.head || after.ended {
        return found;
    }
    let (left, count) = (after.duration(), after.segments.len());
    if left < 3 * after.target {
        found.push(WINDOW_LENGTH.broken(format!("{left:?} are left of {:?} segments", after.target)));
    }
    if count < 6 {
        found.push(WINDOW_SEGMENTS.broken(format!("{count} are left")));
    }
    if let Some(kind) = &after.kind {
        found.push(NO_PLAYLIST_TYPE.broken(format!("{kind}, and {} is removed", before.head)));
    }
    found
}

/// How a segment differs from what was said of its number.
pub fn unlike(was: &Segment, is: &Segment) -> Option<Finding> {
    let number = is.number;
    if was.lines != is.lines {
        let (was, is) = (was.lines.join(" "), is.lines.join(" "));
        return Some(SEGMENT_FIXED.broken(format!("number {number} was {was} and is {is}")));
    }
    let (was, is) = (was.discontinuity, is.discontinuity);
    (was != is).then(|| DISCONTINUITY_FIXED.broken(format!("that of number {number} was {was} and is {is}")))
}
