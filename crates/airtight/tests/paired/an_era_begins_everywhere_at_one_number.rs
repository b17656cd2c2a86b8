//! Other tracks are announced within an event: both encoders and all four servers take them up at one number,
//! count the discontinuity alike, show no slate, and what is served decodes across. A browser that began before
//! plays on, though its track is not among the new ones.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::support::{
    ON_THE_AIR, POLL, Role,
    browser::{self, Browser},
    eventually,
    hls::Playlist,
    http, media, outcome,
    stillness::{self, Outcome},
    text, within,
};

/// Those with which the event begins; viewers who follow them get their like in the new era.
const TRACKS: [&str; 2] = ["90p", "audio"];

/// Seconds between the announcement and the era, and of what a playlist offers.
const AHEAD: &str = "10";
const WINDOW: &str = "12";

/// Two packagers and two origins.
struct System {
    folder: tempfile::TempDir,
    packagers: String,
    servers: Vec<Role>,
}

impl System {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let packager = |name: &str| {
            let root = folder.path().join(name);
            let own = ["--name", name, "--root", text(&root), "--spool", "true"];
            Role::start(&[&["packager", "--listen", "0", "--window", WINDOW], &own[..]].concat())
        };
        let mut servers = vec![packager("server1"), packager("server2")];
        let packagers = servers.iter().map(Role::url).collect::<Vec<_>>().join(",");
        let origin = |name: &str| {
            let own = ["--name", name, "--packagers", &packagers, "--reporter", "http://localhost:1"];
            Role::start(&[&["origin", "--listen", "0", "--window", WINDOW], &own[..]].concat())
        };
        servers.extend([origin("origin1"), origin("origin2")]);
        Self { folder, packagers, servers }
    }

    /// A small looped programme of this size.
    fn input(&self, size: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{size}.mp4"));
        let source = format!("testsrc2=s={size}:r=25:d=3");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", &source, "-f", "lavfi", "-i", "sine=440:d=3"]);
        ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast"]).arg(&path);
        media::make(&mut ffmpeg);
        path
    }

    fn worker<'a>(&'a self, name: &'a str, input: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let own = ["worker", "--name", name, "--input", text(input), "--packagers", &self.packagers];
        [&own, more].concat()
    }

    /// The playlists of all tracks of all servers.
    fn playlists(&self) -> Vec<(&'static str, Option<String>)> {
        let of = |server: &Role| {
            let url = server.url();
            TRACKS.map(|track| {
                let answer = http::get(&format!("{url}/live01/{track}/playlist.m3u8"));
                (track, answer.filter(|answer| answer.status == 200).map(|answer| answer.text()))
            })
        };
        self.servers.iter().flat_map(of).collect()
    }
}

/// What a playlist says of each of its numbers: the discontinuities before it, and the init.
fn told(text: &str) -> BTreeMap<u64, (u64, String)> {
    let playlist = Playlist::parse(text);
    let mut numbers = playlist.segments.keys();
    let mut told = BTreeMap::new();
    let mut discontinuity = 0;
    for line in text.lines() {
        if let Some(sequence) = line.strip_prefix("#EXT-X-DISCONTINUITY-SEQUENCE:") {
            discontinuity = sequence.parse().unwrap();
        } else if line == "#EXT-X-DISCONTINUITY" {
            discontinuity += 1;
        } else if !line.starts_with('#') {
            let number = numbers.next().unwrap();
            told.insert(*number, (discontinuity, playlist.segments[number][0].clone()));
        }
    }
    told
}

