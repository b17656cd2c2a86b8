//! Reads a multivariant playlist.

use quick_m3u8::{
    HlsLine,
    tag::{KnownTag, hls},
};

use super::{Line, Multivariant, Rendition, Unreadable, Variant};

pub(super) fn read(lines: &[Line<'_>]) -> Result<Multivariant, Unreadable> {
    let mut playlist = Multivariant::default();
    let mut open: Option<Variant> = None;
    for line in lines {
        match &line.parsed {
            HlsLine::KnownTag(KnownTag::Hls(tag)) => {
                if open.is_some() {
                    return Err(line.wrong("EXT-X-STREAM-INF has no URI on the next line"));
                }
                match tag {
                    hls::Tag::IndependentSegments(_) => playlist.independent = true,
                    hls::Tag::StreamInf(tag) => open = Some(variant(tag)),
                    hls::Tag::Media(tag) => playlist.renditions.push(rendition(tag)),
                    _ => {}
                }
            }
            HlsLine::Uri(uri) => match open.take() {
                Some(variant) => playlist.variants.push(Variant { uri: uri.to_string(), ..variant }),
                None => return Err(line.wrong(format!("'{uri}' has no EXT-X-STREAM-INF"))),
            },
            _ => {}
        }
    }
    match (open, lines.last()) {
        (Some(_), Some(line)) => Err(line.wrong("EXT-X-STREAM-INF has no URI on the next line")),
        _ => Ok(playlist),
    }
}

fn variant(tag: &hls::StreamInf<'_>) -> Variant {
    Variant {
        uri: String::new(),
        bandwidth: tag.bandwidth(),
        average: tag.average_bandwidth(),
        codecs: tag.codecs().map(str::to_owned),
        resolution: tag.resolution().map(|r| (r.width, r.height)),
        frame_rate: tag.frame_rate(),
        audio: tag.audio().map(str::to_owned),
        pathway: tag.pathway_id().map(str::to_owned),
    }
}

fn rendition(tag: &hls::Media<'_>) -> Rendition {
    Rendition {
        kind: tag.media_type().to_string(),
        group: tag.group_id().to_owned(),
        name: tag.name().to_owned(),
        uri: tag.uri().map(str::to_owned),
        default: tag.default(),
        autoselect: tag.autoselect(),
    }
}
