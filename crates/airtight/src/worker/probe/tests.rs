use super::*;
use crate::worker::codec::{AudioCodec, Channels, Hertz};

const SOUND: Sound = Sound { codec: AudioCodec::Aac, hertz: Hertz::Hz48000, channels: Channels::Stereo };

fn described(json: &str) -> Result<File, String> {
    parse(json.as_bytes(), SOUND)
}

/// The length of a showing: of the pictures, else of the sound.
fn length(file: &File) -> (u64, u64) {
    file.reels.0.or(file.reels.1).unwrap().length
}

#[test]
fn releases_are_compared_and_working_copies_are_taken() {
    assert_eq!(release("5.1.9-0+deb12u1 Copyright"), Some((5, 1)));
    assert_eq!(release("n6.0"), Some((6, 0)));
    assert_eq!(release("7 built"), Some((7, 0)));
    assert_eq!(release("N-112233-gabcdef"), None);
    assert!(release("4.4.2").unwrap() < OLDEST && release("10.0").unwrap() > OLDEST);
}

#[test]
fn ffprobe_lies_beside_ffmpeg() {
    for (ffmpeg, probe) in [
        ("ffmpeg", "ffprobe"),
        ("/opt/ffmpeg/bin/ffmpeg", "/opt/ffmpeg/bin/ffprobe"),
        ("/opt/encoder", "/opt/ffprobe"),
        ("ffmpeg-7", "ffprobe-7"),
    ] {
        assert_eq!(ffprobe(ffmpeg), probe);
    }
}

#[test]
fn a_file_is_described_by_its_pictures() {
    let file = described(
        r#"{"streams":[
            {"index":0,"codec_type":"audio","start_time":"1.458667","duration":"3.2"},
            {"index":1,"codec_type":"video","width":720,"height":576,"sample_aspect_ratio":"64:45",
             "avg_frame_rate":"25/1","r_frame_rate":"25/1","start_time":"1.480000","duration":"3.119999",
             "field_order":"tt","disposition":{"attached_pic":0}}],
            "format":{"format_name":"mpegts","start_time":"1.458667","duration":"3.22"}}"#,
    )
    .unwrap();
    let picture = file.source.picture.unwrap();
    assert_eq!((picture.width, picture.height, file.source.sound), (1024, 576, Some(SOUND)));
    assert_eq!((file.begin_us, file.lead_us, length(&file)), (1_480_000, 21_333, (78, 1)));
    assert_eq!((file.streams, file.interlaced, file.preroll_ms), ((Some(1), Some(0)), true, 5000));
}

#[test]
fn a_cover_picture_is_no_video_and_a_turned_phone_stands_upright() {
    let song = described(
        r#"{"streams":[
            {"index":0,"codec_type":"audio","start_time":"0.025","duration":"10.0"},
            {"index":1,"codec_type":"video","width":600,"height":600,"avg_frame_rate":"0/0",
             "disposition":{"attached_pic":1}}],
            "format":{"format_name":"mp3","start_time":"0.025","duration":"10.0"}}"#,
    )
    .unwrap();
    assert_eq!((song.source.picture, length(&song), song.streams), (None, (10_000, 1), (None, Some(0))));
    let phone = described(
        r#"{"streams":[{"index":0,"codec_type":"video","width":1920,"height":1080,"avg_frame_rate":"2997/100",
             "tags":{"DURATION":"00:01:00.060000000"},"side_data_list":[{"rotation":-90}]}],
            "format":{"format_name":"matroska,webm"}}"#,
    )
    .unwrap();
    let picture = phone.source.picture.unwrap();
    assert_eq!((picture.width, picture.height, picture.rate.frame.get()), (1080, 1920, 1001));
    assert_eq!(length(&phone), (1800, 1));
    let neither = described(r#"{"streams":[{"index":0,"codec_type":"data"}],"format":{}}"#);
    assert_eq!(neither.unwrap_err(), "it has neither pictures nor sound");
}

#[test]
fn a_still_picture_is_refused_and_so_is_a_file_of_unknown_length() {
    let picture = |format: &str, more: &str| {
        described(&format!(
            r#"{{"streams":[{{"index":0,"codec_type":"video","width":64,"height":64,"avg_frame_rate":"25/1"{more}}}],
                "format":{{"format_name":"{format}"}}}}"#
        ))
    };
    for (format, more) in [
        ("png_pipe", ""),
        ("image2", r#","duration":"0.040000""#),
        ("gif", r#","duration":"0.100000","nb_frames":"1""#),
    ] {
        let reason = picture(format, more).unwrap_err();
        assert!(reason.starts_with("it is a single picture; give a video"), "{format}: {reason}");
    }
    assert!(picture("gif", r#","duration":"2.000000","nb_frames":"50""#).is_ok());
    let endless = picture("matroska,webm", "").unwrap_err();
    assert!(endless.starts_with("it does not say how long it is"), "{endless}");
}

#[test]
fn a_folder_gives_the_signal_s_file_or_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let signal: SignalName = "live01".parse().unwrap();
    let find = || find(folder.path(), &signal).map(|p| p.file_name().unwrap().to_owned());
    let error = find().unwrap_err().to_string();
    assert!(error.contains("holds no media file"), "{error}");
    for name in ["readme.txt", "b.mkv", "a.MP4"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    assert_eq!(find().unwrap(), "a.MP4");
    fs::write(folder.path().join("live01.mp4"), "x").unwrap();
    assert_eq!(find().unwrap(), "live01.mp4");
    fs::write(folder.path().join("live01.mp4"), "").unwrap();
    assert!(find().unwrap_err().to_string().ends_with("is empty"));
}

#[test]
fn times_are_read_to_the_microsecond() {
    assert_eq!(micros("-0.021333"), Some(-21_333));
    assert_eq!(micros("1795477632.5"), Some(1_795_477_632_500_000));
    assert_eq!(micros("N/A"), None);
    assert_eq!(clock_micros("01:00:03.120000000"), Some(3_603_120_000));
    assert_eq!(fraction("0/0"), None);
}
