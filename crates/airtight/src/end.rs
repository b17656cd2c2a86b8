//! `airtight end SIGNAL`: sets the last number of an event.
//!
//! The end is part of the signal record, and records are joined wherever they meet. So it is enough that
//! one packager, or the shared folder, takes it: workers, packagers and origins learn of it from each
//! other. Never here: stopping an encoder. That is the worker's answer to the record.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use airtight_control::ingest::PartUrl;
use airtight_media::{
    grid::Number,
    id::SignalName,
    record::{Record, RecordError},
};
use anyhow::{Context as _, bail};
use futures_util::future::join_all;
use http::{Method, Request, header};
use http_body_util::Full;
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    cli::{self, Invocation},
    config::SettingError,
    http::{Budget, Client},
    log, shared_record,
};

/// The packagers of the seed system.
const PACKAGERS: &str = "http://localhost:8080,http://localhost:9090";
/// An answer of a packager: its list of signals, or its opinion of a record.
const BUDGET: Budget = Budget { time: Duration::from_secs(5), bytes: 4 << 20 };
/// Numbers that are still to come: what encoders and packagers work on is not cut off.
const AHEAD: u64 = 2;

/// A signal as a packager, or a folder, knows it.
#[derive(Debug, Deserialize)]
struct Known {
    signal: SignalName,
    record: Record,
    newest: Option<Number>,
}

/// Ends the event of a signal.
///
/// # Errors
/// A [`SettingError`] if there is no such signal; no packager that can be reached or that takes the end.
pub fn run(invocation: &Invocation) -> anyhow::Result<()> {
    let settings = &invocation.settings;
    let name = invocation.operands.first().map_or("", String::as_str);
    let signal: SignalName = name.parse().map_err(|error| SettingError::new(format!("SIGNAL: {error}")))?;
    let record = match settings.opt::<PathBuf>("output", None)? {
        Some(folder) => end_in_folder(&folder, &signal)?,
        None => {
            let packagers = settings.list("packagers", PACKAGERS)?;
            crate::serve::run::block_on(end_at_packagers(&packagers, &signal))?
        }
    };
    cli::answer(sentence(&record))
}

/// When the last segment is over, in local time.
fn sentence(record: &Record) -> String {
    let Record { signal, grid, end, .. } = record;
    let Some(end) = *end else { return format!("{signal} goes on") };
    let over = i64::try_from(grid.end_millis(end)).ok().and_then(|t| Timestamp::from_millisecond(t).ok());
    let when = over.map(|t| t.to_zoned_datetime(log::zone()).strftime("%Y-%m-%d %H:%M:%S").to_string());
    format!("{signal} ends with number {end}, at {}", when.as_deref().unwrap_or("the end of time"))
}

/// The record with its end. An event that has an end keeps it.
fn ended(known: &[Known]) -> Result<Option<Record>, RecordError> {
    let Some((first, others)) = known.split_first() else { return Ok(None) };
    let mut record = others.iter().try_fold(first.record.clone(), |all, one| all.join(&one.record))?;
    let newest = known.iter().filter_map(|one| one.newest).max();
    let end = newest.map_or(record.first, |newest| newest.plus(AHEAD));
    record.end = record.end.or(Some(end.max(record.first)));
    record.check()?;
    Ok(Some(record))
}

async fn end_at_packagers(packagers: &[PartUrl], signal: &SignalName) -> anyhow::Result<Record> {
    let client = Client::new();
    let answers = join_all(packagers.iter().map(|packager| signals(&client, packager))).await;
    let mut reached = Vec::new();
    let mut known = Vec::new();
    let mut faults = Vec::new();
    for (packager, answer) in packagers.iter().zip(answers) {
        match answer {
            Ok(signals) => {
                reached.push(packager);
                known.extend(signals);
            }
            Err(fault) => faults.push(format!("{fault:#}")),
        }
    }
    if reached.is_empty() {
        bail!("no packager tells its signals, so no event can be ended: {}", faults.join("; "));
    }
    let (of_signal, others): (Vec<_>, Vec<_>) = known.into_iter().partition(|one| one.signal == *signal);
    let Some(record) = ended(&of_signal)? else { bail!(unknown(signal, others)) };
    let answers = join_all(reached.iter().map(|packager| put(&client, packager, &record))).await;
    let refusals = answers.into_iter().filter_map(Result::err).map(|fault| format!("{fault:#}"));
    let (before, taken) = (faults.len(), reached.len());
    faults.extend(refusals);
    if faults.len() - before == taken {
        bail!("no packager takes the end of {signal}: {}", faults.join("; "));
    }
    for fault in faults {
        tracing::warn!("{fault}; it learns of the end from the workers");
    }
    Ok(record)
}

fn unknown(signal: &SignalName, others: Vec<Known>) -> SettingError {
    let names: BTreeSet<String> = others.into_iter().map(|one| one.signal.to_string()).collect();
    let names = match names.is_empty() {
        true => "there is none".to_owned(),
        false => format!("expected one of {}", Vec::from_iter(names).join(", ")),
    };
    SettingError::new(format!("no packager has a signal '{signal}': {names}"))
}

