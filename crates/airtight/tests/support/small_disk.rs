//! A disk that a test can fill: a small one in memory, which only the test and what it starts can see.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    process::Command,
};

use super::{ENDS_LATE, finished_within};

/// Tells the process that runs the test on the disk so.
const INSIDE: &str = "AIRTIGHT_TEST_SMALL_DISK";

/// The file that takes all room.
const FILLING: &str = "filling";

/// Mounts a disk on the first argument and becomes the rest.
const MOUNT: &str = r#"mount -t tmpfs -o "size=1m,nr_inodes=400" none "$1" && shift && exec "$@""#;

/// Runs a test, named with its modules, with all its temporary folders on a small disk of its own, in a process that
/// may mount one.
pub fn on_a_small_disk(name: &str, test: impl FnOnce(&SmallDisk)) {
    if let Some(path) = env::var_os(INSIDE) {
        return test(&SmallDisk { path: path.into() });
    }
    let place = tempfile::tempdir().unwrap();
    let user: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--map-root-user"] };
    let mut command = Command::new("unshare");
    command.args(user).args(["--mount", "sh", "-c", MOUNT, "sh"]).arg(place.path());
    command.arg(env::current_exe().unwrap()).args([name, "--exact", "--nocapture"]);
    let output = finished_within(ENDS_LATE, command.env(INSIDE, place.path()).env("TMPDIR", place.path()));
    let said = String::from_utf8_lossy(&output.stdout);
    let fault = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("running "), "no disk can be mounted here, see CONTRIBUTING.md: {fault}");
    assert!(output.status.success(), "{said}{fault}");
    assert!(said.contains("1 passed"), "there is no test {name}: {said}");
}

/// The disk, mounted.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Leaves no room for a byte of a file; there may be more files, without bytes.
    pub fn fill(&self) {
        for piece in [4096, 1] {
            let mut file = File::options().create(true).append(true).open(self.path.join(FILLING)).unwrap();
            while file.write_all(&vec![0xa5; piece]).is_ok() {}
        }
        fs::write(self.path.join("probe"), b"x").expect_err("it is full");
    }

    /// Gives back what [`fill`](Self::fill) took.
    pub fn make_room(&self) {
        fs::remove_file(self.path.join(FILLING)).unwrap();
    }

    /// Leaves no room for a further file, and says which may go.
    pub fn fill_with_files(&self) -> Vec<PathBuf> {
        let paths = (0..).map(|number| self.path.join(format!("file-{number}")));
        let made: Vec<_> = paths.take_while(|path| File::create(path).is_ok()).collect();
        assert!(!made.is_empty(), "there was room before");
        made
    }
}
