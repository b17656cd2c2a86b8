use std::collections::BTreeSet;

use super::*;
use proptest::prelude::*;

const EXPIRY: Duration = Duration::from_secs(5);

/// Milliseconds after the start, on both clocks.
fn at(millis: u64) -> Now {
    let monotonic = Duration::from_millis(millis);
    Now { monotonic, wall: "2024-04-05T14:23:45Z".parse::<Timestamp>().unwrap() + monotonic }
}

fn report(signal: &str, packagers: &[&str]) -> Report {
    Report {
        signal: signal.parse().unwrap(),
        packagers: packagers.iter().map(|url| format!("http://{url}").parse().unwrap()).collect(),
    }
}

/// `signal=packager,packager;…` of what is known.
fn known(registry: &Registry) -> String {
    let signals: Vec<String> = registry
        .snapshot()
        .signals
        .iter()
        .map(|known| {
            let packagers: Vec<&str> = known.packagers.iter().map(|packager| packager.url.host()).collect();
            format!("{}={}", known.signal, packagers.join(","))
        })
        .collect();
    signals.join(";")
}

#[test]
fn reports_are_merged_by_union() {
    let mut registry = Registry::new(EXPIRY);
    registry.merge(vec![report("live01", &["p1"]), report("live01", &["p2"])], at(0)).unwrap();
    registry.merge(vec![report("live02", &["p1"]), report("live01", &["p1"])], at(1)).unwrap();
    assert_eq!(known(&registry), "live01=p1,p2;live02=p1");
}

#[test]
fn what_nobody_renews_expires() {
    let mut registry = Registry::new(EXPIRY);
    registry.merge(vec![report("live01", &["p1", "p2"])], at(0)).unwrap();
    registry.merge(vec![report("live01", &["p2"])], at(3000)).unwrap();
    assert_eq!(registry.wake_at(), Some(Duration::from_secs(5)));
    assert!(registry.expire(at(4999).monotonic).is_empty());
    let changes = registry.expire(at(5000).monotonic);
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].packager.host(), changes[0].active), ("p1", false));
    assert_eq!(known(&registry), "live01=p2");
    registry.expire(at(8000).monotonic);
    assert_eq!(known(&registry), "");
    assert_eq!(registry.wake_at(), None);
}

#[test]
fn a_signal_without_a_packager_is_known_but_left_out_of_the_answer() {
    let mut registry = Registry::new(EXPIRY);
    registry.merge(vec![report("live01", &[]), report("live02", &["p1"])], at(0)).unwrap();
    assert_eq!(known(&registry), "live01=;live02=p1");
    let answer = registry.snapshot().ingests(&TimeZone::UTC);
    assert_eq!(answer.len(), 1);
    assert_eq!(answer[0].signal.as_str(), "live02");
    assert_eq!(answer[0].last_reported, "Fri, 05 Apr 2024 14:23:45 UTC");
    assert!(Registry::new(EXPIRY).snapshot().ingests(&TimeZone::UTC).is_empty());
}

#[test]
fn the_revision_counts_changes_not_renewals() {
    let mut registry = Registry::new(EXPIRY);
    registry.merge(vec![report("live01", &["p1", "p2"])], at(0)).unwrap();
    registry.merge(vec![report("live01", &["p1"])], at(1000)).unwrap();
    assert_eq!(registry.snapshot().revision, 1);
    registry.expire(at(5000).monotonic);
    registry.expire(at(5001).monotonic);
    assert_eq!(registry.snapshot().revision, 2);
}

#[test]
fn a_full_registry_takes_nothing_of_a_report_that_brings_more() {
    let mut registry = Registry::new(EXPIRY);
    let all: Vec<Report> = (0..SIGNALS_MAX).map(|n| report(&format!("s{n}"), &["p1"])).collect();
    registry.merge(all.clone(), at(0)).unwrap();
    let before = registry.snapshot();
    let more = vec![report("s0", &["p2"]), report("more", &["p1"])];
    assert_eq!(registry.merge(more.clone(), at(1)), Err(Full));
    assert_eq!(registry.snapshot(), before);
    registry.merge(all, at(2)).unwrap();
    registry.expire(at(60_000).monotonic);
    registry.merge(more, at(60_000)).unwrap();
    assert_eq!(known(&registry), "more=p1;s0=p2");
}

