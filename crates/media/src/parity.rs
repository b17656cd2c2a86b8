//! Whether lineages show the same picture at the same time: what a picture is in 16 numbers, and how far the
//! pictures of two lineages agree.
//!
//! Numbers sit on one grid, so the first picture of a number is that of the same instant in every lineage. It is
//! taken from the source, before any encoder: ladder, codec and quality play no part. Nothing is decided by it but what
//! an operator is told.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};
use thiserror::Error;

use crate::grid::Number;

/// Cells in a row, and rows of them.
const ACROSS: usize = 4;
/// A picture is so many cells.
pub const CELLS: usize = ACROSS * ACROSS;
/// As it is written into a segment.
pub const BYTES: usize = 2 * CELLS;
/// A picture is looked at in so many rows of so many pixels.
pub const SIDE: usize = 64;
/// Pixels of a cell in a row, and rows of them.
const CELL: usize = SIDE / ACROSS;
/// Steps of a level: means of many pixels have fractions.
const STEPS: f64 = (CELL * CELL) as f64;
/// Cells that differ by so many levels are half alike. What noise and rounding do to the mean of a sixteenth of a
/// picture is far below it, what a moving picture does within a frame is above.
const NOISE: f64 = 0.25;
/// Pictures that the figure is made of, the newest ones.
const RECENT: usize = 5;
/// Pictures that have to agree again before that is said.
const SETTLED: usize = 15;
/// Of fewer pictures nothing is said.
const LEAST: usize = 3;
/// Parity is lost where the newest pictures agree less …
const LOST: f64 = 0.7;
/// … and is back where those of a longer time agree more.
const BACK: f64 = 0.9;

/// The mean luma of each cell of a picture, row by row, in 256ths of a level of eight bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Luma(pub [u16; CELLS]);

/// A text that is no luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected 64 hexadecimal digits")]
pub struct LumaError;

impl Luma {
    /// The luma of a picture, row by row.
    pub fn of(pixels: &[u8; SIDE * SIDE]) -> Self {
        let mut cells = [0_u16; CELLS];
        for (at, pixel) in pixels.iter().enumerate() {
            let (row, column) = (at / SIDE / CELL, at % SIDE / CELL);
            // The mean of 256 pixels in 256ths is their sum.
            cells[row * ACROSS + column] += u16::from(*pixel);
        }
        Self(cells)
    }

    /// As it is written into a segment, the most significant bytes first.
    pub fn bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        for (out, cell) in bytes.chunks_exact_mut(2).zip(self.0) {
            out.copy_from_slice(&cell.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`Luma::bytes`] wrote at the beginning of `bytes`; none if there are too few.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut cells = [0; CELLS];
        for (cell, pair) in cells.iter_mut().zip(bytes.get(..BYTES)?.chunks_exact(2)) {
            *cell = u16::from_be_bytes([pair[0], pair[1]]);
        }
        Some(Self(cells))
    }

    /// How far two pictures agree: 1 if they are the same, near 0 if they have nothing in common.
    pub fn similarity(&self, other: &Self) -> f64 {
        let cells = self.0.iter().zip(other.0);
        let squares = cells.map(|(one, other)| (f64::from(one.abs_diff(other)) / STEPS).powi(2));
        let square = squares.sum::<f64>() / CELLS as f64;
        NOISE * NOISE / (NOISE * NOISE + square)
    }
}

impl Display for Luma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|cell| write!(f, "{cell:04x}"))
    }
}

impl FromStr for Luma {
    type Err = LumaError;
    fn from_str(text: &str) -> Result<Self, LumaError> {
        if text.len() != 2 * BYTES || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(LumaError);
        }
        let mut cells = [0; CELLS];
        for (at, cell) in cells.iter_mut().enumerate() {
            let digits = text.get(4 * at..4 * at + 4).ok_or(LumaError)?;
            *cell = u16::from_str_radix(digits, 16).map_err(|_| LumaError)?;
        }
        Ok(Self(cells))
    }
}

impl Serialize for Luma {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads a luma; what a later version writes, which this one can't compare, is none.
pub(crate) fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Luma>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Word {
        Text(String),
        Other(IgnoredAny),
    }
    Ok(match Word::deserialize(deserializer)? {
        Word::Text(text) => text.parse().ok(),
        Word::Other(IgnoredAny) => None,
    })
}

/// The first pictures of the newest numbers of a lineage.
#[derive(Debug, Default)]
pub struct Pictures(BTreeMap<Number, Luma>);

