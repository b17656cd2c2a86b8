//! The documents name test files, make targets and source modules: all of them exist.

use std::{collections::BTreeSet, fs, path::Path};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The documents whose names are checked.
const DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

/// Every text in backticks of a document.
fn quoted(document: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join(document)).expect("the document is there");
    // Blocks of commands are read as lines, too.
    let inline = text.split('`').skip(1).step_by(2).map(str::to_owned);
    inline.chain(text.lines().map(str::to_owned)).collect()
}

#[test]
fn every_test_file_that_is_named_exists() {
    let tests = Path::new(ROOT).join("crates/airtight/tests");
    let mut named = 0;
    for document in DOCUMENTS {
        for name in quoted(document).iter().filter(|q| q.ends_with(".rs") && !q.contains([' ', '/'])) {
            named += 1;
            let exists = ["alone", "together"].iter().any(|folder| tests.join(folder).join(name).is_file());
            assert!(exists, "{document} names {name}, which is not in {}", tests.display());
        }
    }
    assert!(named > 5, "the documents name tests");
}

#[test]
fn every_make_target_that_is_named_exists() {
    let makefile = fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', ' ']))
        .filter_map(|line| line.split_once(':').map(|(names, _)| names))
        .flat_map(str::split_whitespace)
        .collect();
    for document in DOCUMENTS {
        for command in quoted(document).iter().filter_map(|q| q.strip_prefix("make ")) {
            let target = command.split_whitespace().next().unwrap_or_default();
            let is_part = target.starts_with("run-") && makefile.contains("$(PARTS)");
            assert!(targets.contains(target) || is_part, "{document} names 'make {target}'");
        }
    }
}

#[test]
fn every_link_leads_to_a_file() {
    for document in DOCUMENTS {
        let text = fs::read_to_string(Path::new(ROOT).join(document)).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.starts_with("http") {
                assert!(Path::new(ROOT).join(target).is_file(), "{document} links to {target}");
            }
        }
    }
}
