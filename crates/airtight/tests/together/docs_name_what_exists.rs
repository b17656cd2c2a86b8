//! The documents name test files, make targets, commands of tests and other documents: all of them exist, and all
//! tests are run.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The documents whose names are checked.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let main = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|document| root.join(document));
    let all: Vec<_> = main.into_iter().chain(files(&root.join("docs"))).collect();
    assert!(all.len() > 6, "there are documents");
    all
}

/// Every text in backticks of a document, and its lines.
fn quoted(document: &Path) -> Vec<String> {
    let text = read(document);
    // Blocks of commands are read as lines, too.
    let inline = text.split('`').skip(1).step_by(2).map(str::to_owned);
    inline.chain(text.lines().map(str::to_owned)).collect()
}

/// What is in a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries.map(|entry| entry.expect("it can be read").path()).collect()
}

fn read(document: &Path) -> String {
    fs::read_to_string(document).expect("the document is there")
}

/// Of the tests with real processes.
const FOLDERS: [&str; 3] = ["alone", "paired", "together"];

/// The name of a file or folder, without its ending.
fn name(path: &Path) -> &str {
    path.file_stem().and_then(OsStr::to_str).expect("a name in UTF-8")
}

#[test]
fn every_test_file_that_is_named_exists() {
    let tests = Path::new(ROOT).join("crates/airtight/tests");
    let mut named = 0;
    for document in documents() {
        for name in quoted(&document).iter().filter(|q| q.ends_with(".rs") && !q.contains([' ', '/'])) {
            named += 1;
            let exists = FOLDERS.iter().any(|folder| tests.join(folder).join(name).is_file());
            assert!(exists, "{} names {name}, which is not in {}", document.display(), tests.display());
        }
    }
    assert!(named > 5, "the documents name tests");
}

#[test]
fn every_test_file_is_compiled() {
    for folder in FOLDERS.map(|folder| Path::new(ROOT).join("crates/airtight/tests").join(folder)) {
        let main = fs::read_to_string(folder.join("main.rs")).unwrap();
        for file in files(&folder).iter().filter(|file| file.extension().is_some_and(|e| e == "rs")) {
            let name = name(file);
            let is_compiled = name == "main" || main.lines().any(|line| line == format!("mod {name};"));
            assert!(is_compiled, "{} is no module of main.rs", file.display());
        }
    }
}

#[test]
fn every_test_binary_is_run_by_make() {
    let makefile = fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    let words: Vec<&str> = makefile.split_whitespace().collect();
    let mut binaries = 0;
    for krate in files(&Path::new(ROOT).join("crates")) {
        let tests = krate.join("tests");
        let entries = if tests.is_dir() { files(&tests) } else { Vec::new() };
        let is_binary =
            |path: &Path| path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").is_file();
        for binary in entries.iter().filter(|path| is_binary(path)) {
            binaries += 1;
            let is_run = words.windows(2).any(|pair| pair == ["--test", name(binary)]);
            assert!(is_run, "the Makefile does not run {}", binary.display());
        }
    }
    assert!(binaries > 2, "there are tests");
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
    let parts = makefile.lines().find_map(|line| line.strip_prefix("PARTS := ")).expect("there are parts");
    for document in documents() {
        for command in quoted(&document).iter().filter_map(|q| q.strip_prefix("make ")) {
            let target = command.split_whitespace().next().unwrap_or_default();
            let part = target.strip_prefix("run-").map(|part| part.trim_start_matches("local-"));
            let is_part = part.is_some_and(|part| parts.split_whitespace().any(|name| name == part));
            assert!(targets.contains(target) || is_part, "{} names 'make {target}'", document.display());
        }
    }
}

#[test]
fn every_command_of_tests_finds_some() {
    let tests = Path::new(ROOT).join("crates/airtight/tests");
    let mut commands = 0;
    for document in documents() {
        let text = read(&document);
        let words: Vec<&str> =
            text.split_whitespace().map(|word| word.trim_end_matches(['`', ';', '.', ','])).collect();
        for command in words.windows(3).filter(|command| command[0] == "--test") {
            commands += 1;
            let (folder, wanted) = (tests.join(command[1]), command[2]);
            assert!(
                folder.join("main.rs").is_file(),
                "{} runs tests of '{}'",
                document.display(),
                command[1]
            );
            let sources = files(&folder).iter().map(|file| read(file)).collect::<String>();
            let finds = wanted.starts_with('-') || sources.contains(wanted);
            assert!(finds, "{} looks for tests '{wanted}'", document.display());
        }
    }
    assert!(commands > 0, "the documents run tests");
}

#[test]
fn every_link_leads_to_a_file() {
    for document in documents() {
        for target in read(&document).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            let exists = || document.with_file_name(file).is_file();
            assert!(
                target.starts_with("http") || file.is_empty() || exists(),
                "{} links to {target}",
                document.display()
            );
        }
    }
}