async fn signals(client: &Client, packager: &PartUrl) -> anyhow::Result<Vec<Known>> {
    let url = format!("{packager}/signals");
    let answer = client.get(&url, BUDGET).await.with_context(|| url.clone())?;
    if !answer.status.is_success() {
        bail!("{url}: {} {}", answer.status, answer.sentence());
    }
    serde_json::from_slice(&answer.body).with_context(|| format!("{url}: not a list of signals"))
}

async fn put(client: &Client, packager: &PartUrl, record: &Record) -> anyhow::Result<()> {
    let url = format!("{packager}/ingest/{}/signal.json", record.signal);
    let request = Request::builder().method(Method::PUT).uri(&url);
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let body = Full::from(serde_json::to_vec(record)?);
    let answer = client.send(request.body(body)?, BUDGET).await.with_context(|| url.clone())?;
    if !answer.status.is_success() {
        bail!("{url}: {} {}", answer.status, answer.sentence());
    }
    Ok(())
}

/// Ends the event in a shared folder: the packagers that serve it read it there.
fn end_in_folder(root: &Path, signal: &SignalName) -> anyhow::Result<Record> {
    let folder = root.join(signal.as_str());
    let Some(record) = shared_record::read(root, signal)? else {
        let path = folder.join("signal.json");
        bail!(SettingError::new(format!("there is no signal '{signal}': {} is missing", path.display())));
    };
    let newest = newest(&folder)?;
    let record = ended(&[Known { signal: signal.clone(), record, newest }])?.context("it is known")?;
    shared_record::merge(root, &record).with_context(|| format!("cannot write to {}", folder.display()))
}

/// The newest whole number of any track of any lineage in a signal's folder.
fn newest(folder: &Path) -> anyhow::Result<Option<Number>> {
    let mut newest = None;
    for lineage in folders(folder)? {
        for track in folders(&lineage)? {
            let entries = fs::read_dir(&track).with_context(|| track.display().to_string())?;
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            newest = newest.max(names.filter_map(|name| name.strip_suffix(".m4s")?.parse().ok()).max());
        }
    }
    Ok(newest)
}

fn folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(first: u64, end: Option<u64>) -> Record {
        let json = serde_json::json!({
            "signal": "live01", "d": 2000, "parts": 4, "first": first, "end": end,
            "eras": [{"first": first, "tracks": [{
                "name": "audio", "kind": "audio", "channels": 2, "scale": 48000, "frame": 1024,
                "codecs": "mp4a.40.2", "bandwidth": 128_000, "init": "0123456789abcdef",
            }]}],
        });
        serde_json::from_value(json).unwrap()
    }

    fn known(newest: Option<u64>, end: Option<u64>) -> Known {
        let record = record(100, end);
        Known { signal: record.signal.clone(), record, newest: newest.map(Number) }
    }

    fn end_of(known: &[Known]) -> Option<Number> {
        ended(known).unwrap().unwrap().end
    }

    #[test]
    fn the_end_is_two_after_the_newest_of_all() {
        assert_eq!(end_of(&[known(Some(110), None), known(Some(112), None)]), Some(Number(114)));
        assert_eq!(end_of(&[known(None, None), known(Some(110), None)]), Some(Number(112)));
    }

    #[test]
    fn an_event_without_media_ends_with_its_first_number() {
        assert_eq!(end_of(&[known(None, None)]), Some(Number(100)));
        assert!(ended(&[]).unwrap().is_none());
    }

    #[test]
    fn an_end_is_never_moved() {
        assert_eq!(end_of(&[known(Some(120), None), known(Some(110), Some(105))]), Some(Number(105)));
    }

    #[test]
    fn a_shared_folder_is_ended_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let signal: SignalName = "live01".parse().unwrap();
        let error = end_in_folder(folder.path(), &signal).unwrap_err();
        assert!(error.is::<SettingError>(), "{error}");
        let root = folder.path().join("live01");
        for track in ["a-1/audio", "b-2/audio"] {
            fs::create_dir_all(root.join(track)).unwrap();
        }
        fs::write(root.join("a-1/audio/119.m4s"), "").unwrap();
        fs::write(root.join("b-2/audio/120.m4s"), "").unwrap();
        fs::write(root.join("b-2/audio/121.0.m4s"), "").unwrap();
        fs::write(root.join("signal.json"), serde_json::to_vec(&record(100, None)).unwrap()).unwrap();
        assert_eq!(end_in_folder(folder.path(), &signal).unwrap().end, Some(Number(122)));
        let written: Record = serde_json::from_slice(&fs::read(root.join("signal.json")).unwrap()).unwrap();
        assert_eq!(written, record(100, Some(122)));
        assert_eq!(fs::read_dir(&root).unwrap().count(), 3, "no draft is left");
    }

    #[test]
    fn the_sentence_tells_the_moment() {
        let said = sentence(&record(100, Some(899_999)));
        assert!(said.starts_with("live01 ends with number 899999, at 1970-01-2"), "{said}");
    }
}
