use std::num::NonZeroU32;

use super::*;

fn record(json_end: &str) -> Record {
    let json = format!(
        r#"{{"signal":"live01","d":2000,"parts":4,"first":5,"eras":[{{"first":5,"tracks":[
            {{"name":"720p","kind":"video","width":1280,"height":720,"scale":25000,"frame":1000,
              "codecs":"avc1.64001f","bandwidth":1,"init":"0123456789abcdef"}}]}}]{json_end}}}"#
    );
    serde_json::from_str(&json).unwrap()
}

fn event(root: &Path, change: impl FnOnce(&mut Record)) -> Event {
    let mut ours = record("");
    change(&mut ours);
    let tracks = ours.eras[0].tracks.clone();
    Event::new(ours.signal, ours.grid, tracks, Some(root.to_owned()), Vec::new(), Client::new())
}

#[tokio::test]
async fn a_new_event_begins_with_the_first_whole_segment() {
    let root = tempfile::tempdir().unwrap();
    let event = event(root.path(), |_| {});
    event.open(Number(7), None).await.unwrap();
    event.begin(Number(8));
    event.begin(Number(9));
    let record = event.watch().borrow().clone().unwrap();
    assert_eq!((record.first, record.eras.len(), record.eras[0].first), (Number(8), 1, Number(8)));
}

#[tokio::test]
async fn a_running_event_is_taken_up_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    shared_record::merge(root.path(), &record("")).unwrap();
    let event = event(root.path(), |_| {});
    event.open(Number(70), None).await.unwrap();
    event.begin(Number(71));
    assert_eq!(*event.watch().borrow(), Some(record("")));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_in_one_sentence() {
    let root = tempfile::tempdir().unwrap();
    shared_record::merge(root.path(), &record("")).unwrap();
    let other = event(root.path(), |r| r.eras[0].tracks[0].codecs = "avc1.640028".to_owned());
    assert_eq!(
        other.open(Number(7), None).await.unwrap_err().to_string(),
        "signal 'live01' can't be encoded: from number 5 on the event has other tracks: track 720p has codec \
         avc1.64001f against avc1.640028; give it the input and the settings of the other workers, another \
         --signal, or --new-era to change the tracks of the event"
    );
    let other = event(root.path(), |r| r.grid.millis = NonZeroU32::new(4000).unwrap());
    assert_eq!(
        other.open(Number(7), None).await.unwrap_err().to_string(),
        "signal 'live01' can't be encoded: the event runs with segments of 2000 ms in 4 parts, not of 4000 ms \
         in 4; set segment and parts alike"
    );
}

fn wider(record: &mut Record) {
    record.eras[0].tracks[0].codecs = "avc1.640028".to_owned();
}

#[tokio::test]
async fn an_announced_era_is_taken_up_by_all_and_ends_the_one_before() {
    let root = tempfile::tempdir().unwrap();
    shared_record::merge(root.path(), &record("")).unwrap();
    let (old, new, other) =
        (event(root.path(), |_| {}), event(root.path(), wider), event(root.path(), wider));
    old.open(Number(7), None).await.unwrap();
    new.open(Number(7), Some(10)).await.unwrap();
    let stretch = |event: &Event, from| event.stretch(Number(from)).map(|s| (s.first.0, s.last.map(|n| n.0)));
    assert_eq!(stretch(&new, 7), Some((17, None)));
    new.merge(root.path()).await.unwrap();
    other.open(Number(9), Some(10)).await.unwrap();
    assert_eq!(other.watch().borrow().clone(), new.watch().borrow().clone(), "the first announcement counts");
    old.merge(root.path()).await.unwrap();
    assert_eq!((stretch(&old, 9), stretch(&old, 17)), (Some((5, Some(16))), None));
    let late = event(root.path(), |_| {});
    assert!(late.open(Number(16), None).await.is_ok(), "the era before is not over yet");
    let refused = late.open(Number(17), None).await.unwrap_err().to_string();
    assert!(
        refused.contains("from number 17 on the event has other tracks: track 720p has codec avc1.640028")
    );
}

#[tokio::test]
async fn whoever_began_beside_an_event_that_nobody_told_of_gives_way_to_it() {
    let root = tempfile::tempdir().unwrap();
    let begun = |change: fn(&mut Record), first| {
        let event = event(root.path(), change);
        event.begin(Number(first));
        event
    };
    assert!(begun(wider, 9).intrusion(&record("")).is_some());
    assert!(begun(wider, 3).intrusion(&record("")).is_none(), "that was there before");
    assert!(begun(|_| {}, 9).intrusion(&record("")).is_none(), "the tracks are alike");
}

#[tokio::test]
async fn an_event_that_is_over_is_refused_and_one_that_will_end_is_not() {
    let root = tempfile::tempdir().unwrap();
    shared_record::merge(root.path(), &record(r#","end":9"#)).unwrap();
    let event = event(root.path(), |_| {});
    event.open(Number(9), None).await.unwrap();
    assert_eq!(event.end(), Some(Number(9)));
    let error = event.open(Number(10), None).await.unwrap_err().to_string();
    assert!(error.contains("its event has ended with number 9; give another --signal"), "{error}");
}

#[tokio::test]
async fn an_end_in_the_folder_is_learned_and_ours_is_written_there() {
    let root = tempfile::tempdir().unwrap();
    let event = event(root.path(), |_| {});
    event.begin(Number(7));
    event.merge(root.path()).await.unwrap();
    assert!(shared_record::read(root.path(), &event.signal).unwrap().is_some());
    shared_record::merge(root.path(), &record(r#","end":9"#)).unwrap();
    event.merge(root.path()).await.unwrap();
    let joined = event.watch().borrow().clone().unwrap();
    assert_eq!((joined.first, joined.end), (Number(5), Some(Number(9))));
}
