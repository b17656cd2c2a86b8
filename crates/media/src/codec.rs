//! Codec strings as RFC 6381 and the codecs' own bindings write them: the values of `CODECS`.
//!
//! Pure texts of what an initialisation segment says; nothing here reads a box.

use std::fmt::Write as _;

/// Opus: the name of its sample entry says all (RFC 6381, 3.4).
pub const OPUS: &str = "Opus";

/// H.264 (RFC 6381, 3.3): the three bytes of the sequence parameter set behind its type.
pub fn avc1(profile: u8, constraints: u8, level: u8) -> String {
    format!("avc1.{profile:02x}{constraints:02x}{level:02x}")
}

/// MPEG-4 audio (RFC 6381, 3.3): `object` of the descriptor, 0x40 for AAC, and the audio object type, 2 for AAC-LC.
pub fn mp4a(object: u8, audio_object: u8) -> String {
    format!("mp4a.{object:02x}.{audio_object}")
}

/// What HEVC's decoder configuration says of its profile (ISO/IEC 14496-15, 8.3.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hevc {
    /// `general_profile_space`, 0 to 3.
    pub space: u8,
    /// `general_profile_idc`.
    pub profile: u8,
    /// `general_profile_compatibility_flags`, flag 0 in the highest bit.
    pub compatibility: u32,
    /// `general_tier_flag`: the high tier.
    pub high_tier: bool,
    /// `general_level_idc`: thirty times the level.
    pub level: u8,
    /// `general_constraint_indicator_flags`.
    pub constraints: [u8; 6],
}

/// HEVC with its parameter sets in the init (ISO/IEC 14496-15, E.3).
pub fn hvc1(hevc: &Hevc) -> String {
    let space = ["", "A", "B", "C"][usize::from(hevc.space & 3)];
    let tier = if hevc.high_tier { 'H' } else { 'L' };
    let (profile, level) = (hevc.profile, hevc.level);
    let mut text = format!("hvc1.{space}{profile}.{:X}.{tier}{level}", hevc.compatibility.reverse_bits());
    // Trailing bytes that are zero are left out.
    let used = hevc.constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &hevc.constraints[..used] {
        write!(text, ".{byte:X}").expect("a String takes every text");
    }
    text
}

/// What AV1's codec configuration says (AV1 in ISO-BMFF, 2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Av1 {
    /// `seq_profile`.
    pub profile: u8,
    /// `seq_level_idx_0`.
    pub level: u8,
    /// `seq_tier_0`: the high tier.
    pub high_tier: bool,
    /// Bits per sample of a plane: 8, 10 or 12.
    pub depth: u8,
}

/// AV1 (AV1 in ISO-BMFF, 5) without the optional fields, whose defaults are 4:2:0 in the colours of BT.709.
pub fn av01(av1: &Av1) -> String {
    let tier = if av1.high_tier { 'H' } else { 'M' };
    format!("av01.{}.{:02}{tier}.{:02}", av1.profile, av1.level, av1.depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h264_and_aac() {
        assert_eq!(avc1(0x64, 0, 0x1f), "avc1.64001f");
        assert_eq!(avc1(0x42, 0xc0, 0x0d), "avc1.42c00d");
        assert_eq!(mp4a(0x40, 2), "mp4a.40.2");
        assert_eq!(mp4a(0x40, 42), "mp4a.40.42");
    }

    #[test]
    fn hevc_reverses_its_compatibility_and_omits_trailing_zeros() {
        let main = Hevc {
            space: 0,
            profile: 1,
            compatibility: 0x6000_0000,
            high_tier: false,
            level: 93,
            constraints: [0xb0, 0, 0, 0, 0, 0],
        };
        assert_eq!(hvc1(&main), "hvc1.1.6.L93.B0");
        let main10 = Hevc { profile: 2, compatibility: 0x2000_0000, high_tier: true, level: 150, ..main };
        assert_eq!(hvc1(&main10), "hvc1.2.4.H150.B0");
        // The example of ISO/IEC 14496-15, E.3, and one whose zeros lie inside.
        let example = Hevc { space: 1, profile: 12, ..main10 };
        assert_eq!(hvc1(&example), "hvc1.A12.4.H150.B0");
        let inside = Hevc { constraints: [0x90, 0, 1, 0, 0, 0], ..main };
        assert_eq!(hvc1(&inside), "hvc1.1.6.L93.90.0.1");
        assert_eq!(hvc1(&Hevc { constraints: [0; 6], ..main }), "hvc1.1.6.L93");
    }

    #[test]
    fn av1_of_each_tier_and_depth() {
        let main = Av1 { profile: 0, level: 4, high_tier: false, depth: 8 };
        assert_eq!(av01(&main), "av01.0.04M.08");
        assert_eq!(av01(&Av1 { profile: 2, level: 13, high_tier: true, depth: 10 }), "av01.2.13H.10");
    }
}
