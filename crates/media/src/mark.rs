//! What a segment says of itself: one `uuid` box with its health and what its first picture looks like, and one `prft`
//! with the time of its capture, between `styp` and the first `moof`, where players pass over them.
//!
//! So they survive the disk, the way to a packager and its restart. A reader takes no offence: a segment
//! without a mark, or with one of an earlier or a later version, is as good as any.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::{
    grid::Ticks,
    health::Health,
    mp4::{Mp4Box, split},
    parity::Luma,
};

/// Names our `uuid` box among all that there may be.
const ID: [u8; 16] = *b"\x4e\x9d\x1c\x52\x6a\x0b\x4f\x3d\x9c\x77\x52\x1e\xb8\xd0\x63\xa5";
/// Version 1 is the health, 2 the luma behind it where there is a picture. Later versions add bytes behind those of this
/// one.
const VERSION: u8 = 2;
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
    /// What its first picture looks like, if it has any.
    pub luma: Option<Luma>,
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

/// What a segment, or its first part, says of its content, and of its first picture.
pub fn read(segment: &Bytes) -> (Health, Option<Luma>) {
    let boxes = split(segment.clone()).map_while(Result::ok);
    let mut marks = boxes.take_while(|b| &b.kind != b"moof").filter_map(|b| read_box(&b));
    marks.next().unwrap_or_default()
}

fn read_box(found: &Mp4Box) -> Option<(Health, Option<Luma>)> {
    let payload = found.payload();
    let [version, code, rest @ ..] = payload.strip_prefix(&ID)? else { return None };
    let luma = if *version >= 2 { Luma::read(rest) } else { None };
    (&found.kind == b"uuid" && *version >= 1).then(|| (coded(*code), luma))
}

fn boxes(mark: &Mark) -> Vec<u8> {
    let mut out = Vec::new();
    let luma = mark.luma.map(|luma| luma.bytes());
    let luma = luma.as_ref().map_or(&[][..], |bytes| bytes);
    let length = 8 + ID.len() + 2 + luma.len();
    out.put_u32(u32::try_from(length).expect("58 bytes at most"));
    out.put_slice(b"uuid");
    out.put_slice(&ID);
    out.put_slice(&[VERSION, code(mark.health)]);
    out.put_slice(luma);
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

    const LUMA: Luma = Luma([7, 256, 0, 65_535, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);

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
        for (health, luma) in
            Health::ALL.into_iter().flat_map(|health| [(health, None), (health, Some(LUMA))])
        {
            let sealed = seal(&parts(), &Mark { health, luma, captured: captured() });
            let boxes: Vec<_> = split(sealed.clone()).map(Result::unwrap).collect();
            let kinds: Vec<_> = boxes.iter().map(|b| &b.kind).collect();
            assert_eq!(kinds, [b"styp", b"uuid", b"prft", b"moof", b"mdat", b"moof", b"mdat"]);
            let others = boxes.iter().filter(|b| !matches!(&b.kind, b"uuid" | b"prft"));
            let others: Vec<_> = others.flat_map(|b| b.bytes.to_vec()).collect();
            assert_eq!(others, parts().concat());
            assert_eq!(read(&sealed), (health, luma));
        }
    }

    #[test]
    fn the_time_of_capture_to_the_letter() {
        let sealed = seal(&parts(), &Mark { health: Health::Black, luma: None, captured: captured() });
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
    fn the_picture_to_the_letter() {
        for (luma, rest) in [
            (Some(LUMA), "00070100 0000ffff 00010002 00030004 00050006 00070008 0009000a 000b000c"),
            (None, ""),
        ] {
            let sealed = seal(&parts(), &Mark { health: Health::Frozen, luma, captured: captured() });
            let uuid = split(sealed).map(Result::unwrap).find(|b| &b.kind == b"uuid").unwrap();
            let hex = uuid.payload()[ID.len()..].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            assert_eq!(hex, format!("0202{}", rest.replace(' ', "")));
        }
    }

    #[test]
    fn who_says_nothing_that_is_understood_is_healthy() {
        let plain = Bytes::from(parts().concat());
        let foreign = |payload: &[u8]| Bytes::from([boxed(b"uuid", payload), plain.to_vec()].concat());
        let ours = |rest: &[u8]| foreign(&[&ID, rest].concat());
        for bytes in [plain.clone(), Bytes::new(), foreign(&[3; 40]), ours(&[]), ours(&[1]), ours(&[0, 3])] {
            assert_eq!(read(&bytes), (Health::Healthy, None), "{bytes:?}");
        }
        let with_luma = |version, rest: &[u8]| ours(&[&[version, 3], &LUMA.bytes()[..], rest].concat());
        let black = (Health::Black, None);
        assert_eq!(read(&ours(&[1, 3])), black, "the version before this one");
        assert_eq!(read(&with_luma(1, &[])), black, "it has no picture, whatever lies behind");
        assert_eq!(read(&ours(&[2, 3, 7, 7])), black, "half a picture is none");
        assert_eq!(read(&with_luma(2, &[])), (Health::Black, Some(LUMA)));
        assert_eq!(read(&with_luma(3, &[7, 7])), (Health::Black, Some(LUMA)), "a later version says more");
        assert_eq!(read(&ours(&[2, 200])), (Health::Healthy, None), "a word of a later version");
        let behind = [plain.to_vec(), boxed(b"uuid", &[&ID[..], &[1, 3]].concat())].concat();
        assert_eq!(read(&behind.into()).0, Health::Healthy, "it is not looked for among the media");
    }
}
