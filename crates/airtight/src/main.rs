//! `airtight`: live streaming without downtime. One binary whose commands are the parts.

mod cli;
mod config;

use std::process::ExitCode;

use cli::Invocation;
use config::SettingError;

/// Exit code of a program that can't go on with what it was given.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let outcome = cli::parse(std::env::args_os()).map_err(Into::into).and_then(run);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("airtight: {error:#}");
            ExitCode::from(if error.is::<SettingError>() { UNUSABLE } else { 1 })
        }
    }
}

/// Runs the command to its end.
fn run(invocation: Invocation) -> anyhow::Result<()> {
    match invocation.command.as_str() {
        other => unreachable!("clap knows no command '{other}'"),
    }
}
