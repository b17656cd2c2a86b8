//! How every child process is started: [`Command`] and the hidden subcommand `airtight child`.
//!
//! A child is first this very binary, which prepares what only the child itself can prepare (its
//! `LISTEN_PID`, its session, its parent-death signal, the record of its identity) and then becomes
//! the program by `exec`. So nothing runs between `fork` and `exec` in a copy of a threaded process,
//! and none of our code is unsafe.
//!
//! A parent-death signal is sent when the *thread* that forked the child ends, not the process.
//! Threads of a runtime come and go, so all children are forked by one thread that lives as long as
//! the process.
//!
//! Never here: when to start a child, or again. That is decided by `control::restart`.

pub mod process;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Pid, Signal};
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};

use crate::{log, notify};
use process::Process;

/// The first descriptor that a child is given besides its standard streams, as for `LISTEN_FDS`.
pub const FIRST_DESCRIPTOR: i32 = 3;

/// Exit code of a child whose program is not there.
pub const MISSING: u8 = 127;

/// Exit code of a child whose program is there and can't be run, or that can't be prepared.
pub const BARRED: u8 = 126;

/// Children that may wait for the forking thread; further callers wait for room.
const SPAWN_QUEUE: usize = 16;

/// A child process to be started.
///
/// Standard input is empty, standard output and error are inherited unless said otherwise.
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    descriptors: Vec<OwnedFd>,
    listeners: usize,
    dies_with_parent: bool,
    own_session: bool,
    record: Option<PathBuf>,
    stdout: Stdio,
    stderr: Stdio,
}

impl Command {
    /// A child that runs `program`, searched in `PATH` if it has no slash.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            envs: Vec::new(),
            descriptors: Vec::new(),
            listeners: 0,
            dies_with_parent: false,
            own_session: false,
            record: None,
            stdout: Stdio::inherit(),
            stderr: Stdio::inherit(),
        }
    }

    /// A child that runs this very binary in one of its other roles.
    pub fn of_this_binary() -> Self {
        Self::new(this_binary())
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the child's environment.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.envs.push((key.into(), value.into()));
        self
    }

    /// Sets variables of the child's environment.
    pub fn envs(mut self, variables: impl IntoIterator<Item = (impl Into<OsString>, OsString)>) -> Self {
        self.envs.extend(variables.into_iter().map(|(key, value)| (key.into(), value)));
        self
    }

    /// Gives the child a descriptor: the first becomes 3, the next 4, and so on (ffmpeg's `pipe:3`).
    pub fn descriptor(mut self, descriptor: impl Into<OwnedFd>) -> Self {
        self.descriptors.push(descriptor.into());
        self
    }

    /// Gives the child listening sockets as `LISTEN_FDS`; they come before its other descriptors.
    pub fn listeners(mut self, listeners: impl IntoIterator<Item = impl Into<OwnedFd>>) -> Self {
        let others = self.descriptors.split_off(self.listeners);
        self.descriptors.extend(listeners.into_iter().map(Into::into));
        self.listeners = self.descriptors.len();
        self.descriptors.extend(others);
        self
    }

    /// The child is killed when this process dies, however it dies, and when its handle is dropped.
    pub fn dies_with_parent(mut self) -> Self {
        self.dies_with_parent = true;
        self
    }

    /// The child leads a session of its own: no signal from this process's terminal reaches it.
    pub fn own_session(mut self) -> Self {
        self.own_session = true;
        self
    }

    /// The child writes its [`Process`] to the file `path` before it becomes the program, if it can.
    pub fn record(mut self, path: impl Into<PathBuf>) -> Self {
        self.record = Some(path.into());
        self
    }

    /// Where standard output goes.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = stdout.into();
        self
    }

    /// Where standard error goes.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = stderr.into();
        self
    }

    /// Starts the child. This process keeps no copy of the descriptors it was given.
    ///
    /// A program that is not there shows as exit code [`MISSING`] of the child, with a line on its
    /// standard error; one that is there but can't be run, as [`BARRED`].
    ///
    /// # Errors
    /// The system's, if there can be no further process or descriptor.
    pub async fn spawn(self) -> io::Result<Child> {
        let (reply, spawned) = oneshot::channel();
        let job = Job { command: self.build()?, runtime: tokio::runtime::Handle::current(), reply };
        let gone = || io::Error::other("the thread that starts children is gone");
        spawner()?.send(job).await.map_err(|_| gone())?;
        spawned.await.map_err(|_| gone())?
    }

    fn build(self) -> io::Result<tokio::process::Command> {
        let mut command = tokio::process::Command::new(this_binary());
        command.args(self.preparation()?).arg("--").arg(&self.program).args(&self.args);
        command.envs(self.envs);
        command.stdin(Stdio::null()).stdout(self.stdout).stderr(self.stderr);
        command.kill_on_drop(self.dies_with_parent);
        let mappings = (FIRST_DESCRIPTOR..)
            .zip(self.descriptors)
            .map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd })
            .collect();
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        Ok(command)
    }

    /// The arguments of `airtight child`, up to `--`.
    fn preparation(&self) -> io::Result<Vec<OsString>> {
        let mut args = vec![OsString::from(NAME)];
        let mut option = |name: &str, value: OsString| args.extend([format!("--{name}").into(), value]);
        option(LISTENERS, self.listeners.to_string().into());
        if self.dies_with_parent {
            option(PARENT, std::process::id().to_string().into());
        }
        if let Some(record) = &self.record {
            option(RECORD, std::path::absolute(record)?.into());
        }
        if self.own_session {
            args.push(format!("--{SESSION}").into());
        }
        Ok(args)
    }
}

