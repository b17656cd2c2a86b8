//! `airtight`: live streaming without downtime. One binary whose commands are the parts.

mod child;
mod cli;
mod config;
mod discovery;
mod drill;
mod end;
mod http;
mod log;
mod notify;
mod origin;
mod outlet;
mod packager;
mod publish;
mod reporter;
mod serve;
mod shared_record;
mod state;
mod up;
mod upstream;
mod watch;
mod whole;
mod worker;

use std::process::ExitCode;

use cli::Invocation;
use config::SettingError;

/// Exit code of a program that can't go on with what it was given.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == child::NAME) {
        let (code, error) = child::exec(std::env::args_os().skip(1));
        log::last_words(&error);
        return ExitCode::from(code);
    }
    let outcome = cli::parse(std::env::args_os()).map_err(Into::into).and_then(|invocation| run(&invocation));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::last_words(&error);
            ExitCode::from(if error.is::<SettingError>() { UNUSABLE } else { 1 })
        }
    }
}

/// Runs the command to its end.
fn run(invocation: &Invocation) -> anyhow::Result<()> {
    let settings = &invocation.settings;
    let log = log::start(settings)?;
    let outcome = match invocation.command.as_str() {
        "up" => up::run(settings),
        "down" => up::down::run(settings),
        "drill" => drill::run(settings),
        "discovery" => discovery::run(settings),
        "origin" => origin::run(settings),
        "packager" => packager::run(settings),
        "end" => end::run(invocation),
        "reporter" => reporter::run(settings),
        "watch" => watch::run(invocation),
        "worker" => worker::run(settings),
        other => unreachable!("clap knows no command '{other}'"),
    };
    log.finish();
    outcome
}
