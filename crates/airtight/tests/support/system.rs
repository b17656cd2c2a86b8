//! A system of `airtight up` in a folder of its own, for the tests that break it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::{ON_THE_AIR, PATIENCE, airtight, eventually, finished, hls::Playlist, http, within};

/// For each part of the whole system to become ready and the one before it to leave, one after the other.
const UPGRADED: Duration = Duration::from_secs(120);

/// The last word of an upgrade that failed.
const UPGRADED_NO_FURTHER: &str = "the process before it goes on, and nothing further is upgraded";

/// The parts of the smallest system: one that listens and one that does not.
const FEW: [&str; 2] = ["discovery", "reporter"];

/// The parts of the whole system.
pub const ALL: [&str; 8] =
    ["worker-a", "worker-b", "discovery", "reporter", "server1", "server2", "origin1", "origin2"];

/// The program in `folder`.
pub fn airtight_in(folder: &Path, args: &[&str]) -> Command {
    let mut command = airtight(args);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// What is in a record: a file, or a link where the disk is full.
fn words(record: &Path) -> Option<Vec<u8>> {
    let link = fs::read_link(record).map(|target| target.into_os_string().into_encoded_bytes());
    link.or_else(|_| fs::read(record)).ok()
}

/// The processes that run in a folder.
fn processes_in(folder: &Path) -> Vec<Process> {
    let all =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let here = |pid: &i32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|place| place == folder);
    all.filter(here).filter_map(Process::of).collect()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}

/// Connects and asks for the ingests.
pub fn connect(port: u16) -> io::Result<TcpStream> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    // A killed part may reset a connection that it had accepted already; only a refusal is a fault.
    let _ = stream.write_all(b"GET /ingests HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The parts that viewers can be pointed at.
pub const SERVERS: [&str; 4] = ["server1", "server2", "origin1", "origin2"];

/// The tracks of the generated programme.
pub const TRACKS: [&str; 3] = ["720p", "360p", "audio"];

/// The flags that leave the choice of a port to the machine when they are 0.
pub const PORTS: [&str; 5] =
    ["--reporter-port", "--server-one-port", "--server-two-port", "--origin-port", "--origin-two-port"];

/// A process by pid and start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub start: u64,
}

impl Process {
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        (fields[0] != "Z").then(|| Self { pid, start: fields[19].parse().unwrap() })
    }

    /// Whether it still runs.
    pub fn lives(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Time since it started, to a hundredth of a second.
    pub fn age(self) -> Duration {
        let uptime = fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        // Linux tells start times in hundredths of a second to every program.
        Duration::from_secs_f64(uptime).saturating_sub(Duration::from_millis(self.start * 10))
    }

    /// Kills it as nothing can withstand.
    pub fn kill(self) {
        self.signal(Signal::KILL);
    }

    fn signal(self, signal: Signal) {
        if self.lives() {
            let _ = kill_process(Pid::from_raw(self.pid).unwrap(), signal);
        }
    }
}

/// A running system; whatever is left of it is killed in the end.
pub struct System {
    folder: TempDir,
    parts: &'static [&'static str],
    /// Further flags of `airtight up`.
    flags: &'static [&'static str],
    up: Option<Child>,
    ports: BTreeMap<String, u16>,
    seen: Vec<Process>,
}

impl System {
    /// A system of few parts that runs.
    pub fn start() -> Self {
        let mut system = Self::in_new_folder(&FEW);
        system.supervise();
        system
    }

    /// The same, with a terminal that nobody reads.
    pub fn start_unread() -> Self {
        let mut system = Self::in_new_folder(&FEW);
        system.supervise_with(|| (Stdio::null(), Stdio::piped()));
        system
    }

    /// The whole system, on the generated programme.
    pub fn start_whole() -> Self {
        Self::start_whole_with(&[])
    }

