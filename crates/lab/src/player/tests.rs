use super::*;
use crate::playlist::Playlist;

const TWO: Duration = Duration::from_secs(2);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A date so many seconds after the watch began.
fn date(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(1_795_477_632 + seconds).ok()
}

fn player() -> Player {
    Player::new(["720p".to_owned(), "audio".to_owned()], date(0).unwrap())
}

fn both(player: &mut Player, now: f64, from: i64) {
    for track in ["720p", "audio"] {
        player.append(seconds(now), track, date(from), TWO);
    }
}

#[test]
fn a_player_that_is_fed_in_time_never_stalls() {
    let mut player = player();
    // Segments of two seconds are listed half a second after their end; it begins three behind.
    for n in 0..19 {
        let listed = if n < 3 { 0.0 } else { f64::from(n - 3) * 2.0 + 2.5 };
        both(&mut player, listed, i64::from(n) * 2 - 6);
    }
    let noticed = player.noticed(seconds(33.0));
    assert_eq!((noticed.stalls, noticed.stall_ms, noticed.skipped_ms), (0, 0, 0));
    assert_eq!((noticed.start_ms, noticed.played_ms), (Some(0), 33_000));
    assert_eq!((noticed.latency_ms, noticed.drift_ms), (Some(6000), Some(0)));
    // Six seconds ahead, and the next ones come every two seconds, from 2.5 s on.
    assert_eq!(noticed.smallest_buffer_ms, Some(3500));
}

#[test]
fn playing_begins_when_every_track_has_media() {
    let mut player = player();
    player.append(seconds(1.0), "720p", date(0), TWO);
    assert_eq!(player.noticed(seconds(2.0)).start_ms, None);
    // The sound begins a segment later, so does playing.
    player.append(seconds(2.5), "audio", date(2), TWO);
    assert_eq!(player.noticed(seconds(2.6)).start_ms, None);
    player.append(seconds(3.0), "720p", date(2), TWO);
    let noticed = player.noticed(seconds(3.5));
    assert_eq!((noticed.start_ms, noticed.played_ms), (Some(3000), 500));
    assert_eq!(noticed.stalls, 0);
}

#[test]
fn playing_does_not_begin_with_a_sliver() {
    let mut player = player();
    player.append(seconds(1.0), "720p", date(0), TWO);
    // The sound begins a segment later, and its date is rounded down.
    let sound = date(2).map(|date| date - SignedDuration::from_millis(1));
    player.append(seconds(1.1), "audio", sound, TWO);
    player.append(seconds(1.5), "720p", date(2), TWO);
    let noticed = player.noticed(seconds(2.0));
    assert_eq!((noticed.start_ms, noticed.stalls), (Some(1500), 0));
}

#[test]
fn one_empty_track_stalls_all_until_it_is_fed() {
    let mut player = player();
    both(&mut player, 0.0, 0);
    player.append(seconds(1.0), "720p", date(2), TWO);
    // The sound is empty at 2 s and goes on at 5 s.
    let noticed = player.noticed(seconds(4.0));
    assert_eq!((noticed.stalls, noticed.stall_ms, noticed.smallest_buffer_ms), (1, 2000, Some(0)));
    player.append(seconds(5.0), "audio", date(2), TWO);
    let noticed = player.noticed(seconds(6.0));
    assert_eq!((noticed.stalls, noticed.stall_ms, noticed.played_ms), (1, 3000, 3000));
    assert_eq!(noticed.drift_ms, Some(3000));
}

#[test]
fn a_hole_is_stepped_over_and_told() {
    let mut player = player();
    both(&mut player, 0.0, 0);
    both(&mut player, 1.0, 4);
    let noticed = player.noticed(seconds(3.0));
    assert_eq!((noticed.stalls, noticed.skipped_ms, noticed.played_ms), (0, 2000, 3000));
    assert_eq!(noticed.drift_ms, Some(-2000));
}

#[test]
fn the_end_of_an_event_is_no_stall() {
    let mut player = player();
    both(&mut player, 0.0, 0);
    for track in ["720p", "audio"] {
        player.end(seconds(1.0), track);
    }
    assert!(!player.has_ended());
    let noticed = player.noticed(seconds(9.0));
    assert!(player.has_ended());
    assert_eq!((noticed.stalls, noticed.played_ms), (0, 2000));
}

#[test]
fn media_without_dates_is_played_one_after_the_other() {
    let mut player = Player::new(["audio".to_owned()], date(0).unwrap());
    for n in 0..3 {
        player.append(seconds(f64::from(n)), "audio", None, TWO);
    }
    let noticed = player.noticed(seconds(7.0));
    assert_eq!((noticed.played_ms, noticed.stalls, noticed.stall_ms), (6000, 1, 1000));
}

#[test]
fn patience_is_that_of_the_settings() {
    let (late, busy) = (Fault::Late(10_000), Fault::Status(503));
    let (gone, refused) = (Fault::Status(404), Fault::Broken("connection refused".to_owned()));
    let second = |n| Some(Duration::from_secs(n));
    let Settings { playlist, segment, .. } = Settings::HLS_JS;
    let cases = [
        (playlist, &late, [second(0), second(0), None]),
        (playlist, &busy, [second(1), second(2), None]),
        (segment, &busy, [second(1), second(2), second(4)]),
        (playlist, &gone, [None; 3]),
        (segment, &refused, [None; 3]),
    ];
    for (policy, fault, expected) in cases {
        assert_eq!([1, 2, 3].map(|failed| policy.pause(fault, failed)), expected, "{fault}");
    }
    assert_eq!(segment.pause(&busy, 6), second(8));
    assert_eq!(segment.pause(&busy, 7), None);
    let Settings { segment, .. } = Settings::RECOMMENDED;
    assert_eq!(segment.pause(&refused, 1), Some(Duration::from_millis(100)));
    assert_eq!(segment.pause(&refused, 100), Some(Duration::from_millis(500)));
    assert_eq!(segment.pause(&gone, 1), None);
}

#[test]
fn playing_begins_three_target_durations_before_the_end() {
    let playlist = |count: u64| {
        let head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:10\n";
        let segments: String = (0..count).map(|n| format!("#EXTINF:2,\n{n}\n")).collect();
        let Ok(Playlist::Media(media)) = Playlist::read(&format!("{head}{segments}")) else { panic!() };
        media
    };
    let first = |count| Settings::HLS_JS.first(&playlist(count));
    assert_eq!([first(0), first(2), first(3), first(8)], [None, Some(10), Some(10), Some(15)]);
}
