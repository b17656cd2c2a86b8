//! Steers viewers: asks every origin of the system whether it is ready, and keeps the order in which to try them.
//!
//! The order is what this origin sees now. It decides nothing for the others, and no playlist depends on it.

use std::{str::FromStr, time::Duration};

use airtight_control::{
    ingest::{PartUrl, UrlError},
    steering::Steering,
};
use airtight_media::pathway::{Pathways, PublicUrl, PublicUrlError};
use futures_util::future::join_all;
use http::StatusCode;
use thiserror::Error;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::routes::App;
use crate::http::{Budget, Client};

/// Between two rounds of questions.
const INTERVAL: Duration = Duration::from_secs(1);
/// For one answer.
const BUDGET: Budget = Budget { time: Duration::from_millis(500), bytes: 4096 };

/// A pathway as it is set: `PUBLIC`, or `PUBLIC=ADDRESS` if origins reach each other elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// Where viewers reach the origin.
    pub(super) public: PublicUrl,
    /// Where it is asked whether it is ready.
    asked: PartUrl,
}

/// A text that is no pathway.
#[derive(Debug, Error)]
pub(super) enum WayError {
    #[error("{0}")]
    Public(#[from] PublicUrlError),
    #[error("{0}")]
    Asked(#[from] UrlError),
    #[error(
        "the other origins can't ask there whether it is ready: add where they reach it, such as {0}=http://10.0.0.1:8000"
    )]
    Unasked(PublicUrl),
}

impl FromStr for Way {
    type Err = WayError;

    fn from_str(text: &str) -> Result<Self, WayError> {
        match text.split_once('=') {
            Some((public, asked)) => Ok(Self { public: public.parse()?, asked: asked.parse()? }),
            None => {
                let public: PublicUrl = text.parse()?;
                let asked = public.to_string().parse();
                Ok(Self { asked: asked.map_err(|_| WayError::Unasked(public.clone()))?, public })
            }
        }
    }
}

/// Asks and orders.
pub(super) struct Steerer {
    app: App,
    client: Client,
    pathways: Pathways,
    asked: Vec<PartUrl>,
    own: usize,
    steering: Steering,
}

impl Steerer {
    /// Steers from the origin with pathway `own` of `ways`, whose answers are made of `app`.
    pub(super) fn new(app: App, client: Client, ways: &[Way], own: usize) -> Self {
        let pathways = Pathways::new(ways.iter().map(|way| way.public.clone()));
        let asked = ways.iter().map(|way| way.asked.clone()).collect();
        Self { app, client, pathways, asked, own, steering: Steering::new(own, ways.len()) }
    }

    /// Steers until nobody is served any more.
    pub(super) async fn run(mut self, done: CancellationToken) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while done.run_until_cancelled(ticks.tick()).await.is_some() {
            self.round().await;
        }
    }

    async fn round(&mut self) {
        let (app, client, own) = (&self.app, &self.client, self.own);
        let answers = self.asked.iter().enumerate().map(|(at, url)| async move {
            match at == own {
                true => app.ready().is_ok(),
                false => is_ready(client, url).await,
            }
        });
        let before = self.steering.order();
        for (at, ready) in join_all(answers).await.into_iter().enumerate() {
            self.steering.handle(at, ready);
        }
        let order = self.steering.order();
        if order != before {
            info!("Viewers are steered to {} first", self.called(&order));
        }
        self.app.board.steer(order);
    }

    fn called(&self, order: &[usize]) -> String {
        let first = order.first().and_then(|first| self.pathways.iter().nth(*first));
        first.map_or_else(String::new, |pathway| format!("{pathway} at {}", pathway.url))
    }
}

async fn is_ready(client: &Client, url: &PartUrl) -> bool {
    let answer = client.get(&format!("{url}/readyz"), BUDGET).await;
    answer.is_ok_and(|answer| answer.status == StatusCode::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pathway_is_where_viewers_go_and_where_origins_ask() {
        for (text, read) in [
            ("http://localhost:8000", Ok(("http://localhost:8000", "http://localhost:8000"))),
            (
                "https://one.example/live=http://10.0.0.1:8000",
                Ok(("https://one.example/live", "http://10.0.0.1:8000")),
            ),
            (
                "https://one.example",
                Err(
                    "the other origins can't ask there whether it is ready: add where they reach it, such as https://one.example=http://10.0.0.1:8000",
                ),
            ),
            (
                "http://one.example/live",
                Err(
                    "the other origins can't ask there whether it is ready: add where they reach it, such as http://one.example/live=http://10.0.0.1:8000",
                ),
            ),
            (
                "one.example",
                Err(
                    "'one.example' is no public URL: it has to be http:// or https:// and a host, such as https://one.example or http://localhost:8000",
                ),
            ),
        ] {
            let way = text.parse::<Way>().map(|way| (way.public.to_string(), way.asked.to_string()));
            let read = read.map(|(public, asked)| (public.to_owned(), asked.to_owned()));
            assert_eq!(way.map_err(|error| error.to_string()), read.map_err(str::to_owned));
        }
    }
}
