//! Every rule has a legal case, which is silent, and a broken one, which is named.

use std::{collections::BTreeSet, sync::Arc};

use super::*;
use crate::playlist::{Media, Multivariant, Playlist};

const S: Duration = Duration::from_secs(1);
const FRAME: Duration = Duration::from_millis(40);

/// A media playlist of two-second segments `from..to`, with a head of its own.
fn text(from: u64, to: u64) -> String {
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{from}\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-MAP:URI=\"init.mp4\"\n"
    );
    for number in from..to {
        let (minute, second) = (number * 2 / 60, number * 2 % 60);
        text += &format!(
            "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T10:{minute:02}:{second:02}.000Z\n#EXTINF:2.00000,\n{number}.m4s\n"
        );
    }
    text
}

fn media(text: &str) -> Arc<Media> {
    match Playlist::read(text) {
        Ok(Playlist::Media(media)) => Arc::new(media),
        other => panic!("{other:?}: {text}"),
    }
}

fn offer(text: &str) -> Multivariant {
    match Playlist::read(text) {
        Ok(Playlist::Multivariant(offer)) => offer,
        other => panic!("{other:?}: {text}"),
    }
}

fn names(found: &[Finding]) -> BTreeSet<&'static str> {
    found.iter().map(|finding| finding.rule.name).collect()
}

/// Replacements of text.
type Changes<'a> = &'a [(&'a str, &'a str)];

/// The legal playlist of numbers 10 to 19, changed by replacements of text.
fn changed(changes: Changes<'_>) -> String {
    changes.iter().fold(text(10, 20), |text, (old, new)| {
        assert!(text.contains(old), "'{old}' is in {text}");
        text.replace(old, new)
    })
}

