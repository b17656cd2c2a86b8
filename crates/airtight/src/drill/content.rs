//! Encoders whose input can be made bad while they run.
//!
//! The parts are given a program that becomes ffmpeg, with filters behind the generated programme that are off, and
//! with a pipe of orders as its standard input, on which ffmpeg takes commands for its filters.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use airtight_lab::drill::matrix::Fault;
use anyhow::Context as _;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use crate::up::plan::Part;

/// The parts that encode.
const WORKERS: [Part; 2] = [Part::WorkerA, Part::WorkerB];

/// Turns a mid grey, which is neither black nor white, into what covers pictures, and the first cell of the frame
/// code: a picture that is bad has no code.
///
/// `{ffmpeg}` is the program itself. The name of a worker is on the command line of its parent. Only encoders have a
/// progress to tell.
const PROGRAM: &str = r#"#!/bin/sh
case "$*" in *-progress*) ;; *) exec '{ffmpeg}' "$@" ;; esac
orders=$0.$(tr '\0' '\n' <"/proc/$PPID/cmdline" | sed -n 's/^--name=//p')
cell=x=0:y=ih*11/12:w=iw/16:h=ih/12
black=drawbox@black=c=black:t=fill:enable=0,drawbox@mark=$cell:c=gray:t=fill:enable=0
frozen=drawbox@frozen=c=gray:t=fill:enable=0
silent=volume@silent=0:enable=0
for argument do
    shift
    case $argument in
        -nostdin) continue ;;
        smptehdbars=*) argument=$(printf %s "$argument" |
            sed "s|flags=area|&,$black,$frozen|; s|aformat=channel_layouts=[a-z0-9.]*|&,$silent|") ;;
    esac
    set -- "$@" "$argument"
done
exec '{ffmpeg}' "$@" 0<>"$orders"
"#;

/// An ffmpeg that takes orders.
#[derive(Debug)]
pub struct Content {
    program: PathBuf,
}

impl Content {
    /// Writes the program into `folder`; `ffmpeg` is what it becomes.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn write(folder: &Path, ffmpeg: &str) -> anyhow::Result<Self> {
        let content = Self { program: folder.join("ffmpeg") };
        let write = || -> io::Result<()> {
            fs::write(&content.program, PROGRAM.replace("{ffmpeg}", &ffmpeg.replace('\'', r"'\''")))?;
            fs::set_permissions(&content.program, fs::Permissions::from_mode(0o700))?;
            for worker in WORKERS {
                mknodat(CWD, content.orders(worker), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
            }
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", content.program.display()))?;
        Ok(content)
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Makes the input of a worker bad, or good again.
    ///
    /// # Errors
    /// It has no encoder that runs.
    pub fn set(&self, worker: &str, fault: Fault, bad: bool) -> anyhow::Result<()> {
        let part: Part = worker.parse().map_err(anyhow::Error::msg)?;
        // Without the mark, black would be read as code 0.
        let filters: &[&str] = match (fault, bad) {
            (Fault::Black, true) => &["drawbox@mark", "drawbox@black"],
            (Fault::Black, false) => &["drawbox@black", "drawbox@mark"],
            (Fault::Frozen, _) => &["drawbox@frozen"],
            (Fault::Silent, _) => &["volume@silent"],
            _ => &[],
        };
        let mut orders = OpenOptions::new()
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(self.orders(part))
            .with_context(|| format!("the encoder of {worker} takes no orders"))?;
        for filter in filters {
            // ffmpeg, "Interactive commands": c, the filter, now, and what to set.
            writeln!(orders, "c{filter} -1 enable {}", u8::from(bad))?;
        }
        Ok(())
    }

    /// Where the encoder of a worker takes orders.
    fn orders(&self, worker: Part) -> PathBuf {
        self.program.with_extension(if worker == Part::WorkerA { "a" } else { "b" })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What becomes of these arguments, and of what is on standard input.
    fn becomes(args: &[&str], order: bool) -> String {
        let folder = tempfile::tempdir().unwrap();
        let teller = folder.path().join("teller's");
        fs::write(&teller, "#!/bin/sh\nprintf '%s\\n' \"$@\"\ncase $* in *-progress*) head -n 2;; esac\n")
            .unwrap();
        fs::set_permissions(&teller, fs::Permissions::from_mode(0o700)).unwrap();
        let content = Content::write(folder.path(), teller.to_str().unwrap()).unwrap();
        assert!(content.set("worker-b", Fault::Black, true).is_err(), "nobody reads");
        // The parent of a worker's encoder is named on its command line.
        let script = format!("'{}' \"$@\"; exit", content.program().display());
        let mut worker = Command::new("sh");
        worker.args(["-c", &script, "worker", "--name=b"]).args(args);
        let worker = worker.stdout(std::process::Stdio::piped()).spawn().unwrap();
        while order && content.set("worker-b", Fault::Black, true).is_err() {}
        String::from_utf8(worker.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn only_encoders_take_orders() {
        assert_eq!(becomes(&["-nostdin", "-version"], false), "--name=b\n-nostdin\n-version\n");
        let graph =
            "smptehdbars=s=2x2,scale=640:360:flags=area[v];aevalsrc=0,aformat=channel_layouts=stereo,b[o]";
        let said = becomes(&["-nostdin", "-progress", "pipe:1", "it's", graph], true);
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines[..4], ["--name=b", "-progress", "pipe:1", "it's"]);
        assert!(lines[4].contains("flags=area,drawbox@black="), "{said}");
        assert!(lines[4].contains("stereo,volume@silent=0:enable=0,b[o]"), "{said}");
        assert_eq!(lines[5..], ["cdrawbox@mark -1 enable 1", "cdrawbox@black -1 enable 1"]);
    }
}
