//! The system that is drilled: one of `airtight up`, in a folder of its own.

use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use airtight_lab::drill::matrix::SUPERVISOR;
use anyhow::{Context as _, anyhow, bail};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{
    process::Child,
    time::{Instant, sleep},
};

use crate::{
    child::{
        self,
        process::{Handle, Process},
    },
    config::SettingError,
    http::{Budget, Client},
    log,
    up::{
        down,
        folder::Folder,
        logs,
        plan::{self, Part, Ports},
    },
    worker,
};

use super::{
    clocks::{self, Clocks},
    content::Content,
    network::Network,
};

/// Exit code of a program that can't go on with what it was given.
const UNUSABLE: i32 = 2;
/// Between two looks at a supervisor that starts.
const POLL: Duration = Duration::from_millis(20);
/// For one that was ended and has not gone.
const LEFTOVERS: Duration = Duration::from_secs(5);
/// For every part to be replaced, one after the other.
const UPGRADE: Duration = Duration::from_secs(120);
/// An answer of a part of this machine.
const BUDGET: Budget = Budget { time: Duration::from_secs(2), bytes: 4 << 20 };
/// Where all parts listen.
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The programme that is played.
pub const SIGNAL: &str = "live01";

/// A running system. [`System::end`] leaves nothing of it.
#[derive(Debug)]
pub struct System {
    temporary: TempDir,
    folder: Folder,
    args: Vec<String>,
    network: Network,
    client: Client,
    content: Content,
    clocks: Option<Clocks>,
    /// The last supervisor that was started, which reaps itself.
    supervisor: Mutex<Option<Child>>,
}

impl System {
    /// A folder for a system whose parts listen on these ports, 0 for any, whose playlists offer `window`, and which
    /// encodes with the program `ffmpeg`; with the library of [`clocks`] each part has a clock of its own.
    ///
    /// # Errors
    /// There can be no temporary folder.
    pub async fn new(
        ports: &[(&str, u16)],
        window: Duration,
        ffmpeg: &str,
        clocks: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let temporary = tempfile::Builder::new().prefix("airtight-drill-").tempdir();
        let temporary = temporary.context("cannot make a temporary folder")?;
        let run = temporary.path().join("run");
        let folder = Folder::new(&run);
        let network = Network::between(&folder).await?;
        let content = Content::write(temporary.path(), ffmpeg)?;
        let clocks = clocks.map(|library| Clocks::write(library, &temporary.path().join("clocks"), &folder));
        let clocks = clocks.transpose()?;
        let mut args = vec!["up".to_owned(), format!("--run-dir={}", run.display())];
        args.extend([
            format!("--input={}", worker::SMALL),
            format!("--signal={SIGNAL}"),
            format!("--host={HOST}"),
            "--only=".to_owned(),
            format!("--via={}", network.via()),
            format!("--window={}", window.as_secs()),
            format!("--ffmpeg={}", content.program().display()),
        ]);
        args.extend(ports.iter().map(|(key, port)| format!("--{key}={port}")));
        let (client, supervisor) = (Client::new(), Mutex::default());
        Ok(Self { temporary, folder, args, network, client, content, clocks, supervisor })
    }

    /// Starts a supervisor, which starts or adopts the parts, and waits until it is on record.
    ///
    /// # Errors
    /// A [`SettingError`] if it can't work with what it was given, in its own words.
    pub async fn supervise(&self) -> anyhow::Result<()> {
        self.start(None).await
    }

    /// Starts a supervisor in the place of the present one, and waits until it has replaced every part.
    ///
    /// # Errors
    /// It can't be started, or some part is not replaced in time.
    pub async fn upgrade(&self) -> anyhow::Result<()> {
        let before: Vec<_> = Part::ALL.into_iter().filter_map(|part| self.process(part.name())).collect();
        self.start(Some("--upgrade")).await?;
        let begun = Instant::now();
        loop {
            let left = Part::ALL.into_iter().find(|part| {
                self.process(part.name()).is_none_or(|process| before.contains(&process) || !process.lives())
            });
            let leaving = self.folder.living()?.into_iter().find_map(|process| process.leaves());
            match left.or(leaving) {
                None => return Ok(()),
                Some(part) if begun.elapsed() > UPGRADE => bail!("{part} is not replaced after {UPGRADE:?}"),
                Some(_) => sleep(POLL).await,
            }
        }
    }

    /// The process that is on record for a part, or for the supervisor.
    pub fn process(&self, name: &str) -> Option<Process> {
        match name {
            SUPERVISOR => self.folder.read_up().map(|up| up.process),
            part => Process::read(&self.folder.record(part)),
        }
    }

