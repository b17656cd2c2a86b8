//! What a box may claim: the library makes room for as many sample groups as are named, whatever is there.

use super::Flaw;

/// Name of the sample group description box (ISO/IEC 14496-12, 8.9.3).
const DESCRIPTIONS: [u8; 4] = *b"sgpd";

/// Refuses a box in which there are groups that take more than its bytes, in whatever boxes they lie.
///
/// Some kinds of groups take no byte each, so that a few bytes could name thousands of millions.
///
/// # Errors
/// A count above the length of the whole.
pub(super) fn check(bytes: &[u8]) -> Result<(), Flaw> {
    for at in 4..bytes.len().saturating_sub(3) {
        if bytes[at..at + 4] != DESCRIPTIONS {
            continue;
        }
        // A box of which the length is 1 has its length behind its name.
        let body = if bytes[at - 4..at] == [0, 0, 0, 1] { at + 12 } else { at + 4 };
        let fields = match bytes.get(body) {
            None | Some(0) => 8,
            Some(1) => 12,
            Some(_) => 16,
        };
        let count = bytes
            .get(body + fields..body + fields + 4)
            .map_or(0, |count| count.iter().fold(0_usize, |count, byte| count << 8 | usize::from(*byte)));
        if count > bytes.len() {
            return Err(Flaw(format!("{count} sample groups are named in {} bytes", bytes.len())));
        }
    }
    Ok(())
}
