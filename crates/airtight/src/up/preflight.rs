//! Whether the parts can work with what they would be given, asked before anything is started or changed.
//!
//! Every part reads its settings the way it will read them when it runs: its own section, its variables,
//! its ranges. So there is no second list of what is allowed.

use super::arguments;
use super::plan::{Part, Ports, System};
use crate::cli::{self, Invocation};
use crate::config::SettingError;
use crate::{discovery, log, origin, packager, reporter, worker};

/// Checks the settings of all parts, the ffmpeg and the input.
///
/// # Errors
/// The first fault, in the words of the part that could not work.
pub async fn check(system: &System, ports: &Ports) -> Result<(), SettingError> {
    // Any number stands for a port that the machine has yet to choose, another one for each part.
    let stood_in = ports.iter().zip(1_u16..);
    let ports: Ports =
        stood_in.map(|((&part, &port), other)| (part, if port == 0 { other } else { port })).collect();
    let given = |part: &Part| given(system, &ports, *part);
    for part in &system.parts {
        let Invocation { command, settings, .. } = given(part)?;
        log::check(&settings)?;
        match command.as_str() {
            "packager" => packager::check(&settings)?,
            "origin" => origin::check(&settings)?,
            "reporter" => reporter::check(&settings)?,
            "discovery" => discovery::check(&settings)?,
            // The encoders differ by name only: one look at ffmpeg and the input is enough.
            _ => {}
        }
    }
    match system.parts.iter().find(|part| part.encodes()) {
        Some(encoder) => worker::check(&given(encoder)?.settings).await,
        None => Ok(()),
    }
}

/// What a part would read.
fn given(system: &System, ports: &Ports, part: Part) -> Result<Invocation, SettingError> {
    let args = arguments::of(system, ports, part, cli::reads);
    cli::parse(std::iter::once("airtight".to_owned()).chain(args).map(Into::into))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{config::Settings, up::settings};

    #[tokio::test]
    async fn ports_that_the_machine_has_yet_to_choose_are_no_fault() {
        let only = ("only", "reporter,server1,server2,origin1,origin2".to_owned());
        let any = cli::PORTS.iter().map(|key| (*key, "0".to_owned()));
        let flags = any.chain([only, ("input", "testsrc".to_owned())]).collect();
        let asked = Settings::new("up", flags, BTreeMap::new(), "").unwrap();
        let (system, ports) = settings::read(&asked).unwrap();
        check(&system, &ports).await.unwrap();
    }
}
