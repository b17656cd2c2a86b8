use super::*;
use crate::shared_record::fixture::record;

const NOW: u64 = 1_795_477_632_000;

fn folder(root: &Path) -> Folder {
    let record = record(1);
    let (signal, grid, tracks) = (record.signal.clone(), record.grid, record.eras[0].tracks.clone());
    Folder::new(Contents { root: root.to_owned(), signal, grid, tracks, retention_ms: 30_000 })
}

fn item(piece: Piece) -> Item {
    Item { piece, bytes: Bytes::from_static(b"media") }
}

fn segment(lineage: &str, number: u64) -> Item {
    let (lineage, track) = (lineage.parse().unwrap(), "720p".parse().unwrap());
    item(Piece::Segment { lineage, track, number: Number(number) })
}

fn init(lineage: &str) -> Item {
    let (lineage, track) = (lineage.parse().unwrap(), "720p".parse().unwrap());
    item(Piece::Init { lineage, track, init: "0123456789abcdef".parse().unwrap() })
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_lineage_is_a_playable_asset_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let mut folder = folder(root.path());
    let n = clock::millis() / 2000;
    assert_eq!(folder.put(&segment("a-7", n)).await, Outcome::Unprepared, "its init comes first");
    for item in [init("a-7"), segment("a-7", n), segment("a-7", n + 1)] {
        assert_eq!(folder.put(&item).await, Outcome::Done);
    }
    let lineage = root.path().join("live01/a-7");
    assert_eq!(names(&lineage), ["720p", "playlist.m3u8"]);
    let (first, second) = (format!("{n}.m4s"), format!("{}.m4s", n + 1));
    let expected = [first.as_str(), &second, "init-0123456789abcdef.mp4", "playlist.m3u8"];
    assert_eq!(names(&lineage.join("720p")), expected, "nothing temporary is left");
    let playlist = fs::read_to_string(lineage.join("720p/playlist.m3u8")).unwrap();
    assert!(playlist.contains(&format!("MEDIA-SEQUENCE:{n}\n")), "{playlist}");
    assert!(playlist.ends_with(&format!("{second}\n")), "{playlist}");
    // After a hole the playlist begins anew: its numbers have to follow each other.
    assert_eq!(folder.put(&segment("a-7", n + 4)).await, Outcome::Done);
    let playlist = fs::read_to_string(lineage.join("720p/playlist.m3u8")).unwrap();
    assert!(playlist.contains(&format!("MEDIA-SEQUENCE:{}\n", n + 4)), "{playlist}");
    assert!(!playlist.contains(&second), "{playlist}");
}

#[tokio::test]
async fn a_playlist_names_nothing_that_expires() {
    let root = tempfile::tempdir().unwrap();
    let mut folder = folder(root.path());
    let now = clock::millis() / 2000;
    folder.put(&init("a-7")).await;
    for number in now - 30..now {
        folder.put(&segment("a-7", number)).await;
    }
    let track = root.path().join("live01/a-7/720p");
    let playlist = fs::read_to_string(track.join("playlist.m3u8")).unwrap();
    let listed: Vec<_> = playlist.lines().filter(|line| line.ends_with(".m4s")).collect();
    assert_eq!(listed.len(), 14, "13 numbers of 2 s before the newest: {playlist}");
    assert!(listed.iter().all(|name| track.join(name).exists()), "all are there: {listed:?}");
}

#[test]
fn what_is_older_than_the_retention_goes() {
    let root = tempfile::tempdir().unwrap();
    let contents = folder(root.path()).contents;
    let newest = NOW / 2000;
    let place = |lineage: &str, number: u64| {
        root.path().join(segment(lineage, number).place(&contents.signal).to_string())
    };
    let (own, dead) = (format!("a-{}", NOW / 1000 - 90), format!("b-{}", NOW / 1000 - 900));
    for number in newest - 20..newest {
        whole::write_in_new_folder(&place(&own, number), b"media").unwrap();
    }
    whole::write_in_new_folder(&place(&dead, newest - 17), b"media").unwrap();
    whole::write_in_new_folder(&place("b-1", newest - 3), b"a lineage of another worker that runs").unwrap();
    whole::write_in_new_folder(&root.path().join("live01/notes/x.m4s"), b"no lineage").unwrap();
    remove_old(&contents, &own.parse().unwrap(), NOW).unwrap();
    assert_eq!(names(&root.path().join("live01")), [own.as_str(), "b-1", "notes"]);
    let kept = names(&root.path().join("live01").join(&own).join("720p"));
    assert_eq!((kept.len(), &kept[0]), (16, &format!("{}.m4s", newest - 16)), "30 s and what touches them");
}
