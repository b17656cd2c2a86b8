//! `airtight up --upgrade`: every part that was adopted is replaced by one of the present program, one after the
//! other, readers before writers, so that whoever is replaced is understood by those it speaks to.
//!
//! The first that does not become ready ends it: what runs goes on as it is, and so it is started again if it dies.

use std::collections::BTreeMap;
use std::convert::Infallible;

use tokio::sync::{mpsc, oneshot};

use super::console::Console;
use super::plan::Part;
use super::succession::Answer;

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The parts to be replaced.
#[derive(Debug)]
pub struct Upgrade {
    /// How each is told.
    pub parts: BTreeMap<Part, mpsc::Sender<Answer>>,
    /// Where it is told how it goes.
    pub console: Console,
}

impl Upgrade {
    /// Replaces all of them, and does the rest once they are; has no further end, as supervision has none.
    pub async fn run(self, replaced: impl FnOnce()) -> Infallible {
        for (part, replacing) in self.parts.iter().rev() {
            match replace(replacing).await {
                Ok(()) => self.console.say(part, format_args!("is of version {VERSION} now")),
                Err(reason) => {
                    let what = "the process before it goes on, and nothing further is upgraded";
                    self.console.say(part, format_args!("of version {VERSION} {reason}: {what}"));
                    return std::future::pending().await;
                }
            }
        }
        replaced();
        self.console.say("up", format_args!("all parts are of version {VERSION}"));
        std::future::pending().await
    }
}

async fn replace(replacing: &mpsc::Sender<Answer>) -> Result<(), String> {
    let gone = || "is not supervised any more".to_owned();
    let (answer, answered) = oneshot::channel();
    replacing.send(answer).await.map_err(|_| gone())?;
    answered.await.unwrap_or_else(|_| Err(gone()))
}
