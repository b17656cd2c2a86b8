//! Looks at what a worker is given: the ffmpeg program and the input. Every fault is one sentence.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use airtight_media::id::SignalName;
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    codec::Sound,
    file::File,
    source::{Picture, Reel, Source},
    standard,
};
use crate::{
    child::{self, Command},
    config::SettingError,
    log,
};

/// The oldest ffmpeg whose options and streams are known.
const OLDEST: (u32, u32) = (5, 1);
/// For a program that only looks.
const PATIENCE: Duration = Duration::from_secs(30);
/// Read a little before the position where a container has an index; elsewhere the next keyframe may
/// be seconds away.
const PREROLL_MS: (u64, u64) = (500, 5000);
const INDEXED: [&str; 4] = ["mov", "matroska", "wav", "flac"];
const EXTENSIONS: [&str; 22] = [
    "mp4", "m4v", "mov", "mkv", "webm", "ts", "mts", "m2ts", "flv", "avi", "mpg", "mpeg", "mxf", "wmv",
    "mp3", "m4a", "aac", "wav", "flac", "ogg", "opus", "mka",
];

/// What a program said: whether it succeeded, its output, the last line of its errors.
#[derive(Debug)]
pub struct Said {
    /// Whether its exit code was 0.
    pub success: bool,
    /// All of its standard output.
    pub output: Vec<u8>,
    /// The last line of its standard error.
    pub error: String,
    missing: bool,
    barred: bool,
}

/// Runs a program that ends by itself.
///
/// # Errors
/// It can't be started, or takes longer than [`PATIENCE`].
pub async fn ask(
    program: &str,
    args: impl IntoIterator<Item = impl Into<std::ffi::OsString>>,
) -> std::io::Result<Said> {
    let command = Command::new(program).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.dies_with_parent().spawn().await?;
    let output = timeout(PATIENCE, child.wait_with_output()).await??;
    let errors = String::from_utf8_lossy(&output.stderr);
    let error = errors.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it gave no reason");
    let code = output.status.code();
    Ok(Said {
        success: output.status.success(),
        output: output.stdout,
        error: error.trim().trim_start_matches(log::SPEAKER).to_owned(),
        missing: code == Some(child::MISSING.into()),
        barred: code == Some(child::BARRED.into()),
    })
}

/// Checks that `ffmpeg` is there and new enough.
///
/// # Errors
/// A sentence that says what to install.
pub async fn version(ffmpeg: &str) -> Result<(), SettingError> {
    let wrong = |what: String| SettingError::new(format!("ffmpeg = '{ffmpeg}' can't be used: {what}"));
    let needed = format!("install ffmpeg {}.{} or newer", OLDEST.0, OLDEST.1);
    let said = ask(ffmpeg, ["-version"]).await.map_err(|error| wrong(format!("{error}; {needed}")))?;
    if said.missing {
        return Err(wrong(format!("there is no such program; {needed}, or say where it is with --ffmpeg")));
    }
    let first = String::from_utf8_lossy(&said.output).lines().next().unwrap_or_default().to_owned();
    if said.barred {
        return Err(wrong(format!("{}; {needed}", said.error)));
    }
    let Some(version) = first.strip_prefix("ffmpeg version ") else {
        return Err(wrong(format!("it does not say its version; {needed}")));
    };
    match release(version) {
        Some(release) if release < OLDEST => {
            Err(wrong(format!("it is version {}.{}; {needed}", release.0, release.1)))
        }
        // A build from a working copy has no release in its name and is newer than any.
        _ => Ok(()),
    }
}

/// Major and minor version: `5.1.9-0+deb12u1`, `n6.0`.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('n').split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next().and_then(|n| n.parse().ok()).unwrap_or(0)))
}

/// Checks that ffmpeg has the encoder that the setting `key` asks for with `value`.
///
/// # Errors
/// A sentence that names what is missing.
pub async fn encoder(
    ffmpeg: &str,
    encoder: &str,
    key: &str,
    value: impl std::fmt::Display,
) -> Result<(), SettingError> {
    let wrong = |what: String| SettingError::new(format!("{key} = '{value}' can't be used: {what}"));
    let said = ask(ffmpeg, ["-hide_banner", "-encoders"]).await.map_err(|error| wrong(error.to_string()))?;
    let listed = String::from_utf8_lossy(&said.output);
    if listed.lines().any(|line| line.split_whitespace().nth(1) == Some(encoder)) {
        return Ok(());
    }
    Err(wrong(format!(
        "'{ffmpeg}' has no encoder {encoder}; install an ffmpeg that has it, or choose another"
    )))
}

/// Whether ffmpeg can draw text: that takes a font.
pub async fn draws_text(ffmpeg: &str) -> bool {
    let source = "color=s=16x16:d=0.04,drawtext=text=a";
    let args = ["-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", source, "-f", "null", "-"];
    ask(ffmpeg, args).await.is_ok_and(|said| said.success)
}