/// What all servers said of each number of each track; they never differ, nor does any take it back.
#[derive(Default)]
struct Seen(BTreeMap<(&'static str, u64), (u64, String)>);

impl Seen {
    fn look(&mut self, playlists: &[(&'static str, Option<String>)]) {
        for (track, playlist) in playlists {
            for (number, said) in told(playlist.as_ref().expect("a server that is on the air stays so")) {
                let known = self.0.entry((*track, number)).or_insert_with(|| said.clone());
                assert_eq!(*known, said, "number {number} of {track}");
            }
        }
    }

    fn of(&self, track: &'static str) -> Vec<(u64, u64, &str)> {
        let of_track = self.0.iter().filter(|((of, _), _)| *of == track);
        of_track.map(|((_, number), (count, init))| (*number, *count, init.as_str())).collect()
    }
}

/// Decodes what each server lists of each track when the era is in the middle of its window: both sides under
/// their own inits, and the second goes on where the first ends. The segments that are slate.
fn decode_across(system: &System, first: u64) -> Vec<String> {
    let mut slate = Vec::new();
    for (server, track) in system.servers.iter().flat_map(|server| TRACKS.map(|track| (server, track))) {
        let base = format!("{}/live01/{track}", server.url());
        let playlist = eventually("two numbers of the era are listed", || {
            Playlist::get(&format!("{base}/playlist.m3u8")).filter(|p| p.edge() >= Some(first + 1))
        });
        assert!(playlist.first + 2 <= first, "{}", playlist.text);
        let mut get = |name: &str| {
            let answer = http::get(&format!("{base}/{name}")).filter(|answer| answer.status == 200);
            let answer = answer.unwrap_or_else(|| panic!("{base}/{name} is listed and not served"));
            if answer.header("cache-control").is_some_and(|value| value.contains("no-store")) {
                slate.push(format!("{base}/{name}"));
            }
            answer.body
        };
        let (before, after) = told(&playlist.text).into_iter().partition(|(number, _)| *number < first);
        let times = [before, after].map(|side: BTreeMap<u64, (u64, String)>| {
            let (_, map) = side.values().next().unwrap();
            let init = map.split_once("URI=\"").unwrap().1.trim_end_matches('"');
            let segments: Vec<_> = side.keys().map(|number| get(&format!("{number}.m4s"))).collect();
            let file = media::file(&get(init), segments.iter().map(Vec::as_slice));
            assert_eq!(media::complaints(file.path()), "", "{base}");
            media::times(file.path())
        });
        assert_eq!(media::gap(&times.concat()), None, "{base}: a gap or an overlap");
    }
    slate
}

#[test]
fn an_era_begins_everywhere_at_one_number() {
    stillness::judge("the tracks are changed", || {
        let system = System::start();
        let (large, small) = (system.input("160x90"), system.input("128x72"));
        let mut old = ["a", "b"].map(|name| Role::start(&system.worker(name, &large, &[])));
        within(ON_THE_AIR, "all servers list three numbers", || {
            let listed = |text: &String| Playlist::parse(text).segments.len() >= 3;
            system.playlists().iter().all(|(_, text)| text.as_ref().is_some_and(listed)).then_some(())
        });
        is_refused(&system, &small);
        let browser = Browser::play(&[format!("{}/live01/", system.servers[2].url())]);

        let with = ["--new-era", AHEAD];
        let new = ["c", "d"].map(|name| Role::start(&system.worker(name, &small, &with)));
        let announced = number_after(&new[0].line("The era of these tracks begins"), "with number ");
        within(ON_THE_AIR, "its inits and slates are held", || {
            let mut lineages = fs::read_dir(system.folder.path().join("server1/live01")).unwrap().flatten();
            lineages.any(|lineage| lineage.file_name().to_string_lossy().starts_with("c-")).then_some(())
        });
        for text in system.playlists().iter().filter_map(|(_, text)| text.as_ref()) {
            assert!(Playlist::parse(text).edge() < Some(announced - 2), "long before the era");
        }
        let begins = |role: &Role| number_after(&role.line("is on the air from number "), "from number ");
        let mut seen = Seen::default();
        let first = within(ON_THE_AIR, "an era is listed", || {
            seen.look(&system.playlists());
            seen.of("90p").into_iter().find(|(_, count, _)| *count > 0).map(|(number, ..)| number)
        });
        assert_eq!(new.each_ref().map(begins), [first, first]);
        let slate = decode_across(&system, first);
        for role in &mut old {
            assert_eq!(role.exit().code(), Some(2));
            role.line(&format!(
                "from number {first} on the event has other tracks: tracks 72p, audio against 90p, audio"
            ));
            role.line(&format!("The era of these tracks has ended with number {}", first - 1));
        }
        within(ON_THE_AIR, "the change has left all windows", || {
            let playlists = system.playlists();
            seen.look(&playlists);
            let left = |text: &String| Playlist::parse(text).first > first;
            let all = playlists.iter().all(|(_, text)| text.as_ref().is_some_and(left));
            thread::sleep(POLL);
            all.then_some(())
        });
        is_one_change(&seen, first);
        let Outcome { mut faults, standstill } = browser::outcome(&browser.stop());
        faults.extend(slate.into_iter().map(|name| format!("{name} is slate")));
        Outcome { faults, standstill }
    });
}

/// Whoever has other tracks and may not announce an era is told which.
fn is_refused(system: &System, input: &Path) {
    let (code, log) = outcome(&system.worker("c", input, &[]));
    assert_eq!(code, Some(2), "{log}");
    let sentence = log.lines().last().unwrap();
    assert!(sentence.starts_with("airtight: signal 'live01' can't be encoded: from number "), "{log}");
    let difference = "tracks 90p, audio against 72p, audio; give it the input";
    assert!(sentence.contains(difference), "{log}");
}

fn number_after(line: &str, words: &str) -> u64 {
    let number = line.split_once(words).unwrap().1.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    number.parse().unwrap_or_else(|_| panic!("no number in {line}"))
}

/// All numbers were listed, and every track changes at `first` and never else; sound keeps its init.
fn is_one_change(seen: &Seen, first: u64) {
    for track in TRACKS {
        let of = seen.of(track);
        let inits =
            |of: &[(u64, u64, &str)]| of.iter().map(|(.., init)| (*init).to_owned()).collect::<Vec<_>>();
        let (before, after) = of.split_at(of.iter().position(|(number, ..)| *number == first).unwrap());
        assert!(of.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{track}: {of:?}");
        assert!(before.iter().all(|(_, count, _)| *count == 0), "{track}: {of:?}");
        assert!(after.iter().all(|(_, count, _)| *count == 1), "{track}: {of:?}");
        let (mut before, mut after) = (inits(before), inits(after));
        before.dedup();
        after.dedup();
        assert_eq!((before.len(), after.len()), (1, 1), "{track}: {before:?} {after:?}");
        assert_eq!(before == after, track == "audio", "{track}: {before:?} {after:?}");
    }
}
