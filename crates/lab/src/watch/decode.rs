//! ffmpeg as a decoder: segments go in one after the other, rows of cells come out, and what it complains of.

use std::{
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

use super::LEFTOVERS;
use crate::{
    frames::{CELLS, Frames, Shown},
    rules::{DECODES, Finding},
};

/// Segments that wait for a decoder; one that falls further behind is given up.
const WAITING: usize = 64;
/// Complaints that are kept.
const COMPLAINTS: usize = 20;

/// The decoders of one track, one after the other: another init takes another.
pub(super) struct Decoders {
    program: String,
    runs: Vec<Run>,
    fault: Option<Finding>,
}

/// One decoder.
struct Run {
    init: Bytes,
    /// Its queue; none once it is full or the init has changed.
    pieces: Option<mpsc::Sender<Bytes>>,
    frames: Arc<Mutex<Frames>>,
    /// Gives the complaints.
    task: JoinHandle<Vec<String>>,
}

impl Decoders {
    pub(super) fn new(program: String) -> Self {
        Self { program, runs: Vec::new(), fault: None }
    }

    /// Gives a segment to the decoder. It never waits: playing goes on whatever the decoder does.
    pub(super) fn push(&mut self, init: &Bytes, segment: Bytes, frames: usize, slate: bool) {
        if self.fault.is_some() {
            return;
        }
        if let Err(reason) = self.try_push(init, segment, frames, slate) {
            self.fault = Some(DECODES.broken(reason));
            self.runs.iter_mut().for_each(|run| run.pieces = None);
        }
    }

    fn try_push(&mut self, init: &Bytes, segment: Bytes, frames: usize, slate: bool) -> Result<(), String> {
        if self.runs.last().is_none_or(|run| run.init != *init) {
            self.runs.iter_mut().for_each(|run| run.pieces = None);
            let run = Run::start(&self.program, init.clone());
            self.runs.push(run.map_err(|error| format!("'{}' can't be started: {error}", self.program))?);
        }
        let Some(run) = self.runs.last() else { return Ok(()) };
        let Some(pieces) = &run.pieces else { return Ok(()) };
        frames_of(&run.frames).feed(frames, slate);
        pieces.try_send(segment).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                format!("the decoder is {WAITING} segments behind, and left")
            }
            mpsc::error::TrySendError::Closed(_) => "the decoder ended".to_owned(),
        })
    }

    /// What was shown, and what was wrong, once everything has come out.
    pub(super) async fn finish(self) -> (Shown, Vec<Finding>) {
        let (mut shown, mut findings) = (Shown::default(), Vec::from_iter(self.fault));
        for run in self.runs {
            drop(run.pieces);
            match timeout(LEFTOVERS, run.task).await {
                Ok(Ok(complaints)) => {
                    findings.extend(complaints.into_iter().map(|said| DECODES.broken(said)));
                }
                _ => findings.push(DECODES.broken(format!("the decoder did not end within {LEFTOVERS:?}"))),
            }
            shown = shown + frames_of(&run.frames).shown();
        }
        (shown, findings)
    }
}

impl Run {
    fn start(program: &str, init: Bytes) -> std::io::Result<Self> {
        let cells = format!("crop=iw:ih/12:0:ih*11/12,scale={CELLS}:1:flags=area,format=gray");
        let mut command = Command::new(program);
        command.args(["-v", "error", "-threads", "1", "-f", "mp4", "-i", "pipe:0", "-an", "-vf", &cells]);
        command.args(["-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = command.spawn()?;
        let (pieces, queue) = mpsc::channel(WAITING);
        let frames: Arc<Mutex<Frames>> = Arc::default();
        let task = tokio::spawn(decode(child, init.clone(), queue, frames.clone()));
        Ok(Self { init, pieces: Some(pieces), frames, task })
    }
}

/// Nobody panics while holding it; a count is sound in any case.
fn frames_of(frames: &Mutex<Frames>) -> std::sync::MutexGuard<'_, Frames> {
    frames.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn decode(
    mut child: Child,
    init: Bytes,
    queue: mpsc::Receiver<Bytes>,
    frames: Arc<Mutex<Frames>>,
) -> Vec<String> {
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return vec!["the decoder has no pipes".to_owned()];
    };
    let ((), (), mut complaints) =
        tokio::join!(write(stdin, init, queue), read(stdout, frames), listen(stderr));
    match child.wait().await {
        Ok(status) if status.success() => {}
        Ok(status) => complaints.push(format!("the decoder ended with {status}")),
        Err(error) => complaints.push(format!("the decoder can't be waited for: {error}")),
    }
    complaints
}

async fn write(mut stdin: ChildStdin, init: Bytes, mut queue: mpsc::Receiver<Bytes>) {
    let mut next = Some(init);
    while let Some(bytes) = next {
        // A decoder that is gone says why on stderr, and by its status.
        if stdin.write_all(&bytes).await.is_err() {
            return;
        }
        next = queue.recv().await;
    }
}

async fn read(mut stdout: ChildStdout, frames: Arc<Mutex<Frames>>) {
    let mut cells = [0; CELLS];
    // The end comes between two frames.
    while stdout.read_exact(&mut cells).await.is_ok() {
        frames_of(&frames).decoded(cells);
    }
}

async fn listen(stderr: impl AsyncRead + Unpin) -> Vec<String> {
    let (mut lines, mut kept) = (BufReader::new(stderr).lines(), Vec::new());
    let mut more = 0;
    while let Ok(Some(line)) = lines.next_line().await {
        if kept.len() < COMPLAINTS { kept.push(line) } else { more += 1 }
    }
    if more > 0 {
        kept.push(format!("and {more} more complaints"));
    }
    kept
}
