//! Tables of the documents that are made from tests: what an operator reads is what a test has seen.

use std::{
    env, fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

/// Tests that run side by side have tables in one document.
static WRITING: Mutex<()> = Mutex::new(());

/// Stands in a sentence for what differs from case to case.
const VARIABLE: char = '…';

/// Checks that a document has this table between its marks; with `UPDATE_DOCS=1` it is written there.
///
/// # Panics
/// The document has another table, or no such marks.
pub fn assert_table(document: &str, name: &str, columns: &[&str], rows: &[Vec<String>]) {
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(DOCS).join(document);
    let text = fs::read_to_string(&path).expect("the document is there");
    let marks = (format!("<!-- {name}: made from the tests -->\n"), format!("<!-- end of {name} -->\n"));
    let (before, rest) = text.split_once(&marks.0).expect("the document has the first mark");
    let (found, after) = rest.split_once(&marks.1).expect("the document has the second mark");
    let expected = table(columns, rows);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, [before, &marks.0, &expected, &marks.1, after].concat()).expect("it can be written");
    } else {
        assert_eq!(found, expected, "docs/{document} is not what the tests see: run them with UPDATE_DOCS=1");
    }
}

/// A sentence as the program writes it, in a cell of a table.
pub fn quoted(sentence: &str) -> String {
    if sentence.is_empty() { String::new() } else { format!("`{sentence}`") }
}

fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let rule: Vec<_> = columns.iter().map(|_| "---".to_owned()).collect();
    let head: Vec<_> = columns.iter().map(|&column| column.to_owned()).collect();
    let lines = [head, rule].into_iter().chain(rows.iter().cloned());
    let lines = lines.map(|cells| format!("| {} |\n", cells.join(" | ")));
    format!("\n{}\n", lines.collect::<String>())
}

/// Whether `text` is `sentence`, in which each `…` stands for any characters, at least one.
pub fn says(text: &str, sentence: &str) -> bool {
    let (text, mut pieces) = (text.trim_end(), sentence.split(VARIABLE));
    let Some(rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<_> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    let mut rest = rest;
    for piece in middle {
        let Some((skipped, after)) = rest.split_once(piece) else { return false };
        if skipped.is_empty() {
            return false;
        }
        rest = after;
    }
    rest.len() > last.len() && rest.ends_with(last)
}
