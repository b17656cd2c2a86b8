//! A packager that is fed by PUT.

use std::{fmt, time::Duration};

use airtight_control::ingest::PartUrl;
use airtight_media::{holding::Place, id::SignalName, record::Record};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;

use super::{Destination, Outcome};
use crate::{
    http::{Budget, Client},
    worker::shelf::Item,
};

/// For a packager to take a segment; a frozen one is asked anew after that.
const BUDGET: Budget = Budget { time: Duration::from_secs(3), bytes: 64 << 10 };

/// One packager.
pub struct Packager {
    url: PartUrl,
    client: Client,
    signal: SignalName,
}

impl Packager {
    /// The packager at `url`.
    pub fn new(url: PartUrl, client: Client, signal: SignalName) -> Self {
        Self { url, client, signal }
    }

    async fn send(&self, place: &Place, bytes: Bytes) -> Outcome {
        let request = Request::put(format!("{}/ingest/{place}", self.url)).body(Full::new(bytes));
        let request = match request {
            Ok(request) => request,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        match self.client.send(request, BUDGET).await {
            Ok(answer) => outcome(answer.status, place, &answer.sentence()),
            Err(fault) => Outcome::Failed(fault.to_string()),
        }
    }
}

/// What an answer means.
fn outcome(status: StatusCode, place: &Place, sentence: &str) -> Outcome {
    let answer = || format!("{status} {sentence}").trim_end().to_owned();
    match status {
        StatusCode::PRECONDITION_FAILED => Outcome::Unprepared,
        StatusCode::UNPROCESSABLE_ENTITY => Outcome::Outside(answer()),
        StatusCode::GONE => Outcome::Over(answer()),
        _ if status.is_success() => Outcome::Done,
        _ if status.is_client_error() => {
            let what = match place {
                Place::Record(_) => "signal.json".to_owned(),
                Place::Piece(_, piece) => format!("media of track {}", piece.track()),
                _ => place.to_string(),
            };
            Outcome::Refused(format!("{what}: {}", answer()))
        }
        _ => Outcome::Failed(answer()),
    }
}

impl fmt::Display for Packager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packager {}", self.url)
    }
}

impl Destination for Packager {
    async fn record(&mut self, record: &Record) -> Outcome {
        match serde_json::to_vec(record) {
            Ok(json) => self.send(&Place::Record(self.signal.clone()), json.into()).await,
            Err(error) => Outcome::Refused(error.to_string()),
        }
    }

    async fn put(&mut self, item: &Item) -> Outcome {
        self.send(&item.place(&self.signal), item.bytes.clone()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_passing_faults_are_tried_again() {
        let place = Place::parse("live01/a-1/720p/7.m4s").unwrap();
        let of = |status: u16| outcome(StatusCode::from_u16(status).unwrap(), &place, "why");
        for done in [200, 201, 204] {
            assert_eq!(of(done), Outcome::Done, "{done}");
        }
        assert_eq!(of(412), Outcome::Unprepared);
        assert_eq!(of(422), Outcome::Outside("422 Unprocessable Entity why".to_owned()));
        assert_eq!(of(410), Outcome::Over("410 Gone why".to_owned()));
        assert_eq!(of(409), Outcome::Refused("media of track 720p: 409 Conflict why".to_owned()));
        for passing in [500, 503, 507] {
            assert!(matches!(of(passing), Outcome::Failed(_)), "{passing}");
        }
    }
}
