//! ffmpeg's detectors of black, frozen and silent content: their filters, and what they write. Pure.
//!
//! They look at every picture and every sample once, before the encoders, whatever the number of tracks: less
//! than a hundredth of a core at 720p25. What they write is two lines where content turns bad and a few where
//! it turns good again; the time between needs none.

use airtight_media::health::Health;

/// A filter that writes what the detectors before it found, one line after the other, without delay.
fn told(filter: &str, url: &str) -> String {
    // The colon of `pipe:7` would end the option.
    format!("{filter}=mode=print:file='{}':direct=1", url.replace(':', "\\:"))
}

/// The filters that watch pictures and write to `url`.
///
/// Black is blackdetect's: 98 % of the picture is darker than a tenth of the range. Frozen is freezedetect's: no
/// more than noise of −60 dB for a tenth of a second.
pub fn pictures(url: &str) -> String {
    format!("blackdetect=d=0,freezedetect=n=-60dB:d=0.1,{}", told("metadata", url))
}

/// The filters that watch sound and write to `url`. Silent is below −60 dB in all channels for a tenth of a second.
pub fn sound(url: &str) -> String {
    format!("silencedetect=n=-60dB:d=0.1,{}", told("ametadata", url))
}

/// What the detectors say at one frame: a picture, or a block of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// What is bad.
    pub what: Health,
    /// True where it begins.
    pub begins: bool,
    /// The frame, counted from the first of the run.
    pub frame: u64,
}

/// Reads what the filters write.
#[derive(Debug, Default)]
pub struct Reader {
    frame: u64,
}

impl Reader {
    /// Takes the next line; `None` if it says nothing of the beginning or the end of something bad.
    pub fn line(&mut self, line: &str) -> Option<Said> {
        if let Some(rest) = line.strip_prefix("frame:") {
            self.frame = rest.split_whitespace().next()?.parse().ok()?;
            return None;
        }
        // The values are times, rounded to six digits: the frame tells it exactly.
        let (what, begins) = match line.split_once('=')?.0 {
            "lavfi.black_start" => (Health::Black, true),
            "lavfi.black_end" => (Health::Black, false),
            "lavfi.freezedetect.freeze_start" => (Health::Frozen, true),
            "lavfi.freezedetect.freeze_end" => (Health::Frozen, false),
            "lavfi.silence_start" => (Health::Silent, true),
            "lavfi.silence_end" => (Health::Silent, false),
            _ => return None,
        };
        Some(Said { what, begins, frame: self.frame })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ffmpeg_writes_is_understood() {
        let text = "frame:90   pts:92160   pts_time:2.0898\n\
                    lavfi.silence_start=2\n\
                    frame:75   pts:75      pts_time:3\n\
                    lavfi.black_start=3\n\
                    frame:78   pts:78      pts_time:3.12\n\
                    lavfi.freezedetect.freeze_start=3\n\
                    frame:4500000000 pts:4500000000 pts_time:1.8e+08\n\
                    lavfi.black_end=1.8e+08\n\
                    lavfi.freezedetect.freeze_duration=3\n\
                    lavfi.freezedetect.freeze_end=6\n\
                    lavfi.silence_end=4.00002\n\
                    lavfi.silence_duration=2.00002\n\
                    \n\
                    something else";
        let mut reader = Reader::default();
        let said: Vec<_> = text.lines().filter_map(|line| reader.line(line)).collect();
        let said: Vec<_> = said.iter().map(|said| (said.what, said.begins, said.frame)).collect();
        let expected = [
            (Health::Silent, true, 90),
            (Health::Black, true, 75),
            (Health::Frozen, true, 78),
            (Health::Black, false, 4_500_000_000),
            (Health::Frozen, false, 4_500_000_000),
            (Health::Silent, false, 4_500_000_000),
        ];
        assert_eq!(said, expected);
    }
}