impl Pictures {
    /// No more than two lineages need to be compared: one may be some numbers behind the other.
    const MOST: usize = 2 * SETTLED;

    /// `number` begins with this picture.
    pub fn show(&mut self, number: Number, luma: Luma) {
        self.0.entry(number).or_insert(luma);
        if self.0.len() > Self::MOST {
            self.0.pop_first();
        }
    }

    /// What `number` begins with.
    pub fn of(&self, number: Number) -> Option<Luma> {
        self.0.get(&number).copied()
    }

    /// True if none is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How far they agree with those of another lineage; none if the two have no number in common.
    pub fn parity(&self, other: &Self) -> Option<Parity> {
        let both = self.0.iter().rev().filter_map(|(n, luma)| Some((*n, luma.similarity(other.0.get(n)?))));
        let both: Vec<_> = both.take(SETTLED).collect();
        let mean = |most: usize| {
            let some = both.iter().take(most).map(|(_, similarity)| similarity);
            some.sum::<f64>() / f64::from(u32::try_from(both.len().min(most)).unwrap_or(u32::MAX))
        };
        let (newest, _) = both.first()?;
        Some(Parity { newest: *newest, similarity: mean(RECENT), settled: mean(SETTLED), count: both.len() })
    }
}

/// How far the pictures of two lineages agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parity {
    /// The newest number of which both are known.
    pub newest: Number,
    /// Over the newest pictures, 0 to 1.
    pub similarity: f64,
    /// Over a longer time.
    settled: f64,
    /// Pictures that were compared.
    count: usize,
}

/// Whether two lineages are at parity, as it was said last. It is lost within two or three numbers, and back after fifteen:
/// what comes and goes is not said each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// Nothing else is known.
    #[default]
    Same,
    /// They show different pictures.
    Lost,
}