/// The media file that `input` means: itself, or in a folder `<signal>.mp4`, else the first by name.
///
/// # Errors
/// There is none.
pub fn find(input: &Path, signal: &SignalName) -> Result<PathBuf, SettingError> {
    let wrong =
        |what: String| SettingError::new(format!("input = '{}' can't be used: {what}", input.display()));
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => wrong(
            "there is no such file or folder; give a media file, a folder of them, or testsrc".to_owned(),
        ),
        _ => wrong(error.to_string()),
    };
    let found = if fs::metadata(input).map_err(unreadable)?.is_dir() {
        let kinds = EXTENSIONS.join(", ");
        let none = || wrong(format!("the folder holds no media file; expected one of {kinds}"));
        media_in(input, signal).map_err(unreadable)?.ok_or_else(none)?
    } else {
        input.to_owned()
    };
    match fs::metadata(&found).map_err(unreadable)?.len() {
        0 => Err(wrong(format!("'{}' is empty", found.display()))),
        _ => fs::canonicalize(&found).map_err(unreadable),
    }
}

/// The media file of a folder: `<signal>.mp4`, else the first by name; none if it holds no media.
///
/// # Errors
/// A folder that can't be read.
pub fn media_in(folder: &Path, signal: &SignalName) -> std::io::Result<Option<PathBuf>> {
    let own = folder.join(format!("{signal}.mp4"));
    let entries = fs::read_dir(folder)?;
    let mut files: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| is_media(path)).collect();
    files.sort();
    Ok(files.iter().find(|path| **path == own).or(files.first()).cloned())
}

fn is_media(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    path.is_file() && extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
}

/// Asks ffprobe what a file holds, whose sound is to be encoded as `sound`.
///
/// # Errors
/// It is no media, or not what can be shown over and over.
pub async fn file(ffmpeg: &str, path: &Path, sound: Sound) -> Result<File, SettingError> {
    let wrong = |what: &str| SettingError::new(format!("input '{}' can't be used: {what}", path.display()));
    let args = ["-v", "error", "-show_entries", ENTRIES, "-of", "json", "-i"].map(Into::into);
    let args = args.into_iter().chain([path.as_os_str().to_owned()]);
    let said = ask(&ffprobe(ffmpeg), args).await.map_err(|error| wrong(&error.to_string()))?;
    if said.missing {
        return Err(wrong("there is no ffprobe program beside ffmpeg; install both"));
    }
    if !said.success {
        return Err(wrong(&format!("it is no media that ffmpeg can read: {}", said.error)));
    }
    parse(&said.output, sound).map_err(|reason| wrong(&reason))
}

/// What to ask ffprobe for.
pub const ENTRIES: &str = "stream=index,codec_type,width,height,sample_aspect_ratio,avg_frame_rate,r_frame_rate,nb_frames,time_base,\
                           start_time,duration,field_order:stream_disposition=attached_pic:stream_tags=DURATION:\
                           stream_side_data=rotation:format=start_time,duration,format_name";

/// Reads what ffprobe answered.
///
/// # Errors
/// Why the file can't be shown over and over, in words; an answer that is none.
pub fn parse(json: &[u8], sound: Sound) -> Result<File, String> {
    let found = serde_json::from_slice::<Found>(json).map_err(|error| error.to_string())?;
    found.describe(sound).map_err(str::to_owned)
}

/// The ffprobe that belongs to an ffmpeg.
fn ffprobe(ffmpeg: &str) -> String {
    let (folder, name) = ffmpeg.rsplit_once('/').map_or(("", ffmpeg), |(folder, name)| (folder, name));
    let name = if name.contains("ffmpeg") { name.replace("ffmpeg", "ffprobe") } else { "ffprobe".to_owned() };
    if ffmpeg.contains('/') { format!("{folder}/{name}") } else { name }
}

/// What ffprobe says.
#[derive(Debug, Deserialize)]
struct Found {
    #[serde(default)]
    streams: Vec<Stream>,
    format: Format,
}

#[derive(Debug, Deserialize)]
struct Format {
    start_time: Option<String>,
    duration: Option<String>,
    #[serde(default)]
    format_name: String,
}

#[derive(Debug, Deserialize)]
struct Stream {
    index: u32,
    codec_type: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    sample_aspect_ratio: Option<String>,
    avg_frame_rate: Option<String>,
    r_frame_rate: Option<String>,
    nb_frames: Option<String>,
    time_base: Option<String>,
    start_time: Option<String>,
    duration: Option<String>,
    field_order: Option<String>,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Debug, Default, Deserialize)]
struct Disposition {
    #[serde(default)]
    attached_pic: u8,
}