#[test]
fn one_playlist_by_itself() {
    let cases: &[(Changes<'_>, &[&Rule])] = &[
        (&[], &[]),
        (&[("EXTINF:2.00000,\n19", "EXTINF:2.49000,\n19")], &[]),
        (&[("EXTINF:2.00000,\n19", "EXTINF:2.50000,\n19")], &[DURATION_WITHIN_TARGET]),
        (&[("#EXT-X-PROGRAM-DATE-TIME:2026-11-23T10:00:38.000Z\n", "")], &[DATE_PRESENT]),
        (&[("#EXT-X-DISCONTINUITY-SEQUENCE:0\n", "")], &[DISCONTINUITY_COUNTED]),
        (&[("00:38.000Z", "00:38.041Z")], &[]),
        (&[("00:38.000Z", "00:38.042Z")], &[DATE_ADDS_UP]),
        (&[("00:38.000Z", "00:37.958Z")], &[DATE_ADDS_UP]),
        // A discontinuity may leave a gap in time.
        (&[("00:38.000Z", "00:48.000Z\n#EXT-X-DISCONTINUITY")], &[]),
    ];
    for (changes, expected) in cases {
        let found = alone::findings(&media(&changed(changes)), FRAME);
        assert_eq!(names(&found), expected.iter().map(|rule| rule.name).collect(), "{changes:?}: {found:?}");
    }
}

#[test]
fn one_version_after_another() {
    let base = text(10, 20);
    let ended = format!("{base}#EXT-X-ENDLIST\n");
    let with = |old: &str, new: &str| changed(&[(old, new)]);
    let event = |from, to| text(from, to).replace("#EXT-X-MEDIA", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MEDIA");
    let cases: Vec<(&str, String, String, &[&Rule])> = vec![
        ("the same", base.clone(), base.clone(), &[]),
        ("appended", base.clone(), text(10, 21), &[]),
        ("moved on", base.clone(), text(11, 21), &[]),
        ("moved far", base.clone(), text(18, 28), &[]),
        ("ended", base.clone(), ended.clone(), &[]),
        ("an event that grows", event(10, 20), event(10, 21), &[]),
        ("an event that forgets", event(10, 20), event(11, 21), &[NO_PLAYLIST_TYPE]),
        ("head back", base.clone(), text(9, 20), &[SEQUENCE_MONOTONE]),
        ("edge back", base.clone(), text(10, 19), &[EDGE_MONOTONE]),
        ("all gone", base.clone(), text(10, 10), &[EDGE_MONOTONE]),
        ("renamed", base.clone(), with("15.m4s", "15b.m4s"), &[SEGMENT_FIXED]),
        ("duration edited", base.clone(), with("2.00000,\n15", "2.01000,\n15"), &[SEGMENT_FIXED]),
        ("date edited", base.clone(), with("00:30.000Z", "00:30.001Z"), &[SEGMENT_FIXED]),
        ("another init", base.clone(), with("init.mp4", "other.mp4"), &[SEGMENT_FIXED]),
        (
            "a gap that was none",
            base.clone(),
            with("#EXTINF:2.00000,\n15", "#EXT-X-GAP\n#EXTINF:2.00000,\n15"),
            &[SEGMENT_FIXED],
        ),
        (
            "sequence edited",
            base.clone(),
            with("DISCONTINUITY-SEQUENCE:0", "DISCONTINUITY-SEQUENCE:1"),
            &[DISCONTINUITY_FIXED],
        ),
        (
            "sequence back",
            with("DISCONTINUITY-SEQUENCE:0", "DISCONTINUITY-SEQUENCE:1"),
            text(30, 40),
            &[DISCONTINUITY_MONOTONE],
        ),
        ("target edited", base.clone(), with("TARGETDURATION:2", "TARGETDURATION:3"), &[TARGET_FIXED]),
        ("version edited", base.clone(), with("VERSION:6", "VERSION:7"), &[HEADER_FIXED]),
        ("two left", base.clone(), text(18, 20), &[WINDOW_LENGTH, WINDOW_SEGMENTS]),
        ("five left", base.clone(), text(15, 20), &[WINDOW_SEGMENTS]),
        ("end taken back", ended.clone(), base.clone(), &[END_FINAL]),
        ("after the end", ended.clone(), format!("{}#EXT-X-ENDLIST\n", text(10, 21)), &[END_FINAL]),
    ];
    for (what, before, after, expected) in cases {
        let found = successor::findings(&media(&before), &media(&after));
        assert_eq!(names(&found), expected.iter().map(|rule| rule.name).collect(), "{what}: {found:?}");
    }
}

#[test]
fn a_discontinuity_leaves_with_its_segment_and_is_counted() {
    let tagged = text(10, 20).replace("10.m4s\n", "10.m4s\n#EXT-X-DISCONTINUITY\n");
    let head = text(11, 21).replace("#EXT-X-MAP", "#EXT-X-DISCONTINUITY\n#EXT-X-MAP");
    let counted = text(12, 22).replace("SEQUENCE:0", "SEQUENCE:1");
    let forgotten = text(12, 22);
    let between = |a: &str, b: &str| names(&successor::findings(&media(a), &media(b)));
    assert_eq!(between(&tagged, &head), [].into());
    assert_eq!(between(&head, &counted), [].into());
    assert_eq!(between(&head, &forgotten), [DISCONTINUITY_FIXED.name].into());
}

const OFFER: &str = "\
#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"audio\",DEFAULT=YES,AUTOSELECT=YES,URI=\"audio/playlist.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=9,AVERAGE-BANDWIDTH=9,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=4x2,FRAME-RATE=25.000,AUDIO=\"audio\"
720p/playlist.m3u8
";

#[test]
fn a_multivariant_playlist_by_itself() {
    let second = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"b\",DEFAULT=YES,AUTOSELECT=YES,URI=\"b\"\n#EXT-X-STREAM";
    let cases: &[(&str, &str, &[&Rule])] = &[
        ("#EXTM3U", "#EXTM3U", &[]),
        (",CODECS=\"avc1.64001f,mp4a.40.2\"", "", &[VARIANT_CODECS]),
        (",RESOLUTION=4x2", "", &[VARIANT_RESOLUTION]),
        (",FRAME-RATE=25.000", "", &[VARIANT_FRAME_RATE]),
        // Sound has neither.
        ("avc1.64001f,mp4a.40.2\",RESOLUTION=4x2,FRAME-RATE=25.000", "mp4a.40.2\"", &[]),
        (",AVERAGE-BANDWIDTH=9", "", &[VARIANT_AVERAGE]),
        (",AVERAGE-BANDWIDTH=9", ",AVERAGE-BANDWIDTH=10", &[VARIANT_AVERAGE]),
        (",AUDIO=\"audio\"", ",AUDIO=\"sound\"", &[VARIANT_AUDIO]),
        (",AUTOSELECT=YES", "", &[GROUP_DEFAULT]),
        ("#EXT-X-STREAM", second, &[GROUP_DEFAULT]),
        ("#EXT-X-STREAM", &second.replace("DEFAULT=YES,", ""), &[]),
        (
            "#EXT-X-STREAM",
            &second.replace("DEFAULT=YES,", "").replace("\"b\",A", "\"audio\",A"),
            &[GROUP_DEFAULT],
        ),
    ];
    for (old, new, expected) in cases {
        let found = offer::findings(&offer(&OFFER.replace(old, new)));
        assert_eq!(names(&found), expected.iter().map(|rule| rule.name).collect(), "{new}: {found:?}");
    }
}

#[test]
fn servers_offer_the_same() {
    let mut judge = Judge::default();
    assert_eq!(judge.offered(0, &offer(OFFER)), []);
    assert_eq!(judge.offered(1, &offer(&OFFER.replace("720p/", "/elsewhere/720p/"))), []);
    let found = judge.offered(2, &offer(&OFFER.replace("BANDWIDTH=9", "BANDWIDTH=8")));
    assert_eq!(names(&found), [OFFER_EQUAL.name].into());
    assert_eq!(judge.offered(3, &steered()), [], "the ways to other servers are no other offer");
}

/// The offer on two pathways.
fn steered() -> Multivariant {
    let lines = OFFER.replace("\"audio\"\n", "\"audio\",PATHWAY-ID=\"one\"\n");
    let (_, ways) = lines.split_once("SEGMENTS\n").unwrap();
    let other = ways.replace("\"one\"", "\"two\"").replace("GROUP-ID=\"audio\"", "GROUP-ID=\"two\"");
    offer(&(lines.clone() + &other.replace("AUDIO=\"audio\"", "AUDIO=\"two\"")))
}

#[test]
fn variants_take_what_they_say() {
    // One variant of 8 bits per second at most and 4 on average, of which its sound takes 2.
    let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",NAME=\"s\",URI=\"sound\"\n\
                #EXT-X-STREAM-INF:BANDWIDTH=8000,AVERAGE-BANDWIDTH=4000,CODECS=\"c\",AUDIO=\"s\"\npictures\n";
    let offer = offer(text);
    let found = |pictures: &[(u64, usize)], sound: &[(u64, usize)]| {
        let rates = |segments: &[(u64, usize)]| {
            let mut rates = rates::Rates::default();
            segments
                .iter()
                .for_each(|(seconds, bytes)| rates.saw(S * u32::try_from(*seconds).unwrap(), *bytes));
            rates
        };
        let (pictures, sound) = (rates(pictures), rates(sound));
        let of = |uri: &str| Some(if uri == "sound" { &sound } else { &pictures });
        names(&Vec::from_iter(rates::finding(&offer, of)))
    };
    let (hour, none) = ([(2, 500); 1800], []);
    assert_eq!(found(&[(2, 2000)], &[(2, 500)]), none.into(), "10,000 bits per second are 125%");
    assert_eq!(found(&[(2, 2001)], &[(2, 500)]), [PEAK.name].into());
    assert_eq!(found(&[(2, 600); 1800], &hour), none.into(), "4,400 bits per second are 110%");
    assert_eq!(found(&[(2, 601); 1800], &hour), [AVERAGE.name].into());
    assert_eq!(found(&[(2, 2000); 1799], &hour), none.into(), "there is no hour of it yet");
    let calm = [vec![(2, 2000); 100], vec![(2, 500); 1800]].concat();
    assert_eq!(found(&calm, &hour), none.into(), "what is an hour ago counts no more");
}

#[test]
fn pathways_offer_the_same() {
    let steered = steered();
    assert_eq!(steered.pathways(), ["one", "two"]);
    assert_eq!(offer::findings(&steered), []);
    assert_eq!(steered.on(Some("one")), steered.on(Some("two")));
    let mut unequal = steered;
    unequal.variants[1].bandwidth = 8;
    unequal.variants[1].average = Some(8);
    assert_eq!(names(&offer::findings(&unequal)), [OFFER_EQUAL.name].into());
}

/// What a server gave: its number, the rendition, the second of the request, the text.
type Step<'a> = (usize, &'a str, f64, String);

/// The rules that are broken when several servers gave this.
fn union(steps: &[Step<'_>]) -> BTreeSet<&'static str> {
    let mut judge = Judge::default();
    for server in 0..3 {
        assert_eq!(judge.offered(server, &offer(OFFER)), []);
    }
    let mut found = Vec::new();
    for (server, rendition, asked, text) in steps {
        let asked = Duration::from_secs_f64(*asked);
        let playlist = &media(text);
        found.extend(judge.saw(Sighting { server: *server, rendition, asked, seen: asked, playlist }));
    }
    names(&found)
}

#[test]
fn servers_are_one_stream() {
    let step = |server, asked, text| (server, "720p", asked, text);
    let (here, ahead) = (text(10, 20), text(11, 21));
    let ended = format!("{here}#EXT-X-ENDLIST\n");
    let cases: Vec<(&str, [Step<'_>; 2], &[&Rule])> = vec![
        ("in step", [step(0, 1.0, here.clone()), step(1, 2.0, here.clone())], &[]),
        ("ahead", [step(0, 1.0, here.clone()), step(1, 1.0, ahead.clone())], &[]),
        ("less behind than a client can see", [step(0, 1.0, ahead.clone()), step(1, 1.9, here.clone())], &[]),
        (
            "behind",
            [step(0, 1.0, ahead.clone()), step(1, 2.0, here.clone())],
            &[SEQUENCE_MONOTONE, EDGE_MONOTONE],
        ),
        (
            "another name",
            [step(0, 1.0, here.clone()), step(1, 1.0, here.replace("15.m4s", "x"))],
            &[SEGMENT_FIXED],
        ),
        (
            "another target",
            [step(0, 1.0, here.clone()), step(1, 1.0, here.replace("ON:2", "ON:3"))],
            &[TARGET_FIXED],
        ),
        ("no end", [step(0, 1.0, ended), step(1, 2.0, here.clone())], &[END_FINAL]),
        (
            "another count",
            [step(0, 1.0, here.clone()), step(1, 1.0, here.replace("SEQUENCE:0", "SEQUENCE:1"))],
            &[DISCONTINUITY_FIXED],
        ),
    ];
    for (what, steps, expected) in cases {
        assert_eq!(union(&steps), expected.iter().map(|rule| rule.name).collect(), "{what}");
    }
}

#[test]
fn what_a_number_was_is_remembered_after_its_server_forgot_it() {
    let renamed = text(30, 40).replace("30.m4s", "x");
    let steps = [(0, "720p", 0.0, text(21, 31)), (0, "720p", 1.0, text(31, 41)), (1, "720p", 0.5, renamed)];
    assert!(union(&steps).contains(SEGMENT_FIXED.name));
}

#[test]
fn a_new_segment_comes_in_time() {
    let steps = |second: f64, text: String| [(0, "720p", 1.0, self::text(10, 20)), (0, "720p", second, text)];
    assert_eq!(union(&steps(4.0, text(10, 20))), [].into());
    assert_eq!(union(&steps(4.1, text(10, 20))), [UPDATE_IN_TIME.name].into());
    assert_eq!(union(&steps(4.1, text(11, 21))), [].into());
    // Between requests nobody knows when it came.
    assert_eq!(union(&steps(9.0, text(13, 23))), [].into());
    let ended = format!("{}#EXT-X-ENDLIST\n", text(10, 20));
    assert_eq!(union(&steps(9.0, ended)), [].into());
}

#[test]
fn variants_are_one_programme() {
    let base = text(10, 20);
    let cases: Vec<(&str, String, &[&Rule])> = vec![
        ("the same", base.clone(), &[]),
        ("a frame apart", base.replace(".000Z", ".020Z"), &[]),
        ("two frames apart", base.replace(".000Z", ".080Z"), &[VARIANTS_ALIGNED]),
        ("another target", base.replace("ON:2", "ON:3"), &[TARGET_EQUAL]),
        ("another count", base.replace("SEQUENCE:0", "SEQUENCE:1"), &[DISCONTINUITY_FIXED]),
        (
            "another control",
            base.replace("#EXT-X-MAP", "#EXT-X-SERVER-CONTROL:HOLD-BACK=9\n#EXT-X-MAP"),
            &[CONTROL_EQUAL],
        ),
        ("one behind", text(10, 19), &[]),
        ("two behind", text(10, 18), &[VARIANTS_TOGETHER]),
    ];
    for (what, other, expected) in cases {
        let steps = [(0, "720p", 1.0, base.clone()), (0, "360p", 1.0, other)];
        assert_eq!(union(&steps), expected.iter().map(|rule| rule.name).collect(), "{what}");
    }
}

#[test]
fn independence_is_said_somewhere() {
    let mut judge = Judge::default();
    assert_eq!(judge.offered(0, &offer(&OFFER.replace("#EXT-X-INDEPENDENT-SEGMENTS\n", ""))), []);
    let mut look = |text: String| {
        let playlist = &media(&text);
        names(&judge.saw(Sighting { server: 0, rendition: "720p", asked: S, seen: S, playlist }))
    };
    assert_eq!(
        look(text(10, 20).replace("#EXT-X-MAP", "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP")),
        [].into()
    );
    assert!(look(text(10, 20)).contains(INDEPENDENT.name));
}

#[test]
fn rules_have_names_of_their_own() {
    let names: BTreeSet<_> = ALL.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), ALL.len());
}

#[test]
fn the_page_of_rules_is_this_table() {
    const PAGE: &str = include_str!("../../../../docs/watch.md");
    let row = |rule: &&Rule| format!("| `{}` | {} | {} |", rule.name, rule.source, rule.sentence);
    let rows: Vec<_> = PAGE.lines().skip_while(|line| *line != "## Rules").skip(6).collect();
    assert_eq!(rows, ALL.iter().map(row).collect::<Vec<_>>());
}
