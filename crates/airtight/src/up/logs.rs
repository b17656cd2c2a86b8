//! The logs of the parts: each part writes its own file, `up` follows and bounds it.
//!
//! Parts write to files and not to pipes, so that they neither wait for `up` nor die with it.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::console::Console;
use super::folder::Folder;
use super::plan::Part;

/// A log longer than this is moved to `<part>.log.1`, whose predecessor is dropped.
const LENGTH_MAX: u64 = 8 << 20;

/// How often the logs are looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// Most bytes that are read of one log at a time; what is more waits for the next look.
const READ_MAX: u64 = 1 << 20;

/// Longest line that is shown whole, in bytes.
const LINE_MAX: usize = 64 << 10;

/// Opens the log of a part for the part to append to.
///
/// # Errors
/// If the file can't be made.
pub fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

/// Shows what the parts write from now on, and bounds the files, until it is dropped.
pub async fn follow(folder: Folder, parts: Vec<Part>, console: Console) {
    let mut tails: Vec<_> = parts.into_iter().map(|part| (part, Tail::at_end_of(folder.log(part)))).collect();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for (part, tail) in &mut tails {
            // A log that can't be read now is tried again at the next tick; it is still written.
            let _ = tail.read(|line| console.pass_on(*part, line));
        }
    }
}

/// The last line of a log.
pub fn last_line(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LINE_MAX as u64))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned)
}

/// A place in a log that grows.
struct Tail {
    path: PathBuf,
    position: u64,
    begun: Vec<u8>,
}

impl Tail {
    fn at_end_of(path: PathBuf) -> Self {
        let position = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Self { path, position, begun: Vec::new() }
    }

    /// Hands out the lines that are complete since the last time.
    fn read(&mut self, mut line: impl FnMut(&str)) -> io::Result<()> {
        let length = match fs::metadata(&self.path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if length < self.position {
            self.position = 0;
        }
        let end = length.min(self.position + READ_MAX);
        if end > self.position {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.position))?;
            while self.position < end {
                let read = (&mut file).take(LINE_MAX as u64).read_to_end(&mut self.begun)? as u64;
                self.position += read;
                self.hand_out(&mut line);
                if read == 0 {
                    break;
                }
            }
        }
        if self.position > LENGTH_MAX {
            self.rotate()?;
        }
        Ok(())
    }

    fn hand_out(&mut self, mut line: impl FnMut(&str)) {
        let complete = match self.begun.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => end + 1,
            None if self.begun.len() >= LINE_MAX => self.begun.len(),
            None => return,
        };
        let lines: Vec<u8> = self.begun.drain(..complete).collect();
        String::from_utf8_lossy(&lines).lines().for_each(&mut line);
    }

    /// The part keeps its descriptor, so its bytes are moved, not the file. A line written in this
    /// very moment is lost.
    fn rotate(&mut self) -> io::Result<()> {
        fs::copy(&self.path, self.path.with_extension("log.1"))?;
        File::options().write(true).open(&self.path)?.set_len(0)?;
        self.position = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn lines(tail: &mut Tail) -> Vec<String> {
        let mut lines = Vec::new();
        tail.read(|line| lines.push(line.to_owned())).unwrap();
        lines
    }

    #[test]
    fn lines_are_shown_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(&path, "before\n").unwrap();
        let mut tail = Tail::at_end_of(path.clone());
        let mut log = open(&path).unwrap();
        log.write_all(b"one\ntw").unwrap();
        assert_eq!(lines(&mut tail), ["one"]);
        assert!(lines(&mut tail).is_empty());
        log.write_all(b"o\n").unwrap();
        assert_eq!(lines(&mut tail), ["two"]);
    }

    #[test]
    fn a_log_that_does_not_exist_yet_is_shown_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut tail = Tail::at_end_of(path.clone());
        assert!(lines(&mut tail).is_empty());
        fs::write(&path, "one\n").unwrap();
        assert_eq!(lines(&mut tail), ["one"]);
    }

    #[test]
    fn a_log_is_bounded_while_its_writer_keeps_it_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = open(&path).unwrap();
        let mut tail = Tail::at_end_of(path.clone());
        let long = vec![b'x'; LINE_MAX - 1];
        let mut shown = 0;
        for _ in 0..200 {
            log.write_all(&long).unwrap();
            log.write_all(b"\n").unwrap();
            shown += lines(&mut tail).len();
        }
        assert_eq!(shown, 200);
        let limit = LENGTH_MAX + 2 * LINE_MAX as u64;
        assert!(fs::metadata(&path).unwrap().len() < limit);
        assert!(fs::metadata(folder.path().join("a.log.1")).unwrap().len() < limit);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut tail = Tail::at_end_of(path.clone());
        fs::write(&path, vec![b'x'; LINE_MAX + 10]).unwrap();
        assert_eq!(lines(&mut tail)[0].len(), LINE_MAX);
        assert!(tail.begun.len() < LINE_MAX);
    }

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        assert_eq!(last_line(&path), None);
        fs::write(&path, "one\ntwo\n\n").unwrap();
        assert_eq!(last_line(&path).as_deref(), Some("two"));
    }
}
