//! `airtight watch URL…`: the strict viewer of `lab`, on the command line.
//!
//! What it finds goes to stdout, as text or JSON; the exit status tells whether viewers see what they should.

use std::{io::Write as _, time::Duration};

use airtight_lab::{
    player::Settings as Player,
    watch::{Line, Options, Url},
};
use anyhow::bail;

use crate::{
    cli::Invocation,
    config::SettingError,
    serve::run::{block_on, until_signal},
};

fn options(invocation: &Invocation) -> Result<Options, SettingError> {
    let settings = &invocation.settings;
    let urls = invocation.operands.iter().map(|url| url.parse::<Url>());
    let urls = urls.collect::<Result<Vec<_>, _>>().map_err(|error| SettingError::new(error.to_string()))?;
    // 0 stands for none, and is out of both ranges.
    let given = |key, range| Ok(Some(settings.within(key, range, 0)?).filter(|value| *value > 0));
    let decoder = match settings.get("frames", None, false)? {
        true => Some(settings.get("ffmpeg", None, "ffmpeg".to_owned())?),
        false => None,
    };
    Ok(Options {
        urls,
        time: given("seconds", (1, 604_800))?.map(Duration::from_secs),
        player: settings.get("player", None, Player::HLS_JS)?,
        every: given("every", (50, 60_000))?.map(Duration::from_millis),
        decoder,
    })
}

/// Watches until the time is over, the event has ended, or it is told to stop.
///
/// # Errors
/// Wrong settings; anything that a viewer should not see.
pub fn run(invocation: &Invocation) -> anyhow::Result<()> {
    let options = options(invocation)?;
    let json = invocation.settings.get("json", None, false)?;
    let report = block_on(async {
        let stop = until_signal()?;
        anyhow::Ok(airtight_lab::watch::run(options, stop.cancelled(), |line| print(line, json)).await)
    })?;
    match report.verdict() {
        None => Ok(()),
        Some(verdict) => bail!("viewers do not see what they should: {verdict}"),
    }
}

/// The exit status tells the outcome, too, so that nobody need read.
fn print(line: &Line, json: bool) {
    let text =
        if json { serde_json::to_string(line).unwrap_or_else(|e| e.to_string()) } else { line.to_string() };
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Options, SettingError> {
        let words = ["airtight", "watch"].iter().chain(args).map(Into::into);
        options(&crate::cli::parse(words)?)
    }

    #[test]
    fn a_flag_does_not_take_the_url_for_its_value() {
        let url = "http://localhost:8000/live01/playlist.m3u8";
        let options = parsed(&["--frames", url, "--json", url]).unwrap();
        assert_eq!(options.urls.len(), 2);
        assert_eq!((options.decoder.as_deref(), options.time, options.every), (Some("ffmpeg"), None, None));
        let options = parsed(&["--seconds", "20", "--every", "200", "--player", "recommended", url]).unwrap();
        assert_eq!(
            (options.time, options.every),
            (Some(Duration::from_secs(20)), Some(Duration::from_millis(200)))
        );
        assert_eq!((options.player, options.decoder), (Player::RECOMMENDED, None));
    }

    #[test]
    fn what_cannot_be_watched_is_named() {
        let url = "http://localhost:8000/live01/playlist.m3u8";
        let cases = [
            (
                vec!["localhost:8000"],
                "'localhost:8000' is no URL of a playlist: expected http://HOST[:PORT]/PATH",
            ),
            (
                vec![url, "--player", "vlc"],
                "--player = 'vlc' can't be used: expected 'hls.js' or 'recommended'",
            ),
            (
                vec![url, "--seconds", "0"],
                "--seconds = '0' can't be used: expected a whole number from 1 to 604800",
            ),
        ];
        for (args, expected) in cases {
            assert_eq!(parsed(&args).unwrap_err().to_string(), expected);
        }
    }
}
