//! What a segment says of itself: one `uuid` box with its health and one `prft` with the time of its capture,
//! between `styp` and the first `moof`, where players pass over them.
//!
//! So both survive the disk, the way to a packager and its restart. A reader takes no offence: a segment
//! without a mark, or with one of a later version, is as good as any.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::{
    grid::Ticks,
    health::Health,
    mp4::{Mp4Box, split},
};

/// Names our `uuid` box among all that there may be.
const ID: [u8; 16] = *b"\x4e\x9d\x1c\x52\x6a\x0b\x4f\x3d\x9c\x77\x52\x1e\xb8\xd0\x63\xa5";
/// Later versions add bytes behind those of this one.
const VERSION: u8 = 1;
/// Seconds from 1900, where NTP begins, to 1970.
const NTP: u64 = 2_208_988_800;
/// `prft`: the time is that of the capture (ISO/IEC 14496-12, 8.16.5).
const CAPTURED: u32 = 24;
/// The only track of our media.
const TRACK: u32 = 1;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// What its content is.
    pub health: Health,
    /// When its first sample was captured, which is its media time.
    pub captured: Ticks,
}

/// The whole segment of these parts, marked.
pub fn seal(parts: &[Bytes], mark: &Mark) -> Bytes {
    let mark = boxes(mark);
    let first = parts.first().cloned().unwrap_or_default();
    let head = split(first).next().and_then(Result::ok).filter(|b| &b.kind == b"styp");
    let at = head.map_or(0, |styp| styp.bytes.len());
    let mut out = BytesMut::with_capacity(mark.len() + parts.iter().map(Bytes::len).sum::<usize>());
    for (index, part) in parts.iter().enumerate() {
        if index == 0 {
            out.put_slice(&part[..at]);
            out.put_slice(&mark);
            out.put_slice(&part[at..]);
        } else {
            out.put_slice(part);
        }
    }
    out.freeze()
}

/// What a segment, or its first part, says of its content.
pub fn health(segment: &Bytes) -> Health {
    let boxes = split(segment.clone()).map_while(Result::ok);
    let mut marks = boxes.take_while(|b| &b.kind != b"moof").filter_map(|b| read(&b));
    marks.next().unwrap_or_default()
}

fn read(found: &Mp4Box) -> Option<Health> {
    let payload = found.payload();
    let [version, code, ..] = payload.strip_prefix(&ID)? else { return None };
    (&found.kind == b"uuid" && *version >= VERSION).then(|| coded(*code))
}

fn boxes(mark: &Mark) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u32(8 + 16 + 2);
    out.put_slice(b"uuid");
    out.put_slice(&ID);
    out.put_slice(&[VERSION, code(mark.health)]);
    let Ticks { value, scale } = mark.captured;
    let scale = u64::from(scale.get());
    out.put_u32(8 + 4 + 4 + 8 + 8);
    out.put_slice(b"prft");
    out.put_u32((1 << 24) | CAPTURED);
    out.put_u32(TRACK);
    // Seconds and fractions of 2⁻³² of one; the seconds begin anew every 136 years, as they are to.
    out.put_u64(((value / scale + NTP) << 32) | (((value % scale) << 32) / scale));
    out.put_u64(value);
    out
}

fn code(health: Health) -> u8 {
    match health {
        Health::Healthy => 0,
        Health::Silent => 1,
        Health::Frozen => 2,
        Health::Black => 3,
    }
}

/// A code of a later version counts as nothing known.
fn coded(found: u8) -> Health {
    Health::ALL.into_iter().find(|health| code(*health) == found).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::mp4::segment_type;

    fn captured() -> Ticks {
        // 1795477632.5 s
        Ticks { value: 44_886_940_812_500, scale: NonZeroU32::new(25_000).unwrap() }
    }

    fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, payload].concat()
    }

    fn parts() -> [Bytes; 2] {
        let first = [segment_type().to_vec(), boxed(b"moof", b"1"), boxed(b"mdat", b"one")].concat();
        [first.into(), [boxed(b"moof", b"2"), boxed(b"mdat", b"two")].concat().into()]
    }

    #[test]
    fn a_mark_lies_behind_styp_and_changes_nothing_else() {
        for health in Health::ALL {
            let sealed = seal(&parts(), &Mark { health, captured: captured() });
            let boxes: Vec<_> = split(sealed.clone()).map(Result::unwrap).collect();
            let kinds: Vec<_> = boxes.iter().map(|b| &b.kind).collect();
            assert_eq!(kinds, [b"styp", b"uuid", b"prft", b"moof", b"mdat", b"moof", b"mdat"]);
            let others = boxes.iter().filter(|b| !matches!(&b.kind, b"uuid" | b"prft"));
            let others: Vec<_> = others.flat_map(|b| b.bytes.to_vec()).collect();
            assert_eq!(others, parts().concat());
            assert_eq!(super::health(&sealed), health);
        }
    }

    #[test]
    fn the_time_of_capture_to_the_letter() {
        let sealed = seal(&parts(), &Mark { health: Health::Black, captured: captured() });
        let prft = split(sealed).map(Result::unwrap).find(|b| &b.kind == b"prft").unwrap();
        let seconds = 1_795_477_632_u32.wrapping_add(u32::try_from(NTP).unwrap());
        let expected = [
            &[1, 0, 0, 24, 0, 0, 0, 1][..],
            &seconds.to_be_bytes(),
            &0x8000_0000_u32.to_be_bytes(),
            &44_886_940_812_500_u64.to_be_bytes(),
        ];
        assert_eq!(prft.payload(), expected.concat());
    }

    #[test]
    fn who_says_nothing_that_is_understood_is_healthy() {
        let plain = Bytes::from(parts().concat());
        let foreign = |payload: &[u8]| Bytes::from([boxed(b"uuid", payload), plain.to_vec()].concat());
        let ours = |rest: &[u8]| foreign(&[&ID, rest].concat());
        for bytes in [plain.clone(), Bytes::new(), foreign(&[3; 40]), ours(&[]), ours(&[1]), ours(&[0, 3])] {
            assert_eq!(health(&bytes), Health::Healthy, "{bytes:?}");
        }
        assert_eq!(health(&ours(&[1, 200])), Health::Healthy, "a word of a later version");
        assert_eq!(health(&ours(&[2, 3, 7, 7])), Health::Black, "a later version says more");
        let behind = [plain.to_vec(), boxed(b"uuid", &[&ID[..], &[1, 3]].concat())].concat();
        assert_eq!(health(&behind.into()), Health::Healthy, "it is not looked for among the media");
    }
}
