//! What the process tests share: roles of the real binary, waiting for a condition, and plain HTTP.
//!
//! A role is ended by its own pid when its handle is dropped, so no test leaves a process behind. Nothing here
//! sleeps for the sake of time: waiting is polling a condition, with a deadline.

// Every test file is a crate of its own and uses a part of this.
#![allow(dead_code, unreachable_pub)]

pub mod browser;
pub mod cores;
pub mod document;
pub mod hammer;
pub mod hls;
pub mod holdings;
pub mod http;
pub mod media;
pub mod memory;
pub mod parsers;
pub mod progress;
pub mod record;
pub mod small_disk;
pub mod stillness;
pub mod system;
pub mod watching;

use std::{
    io::{BufRead as _, BufReader, Read},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};

/// The binary under test.
pub const AIRTIGHT: &str = env!("CARGO_BIN_EXE_airtight");

/// How long anything may take on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at a condition.
pub const POLL: Duration = Duration::from_millis(10);

/// Longest time that counts from one look to the next.
const TURN: Duration = Duration::from_secs(5);

/// Waits until `condition` gives something.
///
/// # Panics
/// It gives nothing within [`PATIENCE`].
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, condition)
}

/// How long a command may take that comes to its end.
pub const ENDS: Duration = Duration::from_secs(180);

/// The same for a command that runs a whole system or a test.
pub const ENDS_LATE: Duration = Duration::from_secs(600);

/// How long a whole system may take to be on the air: four servers are fed by two encoders that start.
pub const ON_THE_AIR: Duration = Duration::from_secs(60);

/// Waits until `condition` gives something, for `limit` at most.
///
/// # Panics
/// It gives nothing within `limit`.
pub fn within<T>(limit: Duration, what: &str, condition: impl FnMut() -> Option<T>) -> T {
    look(limit, condition).unwrap_or_else(|| panic!("not within {limit:?}: {what}"))
}

/// Looks at a condition again and again, for `limit` at most, until it gives something. Time in which a machine that
/// stands still gave the test no turn is not counted.
fn look<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let (mut left, mut looked) = (limit, Instant::now());
    loop {
        let found = condition();
        if found.is_some() || left.is_zero() {
            return found;
        }
        left = left.saturating_sub(looked.elapsed().min(TURN));
        looked = Instant::now();
        thread::sleep(POLL);
    }
}

/// A command of the binary, untouched by settings in the environment of the test run.
pub fn airtight(args: &[&str]) -> Command {
    let mut command = untouched(AIRTIGHT);
    command.args(args);
    command
}

/// A command of any program, untouched by settings in the environment of the test run.
pub fn untouched(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("AIRTIGHT_") || name.ends_with("_PORT") || name.ends_with("_STREAM_PATH") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end and keeps what it says.
///
/// # Panics
/// It goes on for longer than [`ENDS`]. It is told to end then, as an `up` that should have been refused needs to end
/// its parts, and what it said is shown.
pub fn finished(command: &mut Command) -> Output {
    finished_within(ENDS, command)
}

/// The same for a command that may take so long.
pub fn finished_within(limit: Duration, command: &mut Command) -> Output {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let (stdout, stderr) = (child.stdout.take().map(all_of), child.stderr.take().map(all_of));
    let ended = end_of(&mut child, limit);
    if ended.is_none() {
        // An error says that it has ended just now.
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
    }
    let status = ended.or_else(|| end_of(&mut child, PATIENCE)).unwrap_or_else(|| {
        let _ = child.kill();
        child.wait().expect("a child can be waited for")
    });
    let said = |words: Option<JoinHandle<Vec<u8>>>| {
        let words = words.expect("it is piped");
        eventually("a command that has ended says no more", || words.is_finished().then_some(()));
        words.join().expect("reading does not fail")
    };
    let output = Output { status, stdout: said(stdout), stderr: said(stderr) };
    assert!(ended.is_some(), "{command:?} goes on for longer than {limit:?}: {output:?}");
    output
}

/// How a child ended, if it does within so long.
fn end_of(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    look(limit, || child.try_wait().expect("a child can be waited for"))
}

/// Reads all that comes, so that nobody waits for room.
fn all_of(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut words = Vec::new();
        pipe.read_to_end(&mut words).expect("a pipe can be read");
        words
    })
}

/// A listening socket of the test that one role after another is given, so that a role which is killed and
/// started anew keeps its address. Connections wait in it while nobody serves.
pub fn socket() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = socket.local_addr().expect("a bound socket has an address");
    (socket, address)
}

/// An address that refuses every connection for as long as the socket is kept.
pub fn refusing() -> (Socket, String) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a descriptor is free");
    // Bound, so that nobody else gets the port, and not listened on.
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("loopback has a free port");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket());
    let url = format!("http://{}", address.expect("a bound socket has an address"));
    (socket, url)
}

/// One running role.
pub struct Role {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Role {
    /// Starts `airtight ARGS`.
    pub fn start(args: &[&str]) -> Self {
        Self::spawn(airtight(args))
    }

    /// Starts `airtight ARGS` with these variables.
    pub fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = airtight(args);
        command.envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// Starts `airtight ARGS` on a socket of the test.
    pub fn start_on(socket: &TcpListener, args: &[&str]) -> Self {
        let mut command = airtight(&[&["child", "--listeners", "1", "--", AIRTIGHT], args].concat());
        let parent_fd = socket.try_clone().expect("a descriptor is free").into();
        let mapping = FdMapping { parent_fd, child_fd: 3 };
        command.fd_mappings(vec![mapping]).expect("one mapping does not collide");
        Self::spawn(command)
    }

    /// Starts a command and keeps its stderr.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stderr, lines) = (child.stderr.take().expect("stderr is piped"), log.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().expect("nobody panics with the log").push(line);
            }
        });
        Self { child, log }
    }

    /// What it wrote to stderr so far, by lines.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("nobody panics with the log").clone()
    }

    /// Waits for a line of stderr that contains `text`.
    ///
    /// # Panics
    /// It does not come within [`PATIENCE`]; the whole log is shown.
    pub fn line(&self, text: &str) -> String {
        look(PATIENCE, || self.log().into_iter().find(|line| line.contains(text)))
            .unwrap_or_else(|| panic!("no line with '{text}' in:\n{}", self.log().join("\n")))
    }

    /// Where it says that it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        let line = self.line("listening on http://");
        line[line.find("http://").expect("the line has a URL")..].trim().to_owned()
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the role is there to be signalled");
    }

    /// Kills it as `kill -9` does.
    pub fn kill(mut self) {
        self.end();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It does not end within [`PATIENCE`].
    pub fn exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the role ends", || child.try_wait().expect("a child can be waited for"))
    }

    fn end(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.end();
        if thread::panicking() {
            eprintln!("log of pid {}:\n{}\n", self.child.id(), self.log().join("\n"));
        }
    }
}

/// Runs `airtight ARGS` to its end; returns the exit code and stderr.
pub fn outcome(args: &[&str]) -> (Option<i32>, String) {
    outcome_of(airtight(args))
}

/// The same of a command that has its stdout already.
pub fn outcome_of(command: Command) -> (Option<i32>, String) {
    let mut role = Role::spawn(command);
    let code = role.exit().code();
    // The reader of stderr meets its end at the same time.
    let log = eventually("stderr ends", || (Arc::strong_count(&role.log) == 1).then(|| role.log()));
    (code, log.join("\n"))
}

/// The path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
