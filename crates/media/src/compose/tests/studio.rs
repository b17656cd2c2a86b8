//! Media that encoders could have made: valid for any number, and naming who made them.

use std::{cell::RefCell, collections::BTreeMap};

use bytes::Bytes;

use crate::{
    grid::{Grid, Number, Rate},
    id::{InitHash, Lineage, TrackName},
    mp4::Init,
    record::{Era, Record, Track},
    slate::Slate,
};

const VIDEO: &[u8] = include_bytes!("../../../tests/data/slate.mp4");
const AUDIO: &[u8] = include_bytes!("../../../tests/data/audio.mp4");

/// Stamped segments that are kept.
const KEPT: usize = 256;

fn rate(scale: u32, frame: u32) -> Rate {
    Rate::new(scale, frame)
}

/// One track's init, slate file and parsed slate.
#[derive(Debug)]
struct Reel {
    init: Bytes,
    file: Bytes,
    slate: Slate,
}

/// Makes the media of every lineage.
#[derive(Debug)]
pub struct Studio {
    pub grid: Grid,
    reels: BTreeMap<InitHash, Reel>,
    stamped: RefCell<BTreeMap<(Number, InitHash), Bytes>>,
}

/// Which tracks an era has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ladder {
    /// One picture: as little work as can be.
    Picture,
    /// Picture and sound.
    Both,
    /// The picture under another init, a second picture, and sound.
    More,
}

impl Studio {
    pub fn new() -> Self {
        let grid = Grid::new(2000, 4);
        Self { grid, reels: BTreeMap::new(), stamped: RefCell::default() }
    }

    /// A track that begins with the init of `file`, in its `edition`.
    fn track(&mut self, name: &str, file: &'static [u8], rate: Rate, edition: u8) -> Track {
        let mut file = file.to_vec();
        // The minor version of ftyp: another init, which decodes the same media.
        file[15] = edition;
        let file = Bytes::from(file);
        let init = Init::parse(file.clone()).unwrap();
        let slate = Slate::parse(&file, &init, rate).unwrap();
        self.reels.insert(init.hash, Reel { init: init.bytes.clone(), file, slate });
        let (content, codecs) = (init.kind.into(), init.codecs.clone());
        Track { name: name.parse().unwrap(), content, rate, codecs, bandwidth: 1_000_000, init: init.hash }
    }

    pub fn era(&mut self, first: Number, ladder: Ladder) -> Era {
        let (pictures, sound) = (rate(25_000, 1000), rate(48_000, 1024));
        let edition = u8::from(ladder == Ladder::More);
        let mut tracks = vec![self.track("720p", VIDEO, pictures, edition)];
        if ladder == Ladder::More {
            tracks.push(self.track("360p", VIDEO, pictures, 2));
        }
        if ladder != Ladder::Picture {
            tracks.push(self.track("audio", AUDIO, sound, 0));
        }
        Era { first, tracks }
    }

    pub fn record(&mut self, first: Number, ladder: Ladder) -> Record {
        let eras = vec![self.era(first, ladder)];
        Record { signal: "live01".parse().unwrap(), grid: self.grid, first, eras, end: None }
    }

    pub fn init(&self, hash: InitHash) -> Bytes {
        self.reels[&hash].init.clone()
    }

    pub fn slate(&self, hash: InitHash) -> Bytes {
        self.reels[&hash].file.clone()
    }

    /// The segment that `lineage` makes of `track`.
    pub fn segment(&self, lineage: &Lineage, track: &Track, number: Number) -> Bytes {
        let mut stamped = self.stamped.borrow_mut();
        while stamped.len() > KEPT {
            stamped.pop_first();
        }
        let media = stamped.entry((number, track.init)).or_insert_with(|| {
            let slate = &self.reels[&track.init].slate;
            slate.stamp(&self.grid, number).concat().into()
        });
        [&signature(lineage, &track.name, number)[..], media].concat().into()
    }
}

/// A `free` box that names whose media follow.
pub fn signature(lineage: &Lineage, track: &TrackName, number: Number) -> Vec<u8> {
    let text = format!("{lineage}/{track}/{number}");
    let size = u32::try_from(text.len() + 8).unwrap();
    [&size.to_be_bytes()[..], b"free", text.as_bytes()].concat()
}

/// SplitMix64: random enough, and the same for a seed on every machine.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, range: std::ops::RangeInclusive<u64>) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        range.start() + (z ^ (z >> 31)) % (range.end() - range.start() + 1)
    }
}
