use super::*;
use crate::worker::{
    codec::{AudioCodec, Channels, Hertz},
    source::Picture,
};

const SOUND: Sound = Sound { codec: AudioCodec::Aac, hertz: Hertz::Hz48000, channels: Channels::Stereo };

fn file(scale: u32, frame: u32, millis: u64) -> File {
    let rate = Rate::new(scale, frame);
    let pictures = Reel::pictures(&rate, millis * 1000, 22);
    File {
        source: Source { picture: Some(Picture { width: 640, height: 360, rate }), sound: Some(SOUND) },
        streams: (Some(0), Some(1)),
        reels: (Some(pictures), Some(Reel::accompanying(&pictures, SOUND.hertz, 22))),
        begin_us: 1_480_000,
        lead_us: 21_333,
        only_tick: None,
        interlaced: false,
        preroll_ms: 500,
    }
}

#[test]
fn lists_of_lists_reach_for_decades() {
    let lists = file(25_000, 1000, 3000).lists();
    let names: Vec<_> = lists.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["pictures-1", "pictures-2", "pictures-3", "sound-1", "sound-2", "sound-3"];
    assert_eq!(names, expected.map(|name| format!("{name}.ffconcat")));
    let entry = "file media\noutpoint 4.480000\nduration 4.040\n";
    assert!(lists[0].1.starts_with(&format!("ffconcat version 1.0\n{entry}{entry}")));
    assert_eq!(lists[0].1.lines().count(), 3001);
    let entry = "file pictures-1.ffconcat\ninpoint 0\nduration 4040.000\n";
    assert!(lists[1].1.starts_with(&format!("ffconcat version 1.0\n{entry}{entry}")));
    assert!(lists[2].1.contains("file pictures-2.ffconcat\ninpoint 0\nduration 4040000.000\n"));
    assert!(lists[3].1.contains("file media\noutpoint 4.480000\nduration 4.022\n"));
}

#[test]
fn reading_begins_a_little_before_the_position() {
    // 74 showings of 75 pictures and 50 pictures: position 2 s, read from 1.48 s on.
    let start = Start::at((74 * 75 + 50) * 40, &file(25_000, 1000, 3000).source);
    let feed = file(25_000, 1000, 3000).feed(&start, "lists");
    assert_eq!(
        feed.input.join(" "),
        "-f concat -seek_timestamp 1 -i lists/pictures.ffconcat -f concat -seek_timestamp 1 -i lists/sound.ffconcat"
    );
    // The file begins at 1.458667 s of its own timeline.
    let expected = |inpoint, duration, loops: &str| {
        format!(
            "ffconcat version 1.0\nfile media\ninpoint {inpoint}\noutpoint 4.480000\nduration {duration}\n\
             file {loops}-3.ffconcat\ninpoint 0\n"
        )
    };
    assert_eq!(
        feed.lists,
        [
            ("pictures.ffconcat".to_owned(), expected("2.938667", "2.560000", "pictures")),
            ("sound.ffconcat".to_owned(), expected("2.958667", "2.522000", "sound")),
        ]
    );
    assert_eq!(
        feed.video.unwrap(),
        "[0:0]setpts=PTS-0.021333/TB,fps=25/1:start_time=0:round=near,\
         select='lt(mod(n+37,101),75)',trim=start_frame=13,setpts=N"
    );
    // The first audio frame begins 0.0 s after the picture at 224 s of the epoch: 224·48000/1024 is whole.
    assert_eq!(start.block, 10_500);
    assert_eq!(
        feed.audio.unwrap(),
        "[1:1]asetpts=PTS-0.021333/TB,aresample=48000:async=1:min_hard_comp=0.01:first_pts=0,\
         aformat=channel_layouts=stereo,asetnsamples=n=48,aselect='lt(mod(n+1500,4022),3000)',asetpts=N,\
         atrim=start_sample=24000,asetpts=N"
    );
}

#[test]
fn a_position_near_the_beginning_is_read_from_the_beginning() {
    let file = file(30_000, 1001, 5005);
    let first = |picture| {
        let start = Start { picture, block: SOUND.first_block(picture * 1001, 30_000) };
        let lists = file.feed(&start, "l").lists;
        lists.iter().map(|(_, text)| text.lines().nth(2).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let from_the_beginning = ["outpoint 6.485000", "outpoint 6.485000"].map(str::to_owned);
    assert_eq!(first(150 * 1_000_000), from_the_beginning);
    // Sound is sought in steps of 10 ms.
    assert_eq!(first(150 * 1_000_000 + 30), ["inpoint 1.959167", "inpoint 1.958667"].map(str::to_owned));
}

#[test]
fn a_place_that_ffmpeg_would_round_up_is_moved_to_the_next_tick() {
    let file = |tick| File { only_tick: tick, ..file(25_000, 1000, 3000) };
    for (tick, micros, expected) in [
        (None, 869_566, 869_566),
        // 11130.4 and 11130.6 ticks.
        (Some((1, 12_800)), 869_566, 869_566),
        (Some((1, 12_800)), 869_580, 869_610),
        (Some((1, 1000)), 869_499, 869_499),
        (Some((1, 1000)), 869_500, 870_000),
        (Some((1, 1000)), -500, 0),
    ] {
        assert_eq!(file(tick).reachable(micros), expected, "{tick:?} {micros}");
    }
}
