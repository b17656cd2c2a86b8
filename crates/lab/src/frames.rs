//! The frame code of the test programme: which of its frames a viewer was shown.
//!
//! The lowest twelfth of the picture has 16 equal cells, black 0 or white 1, the lowest bit left; their value is
//! the frame's index since 1970, modulo 65536.

use std::{collections::VecDeque, ops::Add};

use serde::Serialize;

/// Cells of a code.
pub const CELLS: usize = 16;

/// What the decoded frames tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Frames of the programme that were decoded.
    pub frames: u64,
    /// Frames of the programme that are missing between two others.
    pub lost: u64,
    /// Frames of the programme that came before.
    pub repeated: u64,
    /// Frames that should show the programme and have no code.
    pub unreadable: u64,
    /// Frames of slate.
    pub slate: u64,
}

impl Add for Shown {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            frames: self.frames + other.frames,
            lost: self.lost + other.lost,
            repeated: self.repeated + other.repeated,
            unreadable: self.unreadable + other.unreadable,
            slate: self.slate + other.slate,
        }
    }
}

/// Follows one track, frame by frame.
#[derive(Debug, Default)]
pub struct Frames {
    /// What was given to the decoder and has not come out: frames, and whether they are slate.
    fed: VecDeque<(usize, bool)>,
    position: u64,
    last: Option<(u64, u16)>,
    shown: Shown,
}

impl Frames {
    /// A segment goes into the decoder.
    pub fn feed(&mut self, frames: usize, slate: bool) {
        self.fed.push_back((frames, slate));
    }

    /// A frame comes out, as its row of cells.
    pub fn decoded(&mut self, cells: [u8; CELLS]) {
        self.position += 1;
        if self.next_is_slate() {
            self.shown.slate += 1;
            return;
        }
        let Some(code) = code(cells) else {
            self.shown.unreadable += 1;
            return;
        };
        self.shown.frames += 1;
        if let Some((position, before)) = self.last.replace((self.position, code)) {
            // Modulo 65536, as codes are.
            let passed = (self.position - position) % (1 << CELLS);
            let expected = before.wrapping_add(u16::try_from(passed).unwrap_or(0));
            match code.wrapping_sub(expected).cast_signed() {
                ahead @ 1.. => self.shown.lost += u64::from(ahead.unsigned_abs()),
                back => self.shown.repeated += u64::from(back.unsigned_abs()),
            }
        }
    }

    /// What was shown so far.
    pub fn shown(&self) -> Shown {
        self.shown
    }

    fn next_is_slate(&mut self) -> bool {
        while self.fed.front().is_some_and(|(frames, _)| *frames == 0) {
            self.fed.pop_front();
        }
        let Some((frames, slate)) = self.fed.front_mut() else { return false };
        *frames -= 1;
        *slate
    }
}

/// The value of a row of cells; `None` if one is neither black nor white.
fn code(cells: [u8; CELLS]) -> Option<u16> {
    cells.iter().rev().try_fold(0, |code, cell| match cell {
        0..64 => Some(code << 1),
        192.. => Some(code << 1 | 1),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(code: u16) -> [u8; CELLS] {
        std::array::from_fn(|bit| if code >> bit & 1 == 1 { 235 } else { 16 })
    }

    fn shown(feed: &[(usize, bool)], codes: &[u16]) -> Shown {
        let mut frames = Frames::default();
        feed.iter().for_each(|(count, slate)| frames.feed(*count, *slate));
        codes.iter().for_each(|code| frames.decoded(cells(*code)));
        frames.shown()
    }

    #[test]
    fn frames_in_order_are_all_there() {
        let expected = Shown { frames: 5, ..Shown::default() };
        assert_eq!(shown(&[(5, false)], &[65_533, 65_534, 65_535, 0, 1]), expected, "over the modulus");
    }

    #[test]
    fn a_missing_frame_and_a_repeated_one_are_counted() {
        let lost = Shown { frames: 3, lost: 2, ..Shown::default() };
        assert_eq!(shown(&[(3, false)], &[7, 8, 11]), lost);
        let repeated = Shown { frames: 3, repeated: 1, ..Shown::default() };
        assert_eq!(shown(&[(3, false)], &[7, 8, 8]), repeated);
        let frozen = Shown { frames: 4, repeated: 1, lost: 1, ..Shown::default() };
        assert_eq!(shown(&[(4, false)], &[7, 8, 8, 10]), frozen);
    }

    #[test]
    fn slate_takes_the_place_of_as_many_frames() {
        // The slate's own picture is never read as a code.
        let expected = Shown { frames: 3, slate: 2, ..Shown::default() };
        assert_eq!(shown(&[(2, false), (2, true), (1, false)], &[7, 8, 0, 0, 11]), expected);
    }

    #[test]
    fn a_picture_without_a_code_is_unreadable() {
        let mut frames = Frames::default();
        frames.feed(3, false);
        frames.decoded(cells(7));
        frames.decoded([128; CELLS]);
        frames.decoded(cells(9));
        assert_eq!(frames.shown(), Shown { frames: 2, unreadable: 1, ..Shown::default() });
    }
}
