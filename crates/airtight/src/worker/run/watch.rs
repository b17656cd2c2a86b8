//! What is found in the content of a run, and the word for each of its segments.

use airtight_media::{
    grid::Number,
    health::{Findings, Health, Sign},
    id::Lineage,
    parity::{Luma, Pictures},
};
use tracing::{info, warn};

/// What is found in a run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    /// By a detector.
    Sign(Sign),
    /// The first picture of a segment.
    First(Number, Luma),
}

/// The pictures, or the sound.
struct Stream {
    name: &'static str,
    found: Findings,
    /// The newest segment that was judged, and the word for it.
    judged: (Number, Health),
}

/// The content of a run.
pub(super) struct Watch {
    lineage: Lineage,
    pictures: Stream,
    sound: Stream,
    /// What segments begin with.
    first: Pictures,
}

impl Watch {
    /// The content of a run that begins at `begun_ms` since 1970.
    pub(super) fn new(lineage: Lineage, begun_ms: u64) -> Self {
        let stream =
            |name| Stream { name, found: Findings::new(begun_ms), judged: (Number(0), Health::Healthy) };
        Self { lineage, pictures: stream("pictures"), sound: stream("sound"), first: Pictures::default() }
    }

    /// Takes what was found.
    pub(super) fn take(&mut self, found: Found) {
        match found {
            Found::Sign(sign) => self.sign(sign),
            Found::First(number, luma) => self.first.show(number, luma),
        }
    }

    /// What segment `number` begins with.
    pub(super) fn first(&self, number: Number) -> Option<Luma> {
        self.first.of(number)
    }

    fn sign(&mut self, sign: Sign) {
        let stream = match sign.what {
            Health::Silent => &mut self.sound,
            Health::Healthy | Health::Frozen | Health::Black => &mut self.pictures,
        };
        stream.found.take(sign);
    }

    /// The word for segment `number`, which is on the air between these milliseconds since 1970; a change is
    /// logged once, however many tracks show the same pictures.
    pub(super) fn judge(&mut self, pictures: bool, number: Number, (start, end): (u64, u64)) -> Health {
        let stream = if pictures { &mut self.pictures } else { &mut self.sound };
        let health = stream.found.health(start, end);
        let (newest, told) = stream.judged;
        if number > newest {
            stream.judged = (number, health);
            let (name, lineage) = (stream.name, &self.lineage);
            if health.is_healthy() && !told.is_healthy() {
                info!("Lineage {lineage} has good {name} again from number {number} on");
            } else if health != told {
                warn!("Lineage {lineage} has {health} {name} from number {number} on: look at its input");
            }
        }
        health
    }
}
