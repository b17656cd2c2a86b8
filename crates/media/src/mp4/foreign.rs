//! Fragments as other encoders write them, for tests: each sample says everything of itself.

use bytes::Bytes;
use mp4_atom::{Encode as _, Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry};

use super::{Fragment, Init, Sample};

/// A `moof` box of the track of `init` that says something else; its data still begins right behind it.
pub fn rewrite(moof: &Bytes, init: &Init, change: impl FnOnce(&mut Fragment)) -> Bytes {
    let mut fragment = Fragment::parse(moof, init).unwrap();
    change(&mut fragment);
    let entry = |sample: &Sample| TrunEntry {
        duration: Some(sample.duration),
        size: Some(sample.size),
        flags: Some(sample.flags),
        cts: Some(sample.offset.into()),
    };
    let samples: Vec<_> = fragment.samples.iter().map(entry).collect();
    let tfhd = Tfhd { track_id: 1, default_base_is_moof: true, ..Tfhd::default() };
    let tfdt = Some(Tfdt { base_media_decode_time: fragment.time.cast_unsigned() });
    let trun = vec![Trun { data_offset: Some(0), samples: samples.into() }];
    let traf = vec![Traf { tfhd, tfdt, trun, ..Traf::default() }];
    let mut moof = Moof { mfhd: Mfhd { sequence_number: 1 }, traf };
    let mut out = Vec::new();
    moof.encode(&mut out).unwrap();
    moof.traf[0].trun[0].data_offset = Some(i32::try_from(out.len() + 8).unwrap());
    out.clear();
    moof.encode(&mut out).unwrap();
    out.into()
}
