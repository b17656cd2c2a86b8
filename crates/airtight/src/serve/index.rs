//! The page at `/`: which signals there are, each with a link to the page that plays it.

use std::fmt::Write as _;

use crate::publish::{Offer, Signals};

/// The page. Its links are relative, so that it is right behind a proxy, too.
pub fn render(signals: &Signals) -> String {
    let mut page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
                    <meta name=\"viewport\" content=\"width=device-width\"><title>airtight</title><h1>Signals</h1>"
        .to_owned();
    if signals.is_empty() {
        page.push_str("<p>No signal is known yet.</p>");
    }
    for (signal, offer) in signals {
        // A name is letters, digits, '_' and '-': there is nothing in it to escape.
        let state = match offer {
            Offer::Declared(_) => "has no media yet",
            Offer::On(published) if published.snapshot.ended() => "has ended",
            Offer::On(_) => "is on the air",
        };
        write!(
            page,
            "<p><a href=\"{signal}/\">{signal}</a> {state} (<a href=\"{signal}/playlist.m3u8\">playlist</a>)</p>"
        )
        .expect("writing to a String cannot fail");
    }
    page.push('\n');
    page
}
