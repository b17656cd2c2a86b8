//! `airtight end` ends an event, or says in one sentence why it can't.

use crate::support::{outcome, socket, text};

#[test]
fn a_signal_or_a_packager_that_is_none_is_refused() {
    let (code, error) = outcome(&["end", "live 01"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.starts_with("airtight: SIGNAL: 'live 01' is no signal name: expected "), "{error}");
    let (code, error) = outcome(&["end", "live01", "--packagers", "localhost:8080"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("'localhost:8080' is no URL of a part: "), "{error}");
}

#[test]
fn without_a_packager_no_event_can_be_ended() {
    // Bound and not served: the address is nobody else's.
    let (socket, address) = socket();
    drop(socket);
    let (code, error) = outcome(&["end", "live01", "--packagers", &format!("http://{address}")]);
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.starts_with("airtight: no packager tells its signals, so no event can be ended: "),
        "{error}"
    );
    assert!(error.contains(&address.to_string()), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn a_shared_folder_without_the_signal_is_named() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (code, error) = outcome(&["end", "live01", "--output", text(folder.path())]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.starts_with("airtight: there is no signal 'live01': "), "{error}");
}