/// The path of this binary; the running one itself if the file has been replaced since.
fn this_binary() -> PathBuf {
    match std::env::current_exe() {
        Ok(path) if path.exists() => path,
        _ => PathBuf::from("/proc/self/exe"),
    }
}

/// A child to be forked, for the runtime that will wait for it.
struct Job {
    command: tokio::process::Command,
    runtime: tokio::runtime::Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// The queue of the thread that forks all children, started at the first use.
fn spawner() -> io::Result<&'static mpsc::Sender<Job>> {
    static SPAWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    if let Some(queue) = SPAWNER.get() {
        return Ok(queue);
    }
    let (queue, jobs) = mpsc::channel(SPAWN_QUEUE);
    std::thread::Builder::new().name("spawner".into()).spawn(|| fork_all(jobs))?;
    // Of two first callers one queue stays; the thread of the other ends with its queue.
    Ok(SPAWNER.get_or_init(|| queue))
}

fn fork_all(mut jobs: mpsc::Receiver<Job>) {
    while let Some(mut job) = jobs.blocking_recv() {
        let _runtime = job.runtime.enter();
        // A caller that went away drops the handle, and with it the child if it is bound to us.
        let _ = job.reply.send(job.command.spawn());
    }
}

/// The name of the hidden subcommand.
pub const NAME: &str = "child";
const LISTENERS: &str = "listeners";
const PARENT: &str = "die-with-parent";
const SESSION: &str = "own-session";
const RECORD: &str = "record";
const PROGRAM: &str = "program";

/// The grammar of `airtight child`.
fn command() -> clap::Command {
    clap::Command::new(NAME)
        .about("Prepares a child process and becomes it")
        .arg(Arg::new(LISTENERS).long(LISTENERS).value_parser(value_parser!(u32)))
        .arg(Arg::new(PARENT).long(PARENT).value_parser(value_parser!(i32)))
        .arg(Arg::new(SESSION).long(SESSION).action(ArgAction::SetTrue))
        .arg(Arg::new(RECORD).long(RECORD).value_parser(value_parser!(PathBuf)))
        .arg(Arg::new(PROGRAM).required(true).last(true).num_args(1..).value_parser(value_parser!(OsString)))
}

/// Prepares this process and becomes the program that `args` (from [`NAME`] on) ask for; returns
/// only if that fails, with the exit code and the reason.
///
/// To be called before any thread or runtime is started.
pub fn exec(args: impl IntoIterator<Item = OsString>) -> (u8, anyhow::Error) {
    let matches = &command().get_matches_from(args);
    let mut words = matches.get_many::<OsString>(PROGRAM).into_iter().flatten();
    let program = words.next().map(OsString::as_os_str).unwrap_or_default();
    if let Err(error) = prepare(matches) {
        return (BARRED, error.context(format!("cannot prepare the child {}", program.display())));
    }
    let mut command = std::process::Command::new(program);
    command.args(words);
    set_listeners(&mut command, matches.get_one(LISTENERS).copied().unwrap_or(0));
    let error = command.exec();
    let code = if error.kind() == io::ErrorKind::NotFound { MISSING } else { BARRED };
    (code, anyhow::Error::new(error).context(format!("cannot run {}", program.display())))
}

fn prepare(matches: &ArgMatches) -> anyhow::Result<()> {
    if let Some(&parent) = matches.get_one::<i32>(PARENT) {
        die_with(parent)?;
    }
    if matches.get_flag(SESSION) {
        rustix::process::setsid().context("no session of its own")?;
    }
    if let Some(path) = matches.get_one::<PathBuf>(RECORD) {
        // Whoever starts the child knows it all the same: a full disk keeps no part from running.
        if let Err(error) = Process::current().and_then(|process| process.write(path)) {
            log::last_words(&error.context("it runs without a record"));
        }
    }
    Ok(())
}

/// Asks for SIGKILL at the parent's death, which may have come before the question.
fn die_with(parent: i32) -> anyhow::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).context("no parent-death signal")?;
    let now = rustix::process::getppid().map_or(0, Pid::as_raw_pid);
    anyhow::ensure!(now == parent, "its parent {parent} is gone already");
    Ok(())
}

/// The `LISTEN_FDS` protocol; what this process itself inherited of it is not passed on, nor for whom the
/// watchdog of its own service manager is meant.
fn set_listeners(command: &mut std::process::Command, count: u32) {
    for key in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", notify::MEANT_FOR] {
        command.env_remove(OsStr::new(key));
    }
    if count > 0 {
        command.env("LISTEN_FDS", count.to_string());
        command.env("LISTEN_PID", std::process::id().to_string());
    }
}
