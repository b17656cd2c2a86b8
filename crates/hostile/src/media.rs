//! Media: an encoder's pipe, and files that arrive by PUT or lie in a folder.

use airtight_media::{
    check,
    grid::Part,
    health::Health,
    mark::{self, Mark},
    mp4::Init,
    parity::Luma,
    segmenter::{Cut, Segmenter},
    slate::Slate,
};
use bytes::Bytes;

use super::{AUDIO, FIRST, SLATE, VIDEO, grid, pictures, sound};

/// The first byte says which track it should be and where the stream is cut.
pub(super) fn stream(bytes: &[u8]) {
    let Some((how, stream)) = bytes.split_first() else { return };
    let rate = if how % 2 == 0 { pictures() } else { sound() };
    let mut segmenter = Segmenter::new(grid(), rate, grid().span(FIRST, &rate).first);
    let mut expected = None;
    for piece in stream.chunks(usize::from(*how) * 16 + 1) {
        let followed = segmenter.push(piece).is_ok();
        while let Some(cut) = segmenter.poll() {
            let Cut::Part { number, part, last, bytes } = cut else { continue };
            // The parts of a number come in order and without a gap, whatever the stream does.
            if part != Part(0) {
                assert_eq!(expected, Some((number, part)));
            }
            assert!(!bytes.is_empty());
            expected = (!last).then_some((number, Part(part.0 + 1)));
        }
        if !followed {
            return;
        }
    }
    segmenter.finish();
}

pub(super) fn streams() -> Vec<Vec<u8>> {
    [(0x40, VIDEO), (0x10, SLATE), (0x21, AUDIO)].map(|(how, file)| [&[how], file].concat()).into()
}

/// The bytes as an init, a slate and a segment of a track that is known.
pub(super) fn stored(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    mark::read(&bytes);
    for (file, rate) in [(SLATE, pictures()), (AUDIO, sound())] {
        let known = Init::parse(Bytes::from_static(file)).expect("a recording has an init");
        if let Ok(parts) = check::segment(&bytes, &known, &grid(), FIRST, &rate) {
            assert_eq!(parts.concat(), bytes, "the parts are the segment");
            let (health, luma) = (Health::Frozen, Some(Luma([7; 16])));
            let captured = grid().span(FIRST, &rate).start();
            let sealed = mark::seal(&parts, &Mark { health, luma, captured });
            assert_eq!(mark::read(&sealed), (health, luma), "the first mark counts");
            let again = check::segment(&sealed, &known, &grid(), FIRST, &rate);
            assert!(again.is_ok(), "a segment that was taken is one with a mark: {again:?}");
        }
        if let Ok(slate) = Slate::parse(&bytes, &known, rate) {
            let stamped = Bytes::from(slate.stamp(&grid(), FIRST).concat());
            let checked = check::segment(&stamped, &known, &grid(), FIRST, &rate);
            assert!(checked.is_ok(), "slate that was taken is a segment: {checked:?}");
        }
    }
    if let Ok(init) = Init::parse(bytes) {
        let again = Init::parse(init.bytes.clone()).expect("an init that was taken is taken again");
        assert_eq!(again.hash, init.hash);
    }
}

pub(super) fn files() -> Vec<Vec<u8>> {
    let segment = |file: &'static [u8], rate| {
        let init = Init::parse(Bytes::from_static(file)).expect("a recording has an init");
        let slate = Slate::parse(file, &init, rate).expect("a recording is a slate");
        slate.stamp(&grid(), FIRST).concat()
    };
    vec![SLATE.to_vec(), AUDIO.to_vec(), segment(SLATE, pictures()), segment(AUDIO, sound())]
}
