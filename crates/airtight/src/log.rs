//! The log: one line per event to stderr, for people or for machines.
//!
//! Text lines are `2024-04-05 11:23:05 INF message key=value`, in local time. A log neither ends the program that
//! writes it nor holds it up: lines that stderr does not take wait in an [`Outlet`], or are dropped and counted.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use anyhow::Context as _;
use jiff::{Timestamp, tz::TimeZone};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::{
    config::{SettingError, Settings},
    outlet::{Outlet, Stream},
};

/// How the one sentence of a failure begins, which is no line of the log.
pub const SPEAKER: &str = "airtight: ";

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json"),
        }
    }
}

/// The least level that is logged.
struct Least(Level);

impl FromStr for Least {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "expected error, warn, info, debug or trace")
    }
}

/// The least level that is logged, and how.
struct Config {
    level: Level,
    format: Format,
}

impl Config {
    fn new(settings: &Settings) -> Result<Self, SettingError> {
        let Least(level) = settings.get("log", None, Least(Level::INFO))?;
        Ok(Self { level, format: settings.get("log-format", None, Format::Text)? })
    }
}

/// Checks the settings and does nothing.
///
/// # Errors
/// A format or a level that does not exist.
pub fn check(settings: &Settings) -> Result<(), SettingError> {
    Config::new(settings).map(drop)
}

/// Starts the log of this process as `log-format` and `log` say; its last lines are out when what is returned
/// has finished.
///
/// # Errors
/// A format or a level that does not exist; a machine that gives no further thread.
pub fn start(settings: &Settings) -> anyhow::Result<Outlet> {
    let Config { level, format } = Config::new(settings)?;
    let outlet = Outlet::start(move |count| lost(format, count)).context("cannot start the log")?;
    // Libraries speak up only when something is wrong.
    let filter = EnvFilter::new(format!("warn,airtight={level}"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(outlet.clone())
        .with_ansi(false)
        .log_internal_errors(false);
    match format {
        Format::Text => log.event_format(Line { zone: zone() }).init(),
        Format::Json => log.json().flatten_event(true).init(),
    }
    Ok(outlet)
}

/// The line that tells of lines that were dropped.
fn lost(format: Format, count: u64) -> String {
    let (now, message) = (Timestamp::now(), format!("{count} lines of this log are lost: nobody took them"));
    match format {
        Format::Text => line(now, &zone(), Level::WARN, &Text { message, ..Text::default() }),
        Format::Json => {
            serde_json::json!({"timestamp": now.to_string(), "level": "WARN", "message": message}).to_string()
        }
    }
}

/// The one sentence of a failure, on stderr. The exit code tells it, too, so that it may find nobody who reads.
pub fn last_words(error: &anyhow::Error) {
    // Without a thread to be had there is nobody to speak for us.
    if let Ok(outlet) = Outlet::start(|_| String::new()) {
        outlet.say(Stream::Error, format!("{SPEAKER}{error:#}"));
        outlet.finish();
    }
}

/// The zone that times are told in: `TZ`, else `/etc/localtime`, else UTC.
pub fn zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// Formats an event as one line of text.
struct Line {
    zone: TimeZone,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = Text::default();
        event.record(&mut text);
        writeln!(writer, "{}", line(Timestamp::now(), &self.zone, *event.metadata().level(), &text))
    }
}

fn line(moment: Timestamp, zone: &TimeZone, level: Level, text: &Text) -> String {
    let time = moment.to_zoned_datetime(zone.clone());
    let level = match level {
        Level::ERROR => "ERR",
        Level::WARN => "WRN",
        Level::INFO => "INF",
        Level::DEBUG => "DBG",
        Level::TRACE => "TRC",
    };
    format!("{} {level} {}{}", time.strftime("%Y-%m-%d %H:%M:%S"), text.message, text.fields)
}

/// The message and the fields of an event.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    /// Adds a value. Line breaks are escaped, so that an event stays one line whatever it tells of; a value
    /// with a space is put in quotes, so that it ends where it ends.
    fn add(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            for character in value.chars() {
                match character.is_control() {
                    true => self.message.extend(character.escape_debug()),
                    false => self.message.push(character),
                }
            }
            return;
        }
        let plain = !value.is_empty()
            && !value.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"' || c == '=');
        // Writing to a String can't fail.
        let _ = match plain {
            true => write!(self.fields, " {}={value}", field.name()),
            false => write!(self.fields, " {}={value:?}", field.name()),
        };
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
pub mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::{Layer, layer::SubscriberExt as _};

    use super::*;

    /// Formats every event and keeps the lines.
    struct Lines(Arc<Mutex<Vec<String>>>, TimeZone);

    impl<S: Subscriber> Layer<S> for Lines {
        fn on_event(&self, event: &Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            let moment = "2024-04-05T14:23:05Z".parse().unwrap();
            let mut text = Text::default();
            event.record(&mut text);
            self.0.lock().unwrap().push(line(moment, &self.1, *event.metadata().level(), &text));
        }
    }

    /// The lines of the events of this thread, from the lowest level on.
    pub fn lines(events: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let layer = Lines(lines.clone(), TimeZone::get("America/Sao_Paulo").unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        let lines = lines.lock().unwrap();
        lines.clone()
    }

    #[test]
    fn a_line_is_local_time_level_and_message() {
        let signal = "live01";
        assert_eq!(
            lines(|| tracing::info!("Registered signal '{signal}' as ingest source")),
            ["2024-04-05 11:23:05 INF Registered signal 'live01' as ingest source"]
        );
    }

    #[test]
    fn levels_have_three_letters() {
        let levels = lines(|| {
            tracing::error!("m");
            tracing::warn!("m");
            tracing::debug!("m");
            tracing::trace!("m");
        });
        let levels: Vec<&str> = levels.iter().map(|line| &line[20..]).collect();
        assert_eq!(levels, ["ERR m", "WRN m", "DBG m", "TRC m"]);
    }

    #[test]
    fn fields_follow_the_message_and_an_event_is_one_line() {
        let path = "a b";
        assert_eq!(
            lines(
                || tracing::info!(number = 7, path, plain = "x", empty = "", broken = %"1\n2", "two\nlines")
            ),
            [r#"2024-04-05 11:23:05 INF two\nlines number=7 path="a b" plain=x empty="" broken="1\n2""#]
        );
    }

    #[test]
    fn a_format_or_a_level_that_does_not_exist_is_refused() {
        assert_eq!("JSON".parse::<Format>(), Err("expected text or json"));
        let refused = "chatty".parse::<Least>().err();
        assert_eq!(refused, Some("expected error, warn, info, debug or trace"));
    }
}