impl Verdict {
    /// The verdict now, if it is another than before.
    pub fn turn(&mut self, parity: &Parity) -> Option<Self> {
        let next = match self {
            Self::Same if parity.count >= LEAST && parity.similarity < LOST => Self::Lost,
            Self::Lost if parity.count >= SETTLED && parity.settled > BACK => Self::Same,
            _ => return None,
        };
        *self = next;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The luma of cells of these levels, 0 to 255 each.
    fn luma(levels: [f64; CELLS]) -> Luma {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
        Luma(levels.map(|level| (level * STEPS).round() as u16))
    }

    fn flat(level: f64) -> Luma {
        luma([level; CELLS])
    }

    #[test]
    fn a_cell_is_the_mean_of_its_pixels() {
        let mut pixels = [0; SIDE * SIDE];
        assert_eq!(Luma::of(&pixels), flat(0.0));
        // The last pixel of the second cell's first row, and the first and the last one of all.
        (pixels[31], pixels[0], pixels[SIDE * SIDE - 1]) = (2, 7, 9);
        let mut cells = [0; CELLS];
        (cells[1], cells[0], cells[15]) = (2, 7, 9);
        assert_eq!(Luma::of(&pixels), Luma(cells));
        assert_eq!(Luma::of(&[255; SIDE * SIDE]), flat(255.0));
    }

    /// The pictures of the numbers from 10 on.
    fn pictures(levels: impl IntoIterator<Item = f64>) -> Pictures {
        let mut pictures = Pictures::default();
        (10..).zip(levels).for_each(|(number, level)| pictures.show(Number(number), flat(level)));
        pictures
    }

    #[test]
    fn equal_pictures_are_the_same_also_black_and_white_ones_and_others_are_not() {
        for level in [0.0, 16.0, 128.25, 255.0] {
            assert!((flat(level).similarity(&flat(level)) - 1.0).abs() < f64::EPSILON);
        }
        assert!(flat(0.0).similarity(&flat(255.0)) < 1e-6);
        assert!(flat(16.0).similarity(&flat(30.0)) < 0.001);
    }

    #[test]
    fn noise_does_not_show_and_a_frame_of_a_moving_picture_does() {
        let mut noise = [100.0; CELLS];
        noise.iter_mut().zip([0.05, -0.05].into_iter().cycle()).for_each(|(cell, by)| *cell += by);
        assert!(flat(100.0).similarity(&luma(noise)) > 0.95);
        // testsrc2 at 720p25 of ffmpeg, one frame later: three of its cells.
        let mut later = [100.0; CELLS];
        (later[3], later[7], later[11]) = (101.2, 99.2, 101.0);
        assert!(flat(100.0).similarity(&luma(later)) < 0.4);
    }

    #[test]
    fn the_words_for_a_luma_are_64_digits_and_no_others() {
        let picture = Luma(std::array::from_fn(|at| u16::try_from(at * 4097).unwrap()));
        let text = "0000100120023003400450056006700780089009a00ab00bc00cd00de00ef00f";
        assert_eq!((picture.to_string().as_str(), text.parse()), (text, Ok(picture)));
        for text in ["", "0", &text[1..], &format!("{text}0"), &text.replace('a', "+"), &"é".repeat(32)] {
            assert_eq!(text.parse::<Luma>(), Err(LumaError), "{text}");
        }
        assert_eq!(Luma::read(&picture.bytes()), Some(picture));
        assert_eq!(Luma::read(&picture.bytes()[1..]), None);
    }

    #[test]
    fn numbers_are_compared_that_both_have() {
        assert_eq!(pictures([]).parity(&pictures([1.0])), None);
        let (mut late, early) = (Pictures::default(), pictures([1.0, 2.0, 3.0, 4.0]));
        late.show(Number(12), flat(3.0));
        let parity = late.parity(&early).unwrap();
        assert_eq!((parity.newest, parity.count), (Number(12), 1));
        assert!((parity.similarity - 1.0).abs() < f64::EPSILON);
        let shifted = pictures([2.0, 3.0, 4.0, 5.0]).parity(&early).unwrap();
        assert!(shifted.similarity < 0.1 && shifted.count == 4, "{shifted:?}");
        let mut endless = Pictures::default();
        (0..10_000).rev().chain(0..10_000).for_each(|n| endless.show(Number(n), flat(0.0)));
        assert_eq!(endless.0.len(), Pictures::MOST);
    }

    #[test]
    fn a_loss_and_a_return_are_said_once_and_a_moment_is_not() {
        let (mut one, mut other, mut verdict) =
            (Pictures::default(), Pictures::default(), Verdict::default());
        let mut said = Vec::new();
        for number in 0..60 {
            let differs = matches!(number, 5 | 20..25 | 30);
            one.show(Number(number), flat(50.0));
            other.show(Number(number), flat(if differs { 90.0 } else { 50.0 }));
            said.extend(verdict.turn(&one.parity(&other).unwrap()).map(|turn| (number, turn)));
        }
        // Lost with the second of five, back where of fifteen at most one differs.
        assert_eq!(said, [(21, Verdict::Lost), (39, Verdict::Same)]);
    }

    #[test]
    fn the_first_pictures_of_a_run_are_not_enough() {
        let mut verdict = Verdict::default();
        let turns: Vec<_> = (1..5)
            .map(|count| {
                let [one, other] = [1.0, 9.0].map(|level| pictures(vec![level; count]));
                verdict.turn(&one.parity(&other).unwrap())
            })
            .collect();
        assert_eq!(turns, [None, None, Some(Verdict::Lost), None]);
    }

    proptest! {
        #[test]
        fn the_figure_is_a_share_alike_from_both_sides(one: [u16; CELLS], other: [u16; CELLS]) {
            let (one, other) = (Luma(one), Luma(other));
            let similarity = one.similarity(&other);
            prop_assert!(similarity > 0.0 && similarity <= 1.0);
            prop_assert!((similarity - other.similarity(&one)).abs() < f64::EPSILON);
            prop_assert_eq!(one == other, similarity >= 1.0);
            prop_assert_eq!(Luma::read(&one.bytes()), Some(one));
            prop_assert_eq!(one.to_string().parse(), Ok(one));
        }

        #[test]
        fn a_larger_difference_is_less_alike(levels: [u8; CELLS], at in 0..CELLS, near in 0.1..3.0, further in 0.1..9.0) {
            let of = |by: f64| {
                let mut levels = levels.map(|level| f64::from(level) / 2.0);
                levels[at] += by;
                luma(levels)
            };
            let (same, near, far) = (of(0.0), of(near), of(near + further));
            prop_assert!(same.similarity(&far) < same.similarity(&near));
        }

        #[test]
        fn a_figure_is_never_without_a_value(one: Vec<u8>, other: Vec<u8>) {
            let [one, other] = [one, other].map(|levels| pictures(levels.into_iter().map(f64::from)));
            if let Some(parity) = one.parity(&other) {
                prop_assert!((0.0..=1.0).contains(&parity.similarity) && (0.0..=1.0).contains(&parity.settled));
            }
        }
    }
}
