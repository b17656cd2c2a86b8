//! Refuses boxes that claim more than they hold, before a library makes room for what they claim.

use bytes::Bytes;

use super::{Mp4Error, split};

/// Boxes that hold boxes, on the way to sample groups.
const CONTAINERS: [&[u8; 4]; 7] = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"];

/// Checks that every sample group description below `bytes` (one `moov` or `moof` box) has a byte for each of
/// its entries: some kinds of entries take none, and a box of 24 bytes could name four thousand million.
///
/// # Errors
/// One that claims more, or boxes that can't be walked.
pub(super) fn check(bytes: &Bytes) -> Result<(), Mp4Error> {
    // Containers nest in one order; what is nested deeper than they do is none.
    let mut level = vec![bytes.clone()];
    for _ in 0..CONTAINERS.len() {
        let mut below = Vec::new();
        for next in level.into_iter().flat_map(split) {
            let next = next?;
            if CONTAINERS.contains(&&next.kind) {
                below.push(next.payload());
            } else if &next.kind == b"sgpd" && claimed(&next.payload()) > next.bytes.len() as u64 {
                return Err(Mp4Error::Unsuitable("an sgpd box claims more entries than it has bytes"));
            }
        }
        level = below;
    }
    Ok(())
}

/// The `entry_count` of a sample group description box (ISO/IEC 14496-12, 8.9.3); 0 if it is cut short.
fn claimed(payload: &[u8]) -> u64 {
    let version = payload.first().copied().unwrap_or(0);
    // Version, flags and grouping type; then a default length from version 1, a default index from 2 on.
    let at = 8 + 4 * usize::from(version.min(2));
    payload.get(at..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |n| u32::from_be_bytes(*n).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, payload].concat()
    }

    #[test]
    fn entries_are_bounded_by_bytes_wherever_they_are_claimed() {
        for version in 0..=3u8 {
            let group = |entries: u32| {
                let fields = [[0; 4]; 2];
                let fields = &fields.concat()[..4 * usize::from(version.min(2))];
                boxed(b"sgpd", &[&[version, 0, 0, 0][..], b"roll", fields, &entries.to_be_bytes()].concat())
            };
            for (entries, taken) in [(0, true), (20, true), (33, false), (u32::MAX, false)] {
                for path in
                    [&[b"moov"][..], &[b"stbl", b"minf", b"mdia", b"trak", b"moov"], &[b"traf", b"moof"]]
                {
                    let nested = path.iter().fold(group(entries), |inner, kind| boxed(kind, &inner));
                    assert_eq!(check(&nested.into()).is_ok(), taken, "version {version}, {entries} entries");
                }
            }
        }
    }
}
