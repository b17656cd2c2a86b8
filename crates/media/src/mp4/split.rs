//! Finds top-level boxes in bytes that arrive in pieces of any size.

use bytes::{Buf, Bytes, BytesMut};

use super::Mp4Error;

/// The largest box that is taken: more than ten seconds at 50 Mb/s.
const LIMIT: u64 = 64 << 20;

/// One whole top-level box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mp4Box {
    /// Its four-character code.
    pub kind: [u8; 4],
    /// The whole box, header included.
    pub bytes: Bytes,
    header: usize,
}

impl Mp4Box {
    /// What follows the header.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(self.header..)
    }
}

/// Header of the box that begins `bytes`: kind, length of the header, length of the box.
/// `None`: more bytes are needed.
fn header(bytes: &[u8], offset: u64) -> Result<Option<([u8; 4], usize, usize)>, Mp4Error> {
    let Some((size, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let Some((kind, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let (length, size) = match u32::from_be_bytes(*size) {
        1 => match rest.first_chunk::<8>() {
            Some(large) => (16, u64::from_be_bytes(*large)),
            None => return Ok(None),
        },
        small => (8, u64::from(small)),
    };
    match usize::try_from(size) {
        Ok(whole) if whole >= length && size <= LIMIT => Ok(Some((*kind, length, whole))),
        _ => {
            let kind = String::from_utf8_lossy(kind).escape_debug().to_string();
            Err(Mp4Error::Size { kind, offset, size, limit: LIMIT })
        }
    }
}

/// A stream of boxes, fed with whatever a pipe or socket gives.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: BytesMut,
    offset: u64,
}

impl Splitter {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole box, if all of it has come.
    ///
    /// # Errors
    /// A header that can't be. The stream can't be read on from there.
    pub fn poll(&mut self) -> Result<Option<Mp4Box>, Mp4Error> {
        let Some((kind, length, size)) = header(&self.buffer, self.offset)? else { return Ok(None) };
        if self.buffer.len() < size {
            self.buffer.reserve(size - self.buffer.len());
            return Ok(None);
        }
        self.offset += size as u64;
        Ok(Some(Mp4Box { kind, bytes: self.buffer.split_to(size).freeze(), header: length }))
    }
}

/// The boxes of bytes that are all there; nothing is copied.
pub fn split(mut bytes: Bytes) -> impl Iterator<Item = Result<Mp4Box, Mp4Error>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        if !bytes.has_remaining() {
            return None;
        }
        let next = match header(&bytes, offset) {
            Ok(Some((kind, length, size))) if size <= bytes.len() => {
                offset += size as u64;
                Ok(Mp4Box { kind, bytes: bytes.split_to(size), header: length })
            }
            Ok(_) => Err(Mp4Error::Truncated { offset }),
            Err(error) => Err(error),
        };
        if next.is_err() {
            bytes.clear();
        }
        Some(next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, payload].concat()
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_boxes() {
        let large = [&[0, 0, 0, 1][..], b"mdat", &20u64.to_be_bytes(), b"more"].concat();
        let bytes = [boxed(b"ftyp", b"iso6"), boxed(b"free", b""), large].concat();
        let whole: Vec<_> = split(bytes.clone().into()).collect::<Result<_, _>>().unwrap();
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[2].payload(), "more");
        for cut in 0..=bytes.len() {
            let mut splitter = Splitter::default();
            let mut found = Vec::new();
            for piece in [&bytes[..cut], &bytes[cut..]] {
                splitter.push(piece);
                while let Some(next) = splitter.poll().unwrap() {
                    found.push(next);
                }
            }
            assert_eq!(found, whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_size_that_cannot_be_is_named() {
        let mut splitter = Splitter::default();
        splitter.push(&boxed(b"free", b"x"));
        splitter.push(b"\0\0\0\x07moof");
        assert!(splitter.poll().unwrap().is_some());
        let error = splitter.poll().unwrap_err().to_string();
        assert_eq!(error, "box 'moof' at byte 9 has size 7, allowed are 8 to 67108864 bytes");
        for size in [0u32, u32::MAX] {
            let bytes = [&size.to_be_bytes()[..], b"mdat"].concat();
            assert!(split(bytes.into()).next().unwrap().is_err());
        }
    }

    #[test]
    fn bytes_that_end_inside_a_box_are_an_error_once() {
        let bytes = [boxed(b"free", b""), b"\0\0\0\x10mdat".to_vec()].concat();
        let found: Vec<_> = split(bytes.into()).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1], Err(Mp4Error::Truncated { offset: 8 }));
    }
}
