//! What a multivariant playlist shows by itself, and beside that of another server.

use std::collections::BTreeSet;

use super::{
    Finding, GROUP_DEFAULT, OFFER_EQUAL, VARIANT_AUDIO, VARIANT_AVERAGE, VARIANT_CODECS, VARIANT_FRAME_RATE,
    VARIANT_RESOLUTION,
};
use crate::playlist::{Multivariant, Rendition, Variant};

/// The rules that a multivariant playlist breaks.
pub fn findings(playlist: &Multivariant) -> Vec<Finding> {
    let mut found: Vec<_> = playlist.variants.iter().flat_map(|one| variant(one, playlist)).collect();
    let groups: BTreeSet<_> = playlist.renditions.iter().map(|r| (&r.kind, &r.group)).collect();
    for (kind, group) in groups {
        let members: Vec<_> =
            playlist.renditions.iter().filter(|r| (&r.kind, &r.group) == (kind, group)).collect();
        found.extend(group_finding(group, &members));
    }
    let mut pathways = playlist.pathways().into_iter().map(|pathway| bare(&playlist.on(Some(pathway))));
    if let Some(first) = pathways.next() {
        found.extend(pathways.find_map(|other| unequal(&other, &first, "pathway")));
    }
    found
}

fn variant(variant: &Variant, playlist: &Multivariant) -> Vec<Finding> {
    let uri = &variant.uri;
    let mut found = Vec::new();
    let mut demand = |rule: &'static super::Rule, holds: bool| {
        if !holds {
            found.push(rule.broken(format!("'{uri}' has none")));
        }
    };
    demand(VARIANT_CODECS, variant.codecs.is_some());
    demand(VARIANT_AVERAGE, variant.average.is_some());
    if has_pictures(variant) {
        demand(VARIANT_RESOLUTION, variant.resolution.is_some());
        demand(VARIANT_FRAME_RATE, variant.frame_rate.is_some());
    }
    if let Some(average) = variant.average.filter(|average| *average > variant.bandwidth) {
        let peak = variant.bandwidth;
        found.push(VARIANT_AVERAGE.broken(format!("'{uri}' has {average} above the peak of {peak}")));
    }
    let named =
        |group: &&String| !playlist.renditions.iter().any(|r| r.kind == "AUDIO" && r.group == **group);
    if let Some(group) = variant.audio.as_ref().filter(named) {
        found.push(VARIANT_AUDIO.broken(format!("'{uri}' names '{group}', which is none")));
    }
    found
}

/// Whether one of its codecs is none of sound or text. A variant without CODECS has pictures.
pub fn has_pictures(variant: &Variant) -> bool {
    const OTHERS: [&str; 10] =
        ["mp4a", "ac-3", "ec-3", "ac-4", "fLaC", "flac", "Opus", "opus", "stpp", "wvtt"];
    let picture = |codec: &str| !OTHERS.contains(&codec.trim().split('.').next().unwrap_or_default());
    variant.codecs.as_deref().is_none_or(|codecs| codecs.split(',').any(picture))
}

fn group_finding(group: &str, members: &[&Rendition]) -> Option<Finding> {
    let names: BTreeSet<_> = members.iter().map(|member| &member.name).collect();
    let defaults: Vec<_> = members.iter().filter(|member| member.default).collect();
    let detail = if names.len() < members.len() {
        format!("two of group '{group}' have one name")
    } else if defaults.len() > 1 {
        format!("group '{group}' has {} defaults", defaults.len())
    } else if let Some(silent) = defaults.iter().find(|member| !member.autoselect) {
        format!("'{}' of group '{group}' is DEFAULT without AUTOSELECT", silent.name)
    } else {
        return None;
    };
    Some(GROUP_DEFAULT.broken(detail))
}

/// How the offers of two servers differ. URIs may: servers can have paths of their own; and so may the ways to other
/// servers that one knows.
pub fn differs(one: &Multivariant, other: &Multivariant) -> Option<Finding> {
    let offered = |playlist: &Multivariant| bare(&playlist.on(playlist.pathways().first().copied()));
    unequal(&offered(one), &offered(other), "server")
}

fn unequal(one: &Multivariant, other: &Multivariant, of: &str) -> Option<Finding> {
    (one != other).then(|| OFFER_EQUAL.broken(format!("it offers {one:?}, another {of} {other:?}")))
}

/// An offer without URIs.
fn bare(playlist: &Multivariant) -> Multivariant {
    let variant = |v: &Variant| Variant { uri: String::new(), ..v.clone() };
    let rendition = |r: &Rendition| Rendition { uri: r.uri.as_ref().map(|_| String::new()), ..r.clone() };
    Multivariant {
        independent: playlist.independent,
        variants: playlist.variants.iter().map(variant).collect(),
        renditions: playlist.renditions.iter().map(rendition).collect(),
    }
}
