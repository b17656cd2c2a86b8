//! What becomes of bytes on their way, by the weather. Pure.

use std::time::Duration;

/// What a connection meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Nothing.
    Clear,
    /// Nothing passes, and nobody is told; what was sent arrives when it is over.
    Cut,
    /// An answer comes so much later: half of it on the way there, half on the way back.
    Late(Duration),
    /// So many of a hundred requests, and of a hundred connections, are reset.
    Resets(u64),
    /// So few bytes a second pass, each way.
    Slow(u32),
    /// Requests are answered by something without an end.
    Endless,
}

/// What becomes of bytes that wait to be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// They pass now.
    Pass,
    /// They wait so much longer.
    Wait(Duration),
    /// They wait until the weather changes.
    Hold,
    /// One passes, the others wait so long.
    One(Duration),
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is passed on.
    Passed,
    /// Its connection is reset.
    Reset,
    /// It gets an answer without an end, and not from the server.
    Babble,
}

impl Weather {
    /// What two parts meet that are connected: the weather of the client, or else that of the server. Who gives answers
    /// without an end gets those of others as they are.
    pub fn between(client: Self, server: Self) -> Self {
        match client {
            Self::Clear | Self::Endless => server,
            _ => client,
        }
    }

    /// What becomes of bytes that have waited for `waited`.
    pub fn step(self, waited: Duration) -> Step {
        match self {
            Self::Clear | Self::Resets(_) | Self::Endless => Step::Pass,
            Self::Cut => Step::Hold,
            Self::Late(delay) if waited < delay / 2 => Step::Wait(delay / 2 - waited),
            Self::Late(_) => Step::Pass,
            Self::Slow(rate) => Step::One(Duration::from_secs(1) / rate.max(1)),
        }
    }

    /// What becomes of a request, by a number that is drawn from the first hundred.
    pub const fn fate(self, drawn: u64) -> Fate {
        match self {
            Self::Resets(percent) if drawn < percent => Fate::Reset,
            Self::Endless => Fate::Babble,
            _ => Fate::Passed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn half_of_a_delay_is_waited_each_way() {
        let late = Weather::Late(millis(300));
        assert_eq!(late.step(millis(0)), Step::Wait(millis(150)));
        assert_eq!(late.step(millis(140)), Step::Wait(millis(10)));
        assert_eq!(late.step(millis(150)), Step::Pass);
    }

    #[test]
    fn so_many_of_a_hundred_are_reset() {
        let reset = (0..100).filter(|drawn| Weather::Resets(20).fate(*drawn) == Fate::Reset).count();
        assert_eq!(reset, 20);
        assert!((0..100).all(|drawn| Weather::Cut.fate(drawn) == Fate::Passed));
    }

    #[test]
    fn the_worse_of_two_skies_counts() {
        assert_eq!(Weather::between(Weather::Clear, Weather::Cut), Weather::Cut);
        assert_eq!(Weather::between(Weather::Cut, Weather::Clear), Weather::Cut);
        assert_eq!(Weather::between(Weather::Clear, Weather::Clear), Weather::Clear);
    }

    #[test]
    fn answers_without_an_end_are_those_of_the_server() {
        assert_eq!(Weather::between(Weather::Endless, Weather::Clear), Weather::Clear);
        assert_eq!(Weather::between(Weather::Clear, Weather::Endless), Weather::Endless);
    }

    #[test]
    fn what_is_cut_off_waits_and_what_is_slow_passes_byte_by_byte() {
        assert_eq!(Weather::Cut.step(millis(60_000)), Step::Hold);
        assert_eq!(Weather::Slow(1).step(millis(0)), Step::One(millis(1000)));
    }
}
