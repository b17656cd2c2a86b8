//! Every setting there is, by its name.

use std::cmp::Reverse;

/// One setting: `--name`, `AIRTIGHT_NAME`, `name = …`.
#[derive(Debug)]
pub struct Key {
    /// The name of the flag and of the key in `airtight.toml`.
    pub name: &'static str,
    /// What it is for, with unit, range and default.
    pub help: &'static str,
}

/// Every setting there is.
pub const KEYS: &[Key] = &[
    Key { name: "config", help: "File of settings [default: airtight.toml, if there is one]" },
    Key { name: "log-format", help: "text or json [default: text]" },
    Key { name: "log", help: "Least level that is logged: error, warn, info, debug, trace [default: info]" },
    Key { name: "signal", help: "Name of the programme [default: live01]" },
    Key {
        name: "name",
        help: "Name of this part: worker a or b, server1 or server2, origin1 or origin2 [default: the first]",
    },
    Key {
        name: "input",
        help: "Media file, folder of media files, 'testsrc' for the generated programme, or 'testsrc-small' for it at \
               640x360 [default: ./input; in `up` the generated programme if no media is there]",
    },
    Key {
        name: "output",
        help: "Shared folder [default: ./output for a worker without packagers, and for discovery]",
    },
    Key { name: "packagers", help: "URLs of the packagers, separated by commas" },
    Key { name: "reporter", help: "URL of the reporter [default: http://localhost:2000]" },
    Key { name: "peers", help: "URLs of the other origins, separated by commas" },
    Key {
        name: "pathways",
        help: "Public URLs of all origins, origin1's first, separated by commas, alike on each; after one and = where \
               origins reach it, if elsewhere: viewers move between them [default: none]",
    },
    Key { name: "listen", help: "Address to listen on: port, or host:port [host: 127.0.0.1]" },
    Key { name: "root", help: "Folder that the packager serves [default: ./output]" },
    Key {
        name: "spool",
        help: "true if the packager owns its folder: it is filled by PUT and expires there [default: false]",
    },
    Key {
        name: "new-era",
        help: "Seconds, 10 to 3600, after which a running event has this worker's tracks if it has others \
               [default: others are refused]",
    },
    Key {
        name: "segment",
        help: "Segment and target duration, whole milliseconds, 1000 to 6000 [default: 2000]",
    },
    Key { name: "parts", help: "Parts per segment, 1 to 30, each 200 ms at least [default: 4]" },
    Key { name: "video-codec", help: "h264, hevc or av1 [default: h264]" },
    Key {
        name: "b-frames",
        help: "Most B-frames between two other pictures, 0 to 4; av1 has none [default: 2]",
    },
    Key { name: "audio-codec", help: "aac or opus [default: aac]" },
    Key { name: "audio-rate", help: "Audio samples per second, 44100 or 48000 [default: 48000]" },
    Key { name: "audio-channels", help: "1, 2, or 6 for 5.1 [default: 2]" },
    Key { name: "window", help: "Seconds of media that a playlist offers, 6 to 3600 [default: 30]" },
    Key { name: "retention", help: "Seconds of media that are kept on disk, 30 to 86400 [default: 300]" },
    Key {
        name: "retention-bytes",
        help: "Bytes of media that are kept on disk per signal, at least 16777216 [default: 4294967296]",
    },
    Key { name: "ffmpeg", help: "The ffmpeg program [default: ffmpeg]" },
    Key {
        name: "state",
        help: "Folder for what outlives a restart: the last good answer, the registry [default: none]",
    },
    Key {
        name: "interval",
        help: "Milliseconds between two rounds of discovery, 100 to 60000 [default: 1000]",
    },
    Key {
        name: "expiry",
        help: "Seconds after which a report that is not renewed is forgotten, 1 to 3600 [default: 5]",
    },
    Key {
        name: "run-dir",
        help: "Folder of a system that `up` runs: state, logs, spools [default: .airtight]",
    },
    Key { name: "host", help: "Address that all parts of `up` listen on [default: 127.0.0.1]" },
    Key { name: "server-one-port", help: "Port of packager 1 in `up`, 0 for any [default: 8080]" },
    Key { name: "server-two-port", help: "Port of packager 2 in `up`, 0 for any [default: 9090]" },
    Key { name: "reporter-port", help: "Port of the reporter in `up`, 0 for any [default: 2000]" },
    Key { name: "origin-port", help: "Port of origin 1 in `up`, 0 for any [default: 8000]" },
    Key { name: "origin-two-port", help: "Port of origin 2 in `up`, 0 for any [default: 8001]" },
    Key {
        name: "upgrade",
        help: "true to take over from the `up` that runs, if one does, and replace every part by one of this program \
               [default: false]",
    },
    Key {
        name: "only",
        help: "Parts that `up` runs, or cells that `drill` tries as fault@component, * for any; separated by commas \
               [default: all]",
    },
    Key {
        name: "via",
        help: "Ports at which the parts of `up` look for others, where a proxy is between them: server1=9081, …, \
               separated by commas [default: where those listen]",
    },
    Key { name: "quick", help: "true to try a choice of cells, in five minutes [default: false]" },
    Key { name: "random", help: "Faults that strike at random times in place of the cells, 1 to 10000" },
    Key { name: "seed", help: "Of the random times and faults; a seed gives the same again [default: any]" },
    Key { name: "duration", help: "Time in which the random faults strike, 10s to 24h [default: 10m]" },
    Key {
        name: "sequences",
        help: "Storms of random faults, one after the other, each with the next seed, 1 to 1000 [default: 1]",
    },
    Key { name: "report", help: "Folder for drill.json, drill.md and the parts' logs [default: none]" },
    Key {
        name: "once",
        help: "true for one round of discovery whose outcome is the exit status [default: false]",
    },
    Key { name: "json", help: "true for one JSON object a line in place of text [default: false]" },
    Key { name: "seconds", help: "Seconds to watch, 1 to 604800 [default: until the event ends, or Ctrl-C]" },
    Key {
        name: "every",
        help: "Milliseconds between two reloads of a playlist, 50 to 60000 [default: as players reload]",
    },
    Key { name: "player", help: "Patience of the player: hls.js or recommended [default: hls.js]" },
    Key {
        name: "frames",
        help: "true to decode everything and look for the test programme's frame codes and beeps [default: false]",
    },
];

/// Whether there is such a key.
pub fn is_key(name: &str) -> bool {
    KEYS.iter().any(|k| k.name == name)
}

/// The remedy for a name that is no key: the key that begins alike and is of like length, or the whole list.
pub fn nearest(name: &str) -> String {
    let begins = |k: &&Key| k.name.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
    let alike = |k: &&Key| (begins(k), Reverse(k.name.len().abs_diff(name.len())));
    match KEYS.iter().max_by_key(alike).filter(|k| begins(k) >= 3) {
        Some(key) => format!("did you mean '{}'?", key.name),
        None => format!("expected one of {}", KEYS.iter().map(|k| k.name).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_key_is_likely_one_that_begins_alike() {
        assert_eq!(nearest("retenton"), "did you mean 'retention'?");
        assert!(nearest("x").starts_with("expected one of config, log-format, "), "{}", nearest("x"));
    }
}
