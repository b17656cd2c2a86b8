//! ffmpeg as a decoder: segments go in one after the other, rows of cells or samples come out, and what it
//! complains of.

use std::{
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf as _, Bytes, BytesMut};
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
    media::Timing,
    rules::{DECODES, Finding},
    sound::{Heard, Sounds},
};

/// Segments that wait for a decoder; one that falls further behind is given up.
const WAITING: usize = 64;
/// Complaints that are kept.
const COMPLAINTS: usize = 20;

/// What was decoded of one track.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Decoded {
    pub(super) shown: Shown,
    pub(super) heard: Heard,
}

/// Who looks at what comes out of a decoder.
enum Sense {
    Pictures(Frames),
    Sound(Sounds),
}

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
    sense: Arc<Mutex<Sense>>,
    /// Gives the complaints.
    task: JoinHandle<Vec<String>>,
}

impl Decoders {
    pub(super) fn new(program: String) -> Self {
        Self { program, runs: Vec::new(), fault: None }
    }

    /// Gives a segment to the decoder. It never waits: playing goes on whatever the decoder does.
    pub(super) fn push(&mut self, init: &Bytes, pictures: bool, segment: Bytes, timing: Timing, slate: bool) {
        if self.fault.is_some() {
            return;
        }
        if let Err(reason) = self.try_push(init, pictures, segment, timing, slate) {
            self.fault = Some(DECODES.broken(reason));
            self.runs.iter_mut().for_each(|run| run.pieces = None);
        }
    }

    fn try_push(
        &mut self,
        init: &Bytes,
        pictures: bool,
        segment: Bytes,
        timing: Timing,
        slate: bool,
    ) -> Result<(), String> {
        if self.runs.last().is_none_or(|run| run.init != *init) {
            self.runs.iter_mut().for_each(|run| run.pieces = None);
            let sense = if pictures {
                Sense::Pictures(Frames::default())
            } else {
                Sense::Sound(Sounds::new(timing.scale))
            };
            let run = Run::start(&self.program, init.clone(), sense);
            self.runs.push(run.map_err(|error| format!("'{}' can't be started: {error}", self.program))?);
        }
        let Some(run) = self.runs.last() else { return Ok(()) };
        let Some(pieces) = &run.pieces else { return Ok(()) };
        sense_of(&run.sense).feed(timing, slate);
        pieces.try_send(segment).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                format!("the decoder is {WAITING} segments behind, and left")
            }
            mpsc::error::TrySendError::Closed(_) => "the decoder ended".to_owned(),
        })
    }

    /// What was shown, and what was wrong, once everything has come out.
    pub(super) async fn finish(self) -> (Decoded, Vec<Finding>) {
        let (mut decoded, mut findings) = (Decoded::default(), Vec::from_iter(self.fault));
        for run in self.runs {
            drop(run.pieces);
            match timeout(LEFTOVERS, run.task).await {
                Ok(Ok(complaints)) => {
                    findings.extend(complaints.into_iter().map(|said| DECODES.broken(said)));
                }
                _ => findings.push(DECODES.broken(format!("the decoder did not end within {LEFTOVERS:?}"))),
            }
            match &*sense_of(&run.sense) {
                Sense::Pictures(frames) => decoded.shown = decoded.shown + frames.shown(),
                Sense::Sound(sounds) => decoded.heard = decoded.heard + sounds.heard(),
            }
        }
        (decoded, findings)
    }
}

impl Run {
    fn start(program: &str, init: Bytes, sense: Sense) -> std::io::Result<Self> {
        let mut command = Command::new(program);
        command.args(["-v", "error", "-threads", "1", "-f", "mp4", "-i", "pipe:0"]).args(sense.output());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = command.spawn()?;
        let (pieces, queue) = mpsc::channel(WAITING);
        let sense = Arc::new(Mutex::new(sense));
        let task = tokio::spawn(decode(child, init.clone(), queue, sense.clone()));
        Ok(Self { init, pieces: Some(pieces), sense, task })
    }
}

impl Sense {
    /// The options of what it looks at.
    fn output(&self) -> Vec<String> {
        let cells = format!("crop=iw:ih/12:0:ih*11/12,scale={CELLS}:1:flags=area,format=gray");
        let options = match self {
            Self::Pictures(_) => {
                vec!["-an", "-vf", &cells, "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"]
            }
            Self::Sound(_) => vec!["-vn", "-ac", "1", "-f", "s16le", "pipe:1"],
        };
        options.into_iter().map(str::to_owned).collect()
    }

    /// A segment goes into the decoder.
    fn feed(&mut self, timing: Timing, slate: bool) {
        match self {
            Self::Pictures(frames) => frames.feed(timing.samples, slate),
            // The ticks of a track of sound are its samples.
            Self::Sound(sounds) => sounds.feed(timing.start, timing.end, slate),
        }
    }

    /// Takes whole frames or samples off the bytes that came out.
    fn take(&mut self, bytes: &mut BytesMut) {
        match self {
            Self::Pictures(frames) => {
                while let Some((cells, _)) = bytes.split_first_chunk() {
                    frames.decoded(*cells);
                    bytes.advance(CELLS);
                }
            }
            Self::Sound(sounds) => {
                while let Some((sample, _)) = bytes.split_first_chunk() {
                    sounds.decoded(i16::from_le_bytes(*sample));
                    bytes.advance(2);
                }
            }
        }
    }
}

/// Nobody panics while holding it; a count is sound in any case.
fn sense_of(sense: &Mutex<Sense>) -> std::sync::MutexGuard<'_, Sense> {
    sense.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn decode(
    mut child: Child,
    init: Bytes,
    queue: mpsc::Receiver<Bytes>,
    sense: Arc<Mutex<Sense>>,
) -> Vec<String> {
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return vec!["the decoder has no pipes".to_owned()];
    };
    let ((), (), mut complaints) =
        tokio::join!(write(stdin, init, queue), read(stdout, sense), listen(stderr));
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

async fn read(mut stdout: ChildStdout, sense: Arc<Mutex<Sense>>) {
    let mut bytes = BytesMut::with_capacity(1 << 16);
    while matches!(stdout.read_buf(&mut bytes).await, Ok(1..)) {
        sense_of(&sense).take(&mut bytes);
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