#[derive(Debug, Default, Deserialize)]
struct Tags {
    #[serde(rename = "DURATION")]
    duration: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SideData {
    rotation: Option<i32>,
}

impl Found {
    fn describe(&self, sound: Sound) -> Result<File, &'static str> {
        let video = self.streams.iter().find(|s| s.is("video") && s.disposition.attached_pic == 0);
        let video = video.and_then(|stream| Some((stream, stream.picture()?)));
        let audio = self.streams.iter().find(|s| s.is("audio"));
        let picture = video.map(|(_, picture)| picture);
        let leader = video.map(|(stream, _)| stream).or(audio).ok_or("it has neither pictures nor sound")?;
        if video.is_some_and(|(stream, _)| self.is_still(stream)) {
            return Err("it is a single picture; give a video, or 'testsrc' for the generated programme");
        }
        let begin = |text: &Option<String>| text.as_deref().and_then(micros).unwrap_or(0);
        let (begin_us, earliest) = (begin(&leader.start_time), begin(&self.format.start_time));
        let lead_us = u64::try_from(begin_us - earliest).unwrap_or(0);
        let micros = leader.micros().or_else(|| {
            let whole = self.format.duration.as_deref().and_then(micros)?;
            u64::try_from(whole).ok().map(|whole| whole.saturating_sub(lead_us))
        });
        let micros =
            micros.ok_or("it does not say how long it is; remux it: ffmpeg -i FILE -c copy FILE.mp4")?;
        let lead_ms = lead_us.div_ceil(1000);
        let pictures = picture.map(|picture| Reel::pictures(&picture.rate, micros, lead_ms));
        let sound = audio.map(|_| sound);
        let heard = sound.map(|sound| match &pictures {
            Some(pictures) => Reel::accompanying(pictures, sound.hertz, lead_ms),
            None => Reel::alone(sound.hertz, micros),
        });
        let indexed = INDEXED.iter().any(|name| self.format.format_name.contains(name));
        Ok(File {
            source: Source { picture, sound },
            streams: (video.map(|(stream, _)| stream.index), audio.map(|stream| stream.index)),
            reels: (pictures, heard),
            begin_us,
            lead_us,
            only_tick: if let [only] = &self.streams[..] { only.tick() } else { None },
            interlaced: leader.field_order.as_deref().is_some_and(|o| ["tt", "bb", "tb", "bt"].contains(&o)),
            preroll_ms: if indexed { PREROLL_MS.0 } else { PREROLL_MS.1 },
        })
    }

    /// Whether there is nothing to show but one picture: by the count, or because ffmpeg reads it as an image.
    fn is_still(&self, video: &Stream) -> bool {
        let format = &self.format.format_name;
        video.nb_frames.as_deref() == Some("1") || format == "image2" || format.ends_with("_pipe")
    }
}

impl Stream {
    fn is(&self, kind: &str) -> bool {
        self.codec_type.as_deref() == Some(kind)
    }

    /// As it is shown: with square pixels, and upright.
    fn picture(&self) -> Option<Picture> {
        let (width, height) = (self.width.filter(|w| *w > 0)?, self.height.filter(|h| *h > 0)?);
        let (wide, tall) = self.sample_aspect_ratio.as_deref().and_then(fraction).unwrap_or((1, 1));
        let shown = u64::from(width) * u64::from(wide) / u64::from(tall);
        let shown = u32::try_from(shown).unwrap_or(width).max(1);
        let turned = self.side_data_list.iter().filter_map(|d| d.rotation).any(|r| r.rem_euclid(180) == 90);
        let (width, height) = if turned { (height, shown) } else { (shown, height) };
        let rates = [&self.avg_frame_rate, &self.r_frame_rate];
        let fps = rates.into_iter().flatten().find_map(|rate| fraction(rate)).unwrap_or((25, 1));
        Some(Picture { width, height, rate: standard::nearest(fps.0, fps.1) })
    }

    fn micros(&self) -> Option<u64> {
        let tagged = || self.tags.duration.as_deref().and_then(clock_micros);
        u64::try_from(self.duration.as_deref().and_then(micros).or_else(tagged)?).ok()
    }

    fn tick(&self) -> Option<(u32, u32)> {
        self.time_base.as_deref().and_then(fraction)
    }
}

/// `30000/1001`, `4:3`; none if either side is 0.
fn fraction(text: &str) -> Option<(u32, u32)> {
    let (a, b) = text.split_once(['/', ':'])?;
    let (a, b) = (a.parse().ok()?, b.parse().ok()?);
    (a > 0 && b > 0).then_some((a, b))
}

/// Decimal seconds as microseconds.
fn micros(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let part: String = part.chars().chain("000000".chars()).take(6).collect();
    let value = whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(part.parse().ok()?)?;
    Some(sign * value)
}

/// `00:00:03.120000000` as microseconds.
fn clock_micros(text: &str) -> Option<i64> {
    let mut fields = text.splitn(3, ':');
    let (hours, minutes) = (fields.next()?.parse::<i64>().ok()?, fields.next()?.parse::<i64>().ok()?);
    micros(fields.next()?)?.checked_add((hours * 60 + minutes).checked_mul(60_000_000)?)
}

#[cfg(test)]
mod tests;
