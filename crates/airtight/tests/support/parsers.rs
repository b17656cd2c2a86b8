//! What independent parsers of playlists make of ours: hls-parser (npm) and m3u8 (Python).

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;

const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/browser");

/// The playlist as both understand it.
///
/// # Panics
/// One of them refuses it, or they differ.
pub fn read(text: &str) -> Value {
    let ours = summary(Command::new("node").arg("parse.mjs"), text);
    // Debian's own interpreter: its package has the module.
    let theirs = summary(Command::new("/usr/bin/python3").arg("parse.py"), text);
    assert_eq!(canonical(&ours), canonical(&theirs), "hls-parser and m3u8 differ on\n{text}");
    ours
}

fn summary(parser: &mut Command, text: &str) -> Value {
    let parser =
        parser.current_dir(TOOLS).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = parser.spawn().expect("`make test` installs the parsers");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(text.as_bytes()).expect("the parser reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("a child can be waited for");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{parser:?} refuses this playlist: {complaint}\n{text}");
    serde_json::from_slice(&output.stdout).expect("the summary is JSON")
}

/// 25 and 25.0 are one number.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), canonical(value))).collect(),
        other => other.clone(),
    }
}
