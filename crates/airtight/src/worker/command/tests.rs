use super::*;
use crate::worker::{
    codec::{AudioCodec, Channels, Hertz, VideoCodec},
    ladder,
    source::Picture,
    standard::BROADCAST,
};

const SOUND: Sound = Sound { codec: AudioCodec::Aac, hertz: Hertz::Hz48000, channels: Channels::Stereo };

fn renditions(source: &Source) -> Vec<Rendition> {
    ladder::renditions(source, VideoCodec::H264 { b_frames: 2 })
}

fn rate(scale: u32, frame: u32) -> Rate {
    Rate::new(scale, frame)
}

fn grid() -> Grid {
    Grid::new(2000, 4)
}

fn outputs(tracks: &[&str]) -> Outputs {
    let tracks = tracks.iter().map(|url| (*url).to_owned()).collect();
    Outputs { tracks, pictures: "pipe:6".to_owned(), sound: "pipe:7".to_owned(), luma: "pipe:8".to_owned() }
}

fn source(rate: Rate) -> Source {
    Source { picture: Some(Picture { width: 1280, height: 720, rate }), sound: Some(SOUND) }
}

#[test]
fn one_output_per_track_on_a_pipe_of_its_own() {
    let source = source(rate(25_000, 1000));
    let feed = Feed {
        input: ["-i", "media"].map(str::to_owned).into(),
        video: Some("[0:0]setpts=N".to_owned()),
        audio: Some("[0:1]asetpts=N".to_owned()),
        ..Feed::default()
    };
    let start = Start::at(1_795_477_632_007, &source);
    let outputs = outputs(&["pipe:3", "pipe:4", "pipe:5"]);
    let args = encode(&feed, &renditions(&source), &grid(), &start, Pace::Live, &outputs).join(" ");
    let muxer = "-map_metadata -1 -map_chapters -1 -fflags +bitexact -flush_packets 1 -movflags \
                 +empty_moov+default_base_moof+frag_every_frame+frag_discont+skip_trailer+negative_cts_offsets -f mp4";
    let video = |rate, buffer| {
        format!(
            "-c:v libx264 -pix_fmt yuv420p -preset veryfast -profile:v high -crf 23 -bf 2 -sc_threshold 0 -flags +cgop \
             -forced-idr 1 -x264-params chromaloc=0 -maxrate {rate} -bufsize {buffer} -g 50 -keyint_min 50 -force_key_frames expr:lt(mod((n+1)*1,50),1) -r 25000/1000 -fps_mode cfr -video_track_timescale 25000 {muxer}"
        )
    };
    let scale = |index, size| {
        format!(
            "[p{index}]scale={size}:flags=bicubic:out_color_matrix=bt709:out_range=tv,setsar=1,format=yuv420p,\
             setparams=field_mode=prog:range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[o{index}]"
        )
    };
    let expected = format!(
        "-hide_banner -nostdin -nostats -loglevel level+error -y -progress pipe:1 -stats_period 1 -i media \
         -filter_complex [0:0]setpts=N,tpad=start=1:start_mode=clone,settb=AVTB,\
         setpts='if(N,(N-1)*1000*1000000/25000,RTCTIME-1795477632040000)',realtime=limit=3600,trim=start_frame=1,\
         settb=1000/25000,setpts=N,blackdetect=d=0,freezedetect=n=-60dB:d=0.1,\
         metadata=mode=print:file='pipe\\:6':direct=1,split=3[p0][p1][small];\
         [small]scale=64:64:flags=area:out_range=tv,format=yuv420p,extractplanes=y[look];{};{};[0:1]asetpts=N,asetnsamples=n=1024,\
         silencedetect=n=-60dB:d=0.1,ametadata=mode=print:file='pipe\\:7':direct=1[o2] \
         -map [o0] {} pipe:3 -map [o1] {} pipe:4 -map [o2] -c:a aac -b:a 128000 -ar 48000 -ac 2 {muxer} pipe:5 \
         -map [look] -fps_mode passthrough -flush_packets 1 -f rawvideo pipe:8",
        scale(0, "1280:720"),
        scale(1, "640:360"),
        video(2_250_000, 1_200_000),
        video(600_000, 320_000),
    );
    assert_eq!(args, expected);
}