    /// Starts a supervisor, with a further flag, and waits until it is on record.
    async fn start(&self, flag: Option<&str>) -> anyhow::Result<()> {
        let said = self.temporary.path().join("up.log");
        let stderr = File::options().create(true).append(true).open(&said).context("cannot write a log")?;
        // What a full disk does to parts is tried by a limit, which sends a signal that no full disk sends.
        let program = std::env::current_exe().context("cannot find this program")?;
        let up = child::Command::new("env").args(["--ignore-signal=XFSZ"]).args([program.as_os_str()]);
        let up = up.args(&self.args).args(flag).own_session();
        let up = up.envs(self.clocks.iter().flat_map(Clocks::variables));
        let up = up.stdout(std::process::Stdio::null()).stderr(stderr).spawn().await?;
        let pid = up.id().map(u32::cast_signed);
        *self.supervisor.lock().unwrap_or_else(PoisonError::into_inner) = Some(up);
        loop {
            if let Some(up) = self.folder.read_up().filter(|up| Some(up.process.pid) == pid)
                && up.process.lives()
            {
                return Ok(());
            }
            if let Some(code) = self.exit_code()? {
                let words = logs::last_line(&said).unwrap_or_default();
                let words = words.strip_prefix(log::SPEAKER).unwrap_or(&words).to_owned();
                match code {
                    UNUSABLE => bail!(SettingError::new(words)),
                    _ => bail!("`airtight up` ended: {words}"),
                }
            }
            sleep(POLL).await;
        }
    }

    /// How the last supervisor ended; none while it runs.
    fn exit_code(&self) -> anyhow::Result<Option<i32>> {
        let mut supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        let status = supervisor.as_mut().map(Child::try_wait).transpose()?.flatten();
        Ok(status.map(|status| status.code().unwrap_or(-1)))
    }

    /// The ports that the parts listen on.
    pub fn ports(&self) -> Ports {
        self.folder.read_up().map(|up| up.ports()).unwrap_or_default()
    }

    /// Of a path below the programme, the URL on a part.
    pub fn url(&self, part: Part, path: &str) -> String {
        self.root_url(part, &format!("{SIGNAL}/{path}"))
    }

    /// The URL of a path on a part, as the system itself writes it: a viewer on another one would be led away to the
    /// first origin.
    fn root_url(&self, part: Part, path: &str) -> String {
        let port = self.ports().get(&part).copied().unwrap_or(0);
        format!("{}/{path}", plan::url(HOST, port))
    }

    /// What a part answers.
    ///
    /// # Errors
    /// It does not, or not with success.
    pub async fn get(&self, part: Part, path: &str) -> anyhow::Result<String> {
        let answer = self.client.get(&self.root_url(part, path), BUDGET).await;
        let answer = answer.map_err(|fault| anyhow!("{part}: {fault}"))?;
        if !answer.status.is_success() {
            bail!("{part} answers {}", answer.status);
        }
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Takes hold of a part, or of the supervisor, by name; none if it does not run.
    ///
    /// # Errors
    /// The system's, if there can be no further descriptor.
    pub fn hold(&self, name: &str) -> anyhow::Result<Option<Handle>> {
        Ok(self.process(name).map(Process::open).transpose()?.flatten())
    }

    /// Where a packager keeps its media.
    ///
    /// # Errors
    /// There is no such part.
    pub fn spool(&self, part: &str) -> anyhow::Result<PathBuf> {
        let part: Part = part.parse().map_err(anyhow::Error::msg)?;
        Ok(plan::spool(self.folder.path(), part))
    }

    /// The network between the parts.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What the encoders are given.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The clocks of the parts, if they are not the machine's.
    pub fn clocks(&self) -> Option<&Clocks> {
        self.clocks.as_ref()
    }

    /// Where the parts and the supervisor write their logs.
    pub fn logs(&self) -> Vec<PathBuf> {
        let parts = Part::ALL.map(|part| self.folder.log(part));
        parts.into_iter().chain([self.temporary.path().join("up.log")]).collect()
    }

    /// Where all of it lies.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Ends all of it, whatever state it is in, and removes its folder.
    ///
    /// # Errors
    /// If a supervisor can't be ended.
    pub async fn end(self) -> anyhow::Result<()> {
        let names = Part::ALL.map(Part::name).into_iter().chain([SUPERVISOR]);
        // What is frozen hears no request to end.
        for handle in names.filter_map(|name| self.hold(name).ok().flatten()) {
            let _ = handle.signal(Signal::CONT);
        }
        let ended = down::down(&self.folder).await.map(drop);
        let last = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut last) = last {
            let pid = last.id().map(u32::cast_signed);
            // One that was not on record yet; any other has ended.
            let _ = last.start_kill();
            let _ = tokio::time::timeout(LEFTOVERS, last.wait()).await;
            pid.into_iter().for_each(clocks::tidy);
        }
        ended
    }
}