#[test]
fn a_restored_registry_keeps_the_time_left_by_the_calendar() {
    let mut registry = Registry::new(EXPIRY);
    registry.merge(vec![report("live01", &["p1"])], at(0)).unwrap();
    registry.merge(vec![report("live01", &["p2"])], at(3000)).unwrap();
    let snapshot = registry.snapshot();

    // Another process, whose monotonic clock starts anew, two seconds later.
    let start = Now { monotonic: Duration::ZERO, wall: at(5000).wall };
    let mut restored = Registry::restore(snapshot.clone(), EXPIRY, start);
    restored.expire(Duration::ZERO);
    assert_eq!(known(&restored), "live01=p2");
    assert_eq!(restored.wake_at(), Some(Duration::from_secs(3)));
    assert_eq!(restored.snapshot().revision, 3, "goes on counting where it was");

    let hour_back = Now { wall: start.wall - Duration::from_secs(3600), ..start };
    let restored = Registry::restore(snapshot, EXPIRY, hour_back);
    assert_eq!(restored.wake_at(), Some(EXPIRY), "a calendar set back prolongs nothing");
}

#[test]
fn a_snapshot_survives_its_json() {
    let mut registry = Registry::new(EXPIRY);
    registry.merge(vec![report("live01", &["p1"])], at(0)).unwrap();
    let json = serde_json::to_string(&registry.snapshot()).unwrap();
    assert_eq!(
        json,
        r#"{"revision":1,"signals":[{"signal":"live01","last_reported":"2024-04-05T14:23:45Z","packagers":[{"url":"http://p1","last_reported":"2024-04-05T14:23:45Z"}]}]}"#
    );
    assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), registry.snapshot());
}

proptest! {
    /// Active is what was reported within the expiry, whatever came in between; and who follows the changes
    /// knows the same.
    #[test]
    fn active_is_what_was_reported_lately(steps in prop::collection::vec((0_u64..4000, 0_usize..3, prop::collection::btree_set(0_usize..4, 0..4)), 1..60)) {
        let mut registry = Registry::new(EXPIRY);
        let mut last: BTreeMap<(String, String), Duration> = BTreeMap::new();
        let mut followed = BTreeSet::new();
        let mut millis = 0;
        for (pause, signal, packagers) in steps {
            millis += pause;
            let now = at(millis);
            let signal = format!("s{signal}");
            let packagers: Vec<String> = packagers.iter().map(|packager| format!("p{packager}")).collect();
            for packager in &packagers {
                last.insert((signal.clone(), packager.clone()), now.monotonic);
            }
            let packagers: Vec<&str> = packagers.iter().map(String::as_str).collect();
            let mut changes = registry.expire(now.monotonic);
            changes.extend(registry.merge(vec![report(&signal, &packagers)], now).unwrap());
            for change in changes {
                let pair = (change.signal.to_string(), change.packager.host().to_owned());
                if change.active {
                    prop_assert!(followed.insert(pair), "joined twice");
                } else {
                    prop_assert!(followed.remove(&pair), "left without having joined");
                }
            }
            let snapshot = registry.snapshot();
            let active: BTreeSet<_> = snapshot.signals.iter().flat_map(|known| {
                known.packagers.iter().map(|packager| (known.signal.to_string(), packager.url.host().to_owned()))
            }).collect();
            let expected: BTreeSet<_> = last.iter()
                .filter(|&(_, &reported)| now.monotonic - reported < EXPIRY)
                .map(|(pair, _)| pair.clone())
                .collect();
            prop_assert_eq!(&active, &expected);
            prop_assert_eq!(&active, &followed);
        }
    }
}
