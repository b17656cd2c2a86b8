//! Refuses boxes that claim more than they hold, before a library makes room for what they claim.

use super::Mp4Error;

const GROUPS: &[u8; 4] = b"sgpd";

/// Checks that every sample group description in `bytes` (one `moov` or `moof` box) has a byte for each of
/// its entries: some kinds of entries take none, and a box of 24 bytes could name four thousand million.
///
/// The library reads a box wherever it finds one, so it is looked for by its name, in no box and in all.
///
/// # Errors
/// One that claims more.
pub(super) fn check(bytes: &[u8]) -> Result<(), Mp4Error> {
    let named = bytes.windows(GROUPS.len()).enumerate().filter(|(_, name)| name == GROUPS);
    let mut boxes = named.filter_map(|(at, _)| bytes.get(at.checked_sub(4)?..));
    match boxes.any(|found| claimed(found) > bytes.len() as u64) {
        true => Err(Mp4Error::Unsuitable("an sgpd box claims more entries than it has bytes")),
        false => Ok(()),
    }
}

/// The `entry_count` of the sample group description box that `found` begins with (ISO/IEC 14496-12, 8.9.3);
/// 0 if it is cut short.
fn claimed(found: &[u8]) -> u64 {
    let header = if found.starts_with(&[0, 0, 0, 1]) { 16 } else { 8 };
    let payload = found.get(header..).unwrap_or_default();
    let version = payload.first().copied().unwrap_or(0);
    // Version, flags and grouping type; then a default length from version 1, a default index from 2 on.
    let at = 8 + 4 * usize::from(version.min(2));
    let count = payload.get(at..).and_then(|rest| rest.first_chunk::<4>());
    count.map_or(0, |count| u64::from(u32::from_be_bytes(*count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, payload].concat()
    }

    fn large(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        let size = payload.len() as u64 + 16;
        [&[0, 0, 0, 1][..], kind, &size.to_be_bytes(), payload].concat()
    }

    #[test]
    fn entries_are_bounded_by_bytes_wherever_they_are_claimed() {
        for version in 0..=3u8 {
            let fields = &[0; 8][..4 * usize::from(version.min(2))];
            let group = |entries: u32| {
                [&[version, 0, 0, 0][..], b"roll", fields, &entries.to_be_bytes(), &[0; 64]].concat()
            };
            for (entries, taken) in [(0, true), (20, true), (4000, false), (u32::MAX, false)] {
                for path in [&[b"moov"][..], &[b"stbl", b"minf", b"trak", b"moov"], &[b"udta", b"moof"]] {
                    for group in [boxed(GROUPS, &group(entries)), large(GROUPS, &group(entries))] {
                        let nested = path.iter().fold(group, |inner, kind| boxed(kind, &inner));
                        assert_eq!(check(&nested).is_ok(), taken, "version {version}, {entries} entries");
                    }
                }
            }
        }
    }
}
