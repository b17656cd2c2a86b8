//! Writes CMAF: one chunk (`moof` and `mdat`) from samples, and the `styp` that begins a segment.

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{Encode, FourCC, Mfhd, Moof, Styp, Tfdt, Tfhd, Traf, Trun, TrunEntry};

use super::Sample;

/// `sample_depends_on` = other samples, `sample_is_non_sync_sample`.
const DEPENDENT: u32 = 0x0101_0000;

/// The `styp` box that begins every segment.
pub fn segment_type() -> Bytes {
    let brand = |b| FourCC::new(b);
    let styp = Styp {
        major_brand: brand(b"cmfs"),
        minor_version: 0,
        compatible_brands: vec![brand(b"cmfs"), brand(b"cmff"), brand(b"cmfl"), brand(b"msdh")],
    };
    let mut out = Vec::new();
    styp.encode(&mut out).expect("a styp box of four brands can be written");
    out.into()
}

/// One chunk behind `prefix`: samples that begin at `time` ticks, all `duration` long, in one
/// allocation. `sequence` is the `mfhd` number.
///
/// `samples` and `data` are in decode order; the data of sample `i` is `data[i]`.
pub fn encode_chunk(
    prefix: &[u8],
    sequence: u32,
    time: u64,
    duration: u32,
    samples: &[Sample],
    data: &[Bytes],
) -> Bytes {
    let mut moof = moof(sequence, time, duration, samples);
    let mut head = Vec::new();
    encode_moof(&moof, &mut head);
    let offset = i32::try_from(head.len() + 8).expect("a moof of at most 65,536 samples is small");
    moof.traf[0].trun[0].data_offset = Some(offset);
    head.clear();
    encode_moof(&moof, &mut head);

    let payload: usize = data.iter().map(Bytes::len).sum();
    let size = u32::try_from(payload + 8).expect("a segment is bounded at 64 MiB");
    let mut out = BytesMut::with_capacity(prefix.len() + head.len() + 8 + payload);
    out.put_slice(prefix);
    out.put_slice(&head);
    out.put_u32(size);
    out.put_slice(b"mdat");
    for sample in data {
        out.put_slice(sample);
    }
    out.freeze()
}

fn encode_moof(moof: &Moof, out: &mut Vec<u8>) {
    moof.encode(out).expect("31-bit composition offsets always fit a trun box");
}

fn moof(sequence: u32, time: u64, duration: u32, samples: &[Sample]) -> Moof {
    let all_sync = samples.iter().all(Sample::is_sync);
    let composed = samples.iter().any(|s| s.offset != 0);
    let entries: Vec<_> = samples
        .iter()
        .map(|s| TrunEntry {
            duration: None,
            size: Some(s.size),
            flags: (!all_sync).then_some(s.flags),
            cts: composed.then_some(i64::from(s.offset)),
        })
        .collect();
    let default_flags = if all_sync { samples.first().map_or(0, |s| s.flags) } else { DEPENDENT };
    let tfhd = Tfhd {
        track_id: 1,
        default_sample_duration: Some(duration),
        default_sample_flags: Some(default_flags),
        default_base_is_moof: true,
        ..Tfhd::default()
    };
    let trun = Trun { data_offset: Some(0), samples: entries.into() };
    let traf =
        Traf { tfhd, tfdt: Some(Tfdt { base_media_decode_time: time }), trun: vec![trun], ..Traf::default() };
    Moof { mfhd: Mfhd { sequence_number: sequence }, traf: vec![traf] }
}