#[test]
fn sound_alone_sets_its_own_pace() {
    let source = Source { picture: None, sound: Some(SOUND) };
    let feed = Feed { audio: Some("anullsrc".to_owned()), ..Feed::default() };
    let start = Start::at(1_000_000, &source);
    let args = encode(&feed, &renditions(&source), &grid(), &start, Pace::Live, &outputs(&["pipe:3"]));
    assert!(
        args.iter().any(|arg| arg.starts_with("anullsrc,asetnsamples=n=1024,adelay=")
            && arg.contains("asetpts=N,silencedetect=")
            && arg.ends_with(":direct=1[o0]")),
        "{args:?}"
    );
    assert_eq!(args.iter().filter(|arg| *arg == "-map").count(), 1);
}

#[test]
fn a_slate_differs_from_its_track_in_nothing_that_an_init_tells() {
    let source = source(rate(25_000, 1000));
    let outputs = outputs(&["v", "w", "a"]);
    let start = Start::at(0, &source);
    let on_air =
        encode(&Feed::default(), &renditions(&source), &grid(), &start, Pace::Live, &outputs).join(" ");
    let slate = slate(&renditions(&source), &grid(), false, &outputs.tracks).join(" ");
    assert!(slate.contains("trim=end_frame=51,setpts=N[o0]"), "a picture longer than a segment: {slate}");
    assert!(slate.contains("atrim=end_sample=98304,asetnsamples=n=1024[o2]"), "96 audio frames: {slate}");
    let after_graph = |args: &str| args[args.find("-map [o0]").unwrap()..].to_owned();
    assert_eq!(
        after_graph(&slate).replace("expr:1", "KEY"),
        after_graph(&on_air).replace("expr:lt(mod((n+0)*1,50),1)", "KEY")
    );
}

/// Evaluates what [`keyframes`] asks ffmpeg to evaluate, with its doubles.
fn forced(expression: &str, n: u64) -> bool {
    let text = expression.strip_prefix("expr:lt(mod((n+").and_then(|t| t.strip_suffix(')')).unwrap();
    let (first, rest) = text.split_once(")*").unwrap();
    let (frame, rest) = rest.split_once(',').unwrap();
    let (segment, limit) = rest.split_once("),").unwrap();
    let number = |text: &str| text.parse::<f64>().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "ffmpeg counts in doubles, too")]
    let product = (n as f64 + number(first)) * number(frame);
    product.rem_euclid(number(segment)) < number(limit)
}

#[test]
fn a_keyframe_is_forced_at_the_first_picture_of_each_segment_and_nowhere_else() {
    for (scale, frame) in BROADCAST {
        let rate = rate(scale, frame);
        for millis in [1000, 2000, 3333, 6000] {
            let grid = Grid::new(millis, 4);
            let start = Start::at(1_795_477_632_123, &source(rate));
            let expression = keyframes(&rate, &grid, start.picture);
            // Also after ten years of running.
            for n in (0..2000).chain(18_934_560_000..18_934_562_000) {
                let index = start.picture + n;
                let opens = grid.span(grid.number_of(index, &rate), &rate).first == index;
                assert_eq!(forced(&expression, n), opens, "{scale}/{frame}, {millis} ms, picture {n}");
            }
        }
    }
}

#[test]
fn sound_begins_with_the_first_audio_frame_after_the_first_picture() {
    for (scale, frame) in [(25_000, 1000), (30_000, 1001)] {
        let source = source(rate(scale, frame));
        for millis in 1_795_477_632_000..1_795_477_632_100 {
            let start = Start::at(millis, &source);
            let picture = u128::from(start.picture) * u128::from(frame) * 48_000;
            let block = |index: u64| u128::from(index) * 1024 * u128::from(scale);
            assert!(block(start.block) >= picture && block(start.block - 1) < picture, "{millis}");
            assert!(rate(scale, frame).ticks(start.picture).value >= millis * u64::from(scale) / 1000);
        }
    }
}

#[test]
fn the_first_whole_segment_is_whole_in_all_tracks() {
    let source = source(rate(25_000, 1000));
    let renditions = renditions(&source);
    let number = 897_738_816;
    for (millis, whole) in [(0, 0), (1, 1), (39, 1), (1999, 1), (2000, 1)] {
        let start = Start::at(number * 2000 + millis, &source);
        assert_eq!(start.first_whole(&grid(), &renditions), Number(number + whole), "{millis} ms");
    }
}
