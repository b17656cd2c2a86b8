//! What a process takes of memory.

use rustix::process::Pid;

/// Resident memory of a process, in KiB.
///
/// # Panics
/// There is no such process.
pub fn resident_kib(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("the process has memory");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok());
    kib.expect("the line has a number")
}