    fn start_whole_with(flags: &'static [&'static str]) -> Self {
        Self::start_some(&ALL, flags)
    }

    /// The whole system, once every server lists some media of every track.
    pub fn start_on_the_air() -> Self {
        Self::start_on_the_air_with(&[])
    }

    /// The same, with further flags.
    pub fn start_on_the_air_with(flags: &'static [&'static str]) -> Self {
        let system = Self::start_whole_with(flags);
        for (server, track) in SERVERS.iter().flat_map(|server| TRACKS.map(|track| (*server, track))) {
            let url = system.url(server, &format!("{track}/playlist.m3u8"));
            within(ON_THE_AIR, &format!("{server} has {track}"), || {
                Playlist::get(&url).filter(|playlist| playlist.segments.len() >= 3)
            });
        }
        system
    }

    /// These parts, with further flags.
    pub fn start_some(parts: &'static [&'static str], flags: &'static [&'static str]) -> Self {
        let mut system = Self::in_new_folder(parts);
        system.flags = flags;
        system.supervise();
        system
    }

    fn in_new_folder(parts: &'static [&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, parts, flags: &[], up: None, ports: BTreeMap::new(), seen: Vec::new() }
    }

    /// Starts a supervisor and waits until the system answers.
    pub fn supervise(&mut self) {
        self.supervise_as(&[]);
    }

    /// Starts the present program in the place of the one that runs, and waits until every part is replaced.
    pub fn upgrade(&mut self) {
        self.upgrade_as(&[]);
    }

    /// The same, with these flags alone: all else is as it was.
    pub fn upgrade_as(&mut self, flags: &[&str]) {
        let folder = self.folder.path().to_path_buf();
        self.upgrade_from(&folder, flags);
    }

    /// The same, typed in any folder.
    pub fn upgrade_from(&mut self, folder: &Path, flags: &[&str]) {
        self.begin_upgrade(folder, flags);
        within(UPGRADED, "all parts are replaced", || {
            let shown = self.shown();
            assert!(!shown.contains(UPGRADED_NO_FURTHER), "{shown}");
            shown.contains("all parts are of version ").then_some(())
        });
        self.seen.extend(self.processes());
    }

    /// Begins the same with settings that a part can't use; what is said of it.
    pub fn upgrade_in_vain(&mut self, flags: &[&str]) -> String {
        let folder = self.folder.path().to_path_buf();
        self.begin_upgrade(&folder, flags);
        let said = within(UPGRADED, "the upgrade ends", || {
            self.shown().lines().find(|line| line.contains(UPGRADED_NO_FURTHER)).map(str::to_owned)
        });
        self.seen.extend(self.processes());
        said
    }

    fn begin_upgrade(&mut self, folder: &Path, flags: &[&str]) {
        let before = self.up.take();
        let shown = File::create(self.shown_file()).unwrap();
        let args = [&["up", "--upgrade"], flags].concat();
        self.spawn(airtight_in(folder, &args), || (Stdio::null(), shown.into()));
        self.wait_for_record();
        if let Some(mut before) = before {
            wait_until("the supervisor before leaves", || before.try_wait().unwrap().is_some());
        }
    }

    /// The same, and does something while the supervisor is not on record yet.
    pub fn supervise_while(&mut self, meanwhile: impl FnOnce(&Self)) {
        let shown = File::create(self.shown_file()).unwrap();
        self.spawn_up(&[], || (Stdio::null(), shown.into()));
        meanwhile(self);
        self.wait_for_parts();
    }

    /// Starts a supervisor with further flags and waits until the system answers.
    pub fn supervise_as(&mut self, flags: &[&str]) {
        let shown = File::create(self.shown_file()).unwrap();
        self.spawn_up(flags, || (Stdio::null(), shown.into()));
        self.wait_for_parts();
    }

    fn supervise_with(&mut self, terminal: impl FnOnce() -> (Stdio, Stdio)) {
        self.spawn_up(&[], terminal);
        self.wait_for_parts();
    }

    fn spawn_up(&mut self, flags: &[&str], terminal: impl FnOnce() -> (Stdio, Stdio)) {
        let only = self.parts.join(",");
        let mut args = vec!["up", "--only", &only];
        args.extend(PORTS.iter().flat_map(|flag| [*flag, "0"]));
        args.extend(self.flags.iter().chain(flags));
        self.spawn(airtight_in(self.folder.path(), &args), terminal);
    }

    fn spawn(&mut self, mut up: Command, terminal: impl FnOnce() -> (Stdio, Stdio)) {
        let (stdout, stderr) = terminal();
        // A group of its own, as a terminal gives it.
        let up = up.process_group(0).stdout(stdout).stderr(stderr).spawn().unwrap();
        self.up = Some(up);
    }

    fn wait_for_record(&mut self) {
        let pid = self.up.as_ref().and_then(|up| i32::try_from(up.id()).ok());
        wait_until("the supervisor is recorded", || self.recorded_supervisor() == pid);
        self.ports = self.recorded_ports();
    }

    fn wait_for_parts(&mut self) {
        self.wait_for_record();
        wait_until("all parts run", || self.parts.iter().all(|part| self.process(part).is_some()));
        self.seen.extend(self.processes());
    }

    fn up_json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&words(&self.supervisor_record())?).ok()
    }

    fn recorded_supervisor(&self) -> Option<i32> {
        let up = self.up_json()?;
        let process = up.get("process").unwrap_or(&up);
        i32::try_from(process["pid"].as_i64()?).ok()
    }

    fn recorded_ports(&self) -> BTreeMap<String, u16> {
        match self.up_json().unwrap().get_mut("ports").map(serde_json::Value::take) {
            Some(ports) => serde_json::from_value::<Vec<(String, u16)>>(ports).unwrap().into_iter().collect(),
            // There was no room for them.
            None => self.ports.clone(),
        }
    }

    /// Where the system keeps what it needs.
    pub fn run_dir(&self) -> PathBuf {
        self.folder.path().join(".airtight")
    }

    /// Where a part records itself.
    pub fn record(&self, part: &str) -> PathBuf {
        self.run_dir().join(format!("parts/{part}.json"))
    }

    /// Where the supervisor records itself.
    pub fn supervisor_record(&self) -> PathBuf {
        self.run_dir().join("up.json")
    }

    /// Where it is recorded what the system was given.
    pub fn settings(&self) -> PathBuf {
        self.run_dir().join("settings.json")
    }

    /// The log of a part.
    pub fn log(&self, part: &str) -> PathBuf {
        self.run_dir().join(format!("log/{part}.log"))
    }

    /// What the terminal shows.
    pub fn shown(&self) -> String {
        fs::read_to_string(self.shown_file()).unwrap()
    }

    /// Where that is kept.
    pub fn shown_file(&self) -> PathBuf {
        self.folder.path().join("shown")
    }

    /// Runs another command on this system.
    pub fn run(&self, args: &[&str]) -> Output {
        finished(&mut airtight_in(self.folder.path(), args))
    }

    /// The port of a part.
    pub fn port(&self, part: &str) -> u16 {
        self.recorded_ports()[part]
    }

    /// The port that a part had.
    pub fn port_before(&self, part: &str) -> u16 {
        self.ports[part]
    }

    /// Of a path below the signal, the URL on a part.
    pub fn url(&self, part: &str, path: &str) -> String {
        format!("http://localhost:{}/live01/{path}", self.port(part))
    }

    /// The process of a part; none while it does not run.
    pub fn process(&self, part: &str) -> Option<Process> {
        let record: serde_json::Value = serde_json::from_slice(&words(&self.record(part))?).ok()?;
        let process =
            Process { pid: i32::try_from(record["pid"].as_i64()?).ok()?, start: record["start"].as_u64()? };
        process.lives().then_some(process)
    }

    /// The processes of all parts.
    pub fn processes(&self) -> Vec<Process> {
        self.parts.iter().filter_map(|part| self.process(part)).collect()
    }

    /// The pids of all parts.
    pub fn pids(&self) -> Vec<i32> {
        self.parts.iter().map(|part| self.pid(part)).collect()
    }

    /// The pid of a part that runs.
    pub fn pid(&self, part: &str) -> i32 {
        self.process(part).unwrap_or_else(|| panic!("{part} runs")).pid
    }

    /// The words with which a part was started; none while it does not run, or is still being prepared.
    pub fn command_line(&self, part: &str) -> Option<String> {
        let line = fs::read_to_string(format!("/proc/{}/cmdline", self.process(part)?.pid)).ok()?;
        Some(line.trim_end_matches('\0').replace('\0', " ")).filter(|line| !line.contains(" -- "))
    }

    /// Kills a part as nothing can withstand.
    pub fn kill(&self, part: &str) {
        self.signal(part, Signal::KILL);
    }

    /// Sends a part a signal.
    pub fn signal(&self, part: &str, signal: Signal) {
        self.process(part).unwrap_or_else(|| panic!("{part} runs")).signal(signal);
    }

    /// Waits until a part runs as another process.
    pub fn wait_for_another(&self, part: &str, before: i32) {
        wait_until(&format!("another {part} runs"), || {
            self.process(part).is_some_and(|process| process.pid != before)
        });
    }

    /// Whether the reporter answers as it should.
    pub fn reporter_answers(&self) -> bool {
        let mut answer = String::new();
        let answered = connect(self.port("reporter")).and_then(|mut s| s.read_to_string(&mut answer));
        answered.is_ok() && answer.starts_with("HTTP/1.1 200")
    }

    /// Kills the supervisor and all that share its terminal.
    pub fn kill_supervisor(&mut self) {
        let mut up = self.up.take().unwrap();
        kill_process_group(Pid::from_child(&up), Signal::KILL).unwrap();
        up.wait().unwrap();
    }

    /// Sends the supervisor a signal.
    pub fn signal_supervisor(&self, signal: Signal) {
        kill_process(Pid::from_child(self.up.as_ref().unwrap()), signal).unwrap();
    }

    /// Presses Ctrl-C.
    pub fn interrupt_supervisor(&self) {
        let group = Pid::from_child(self.up.as_ref().unwrap());
        kill_process_group(group, Signal::INT).unwrap();
    }

    /// Programs of this name that were started in the system's folder and still run.
    pub fn programs(&self, name: &str) -> usize {
        let folder = self.folder.path().canonicalize().unwrap();
        let entries = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        let runs = |process: &PathBuf| {
            fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder)
                && fs::read_to_string(process.join("comm")).is_ok_and(|comm| comm.trim() == name)
        };
        entries.filter(runs).count()
    }

    /// A playlist of a part, if it gives one.
    pub fn playlist(&self, part: &str, path: &str) -> Option<String> {
        let answer = http::get(&format!("http://127.0.0.1:{}/{path}", self.port(part)))?;
        (answer.status == 200).then(|| answer.text())
    }

    /// The exit code of the supervisor, and what it showed.
    pub fn wait_for_supervisor(&mut self) -> (Option<i32>, String) {
        let mut up = self.up.take().unwrap();
        let mut code = None;
        wait_until("the supervisor ends", || {
            code = up.try_wait().unwrap();
            code.is_some()
        });
        (code.unwrap().code(), self.shown())
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if let Some(mut up) = self.up.take() {
            let _ = up.kill();
            let _ = up.wait();
        }
        for process in &self.seen {
            process.signal(Signal::KILL);
        }
        // The supervisor may have been killed before what it just started could record itself.
        for _ in 0..1000 {
            let left = processes_in(self.folder.path());
            if left.is_empty() {
                break;
            }
            left.iter().for_each(|process| process.signal(Signal::KILL));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
