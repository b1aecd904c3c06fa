//! Gzip, in memory and within limits.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

/// Why something could not be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpacking {
    /// It is not gzip, or cut.
    #[error("it is not valid gzip: it is damaged or cut off")]
    Damaged,
    /// It is larger than whoever unpacks it takes.
    #[error("it has more than {0} bytes when it is unpacked")]
    TooLarge(usize),
}

/// Packs bytes for keeping, or for a receiver who is far away.
pub fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    pack_with(bytes, Compression::default())
}

/// Packs bytes that are unpacked at once: a third of the time, some more bytes.
pub fn pack_fast(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    pack_with(bytes, Compression::fast())
}

fn pack_with(bytes: &[u8], effort: Compression) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), effort);
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Unpacks one member or several, never beyond so many bytes.
pub fn unpack(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Unpacking> {
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut whole = Vec::new();
    MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut whole).map_err(|_| Unpacking::Damaged)?;
    if whole.len() > bytes_max { Err(Unpacking::TooLarge(bytes_max)) } else { Ok(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_and_nothing_grows_beyond_the_limit() {
        let text = b"openapi: 3.1.0\n".repeat(100);
        for packed in [pack(&text).unwrap(), pack_fast(&text).unwrap()] {
            assert_eq!(unpack(&packed, 1_500).unwrap(), text);
            assert_eq!(unpack(&packed, 1_499), Err(Unpacking::TooLarge(1_499)));
            assert_eq!(unpack(&packed[..packed.len() - 4], 1_500), Err(Unpacking::Damaged));
            assert_eq!(unpack(&[&packed[..], &packed[..]].concat(), 3_000).unwrap(), text.repeat(2));
        }
        assert_eq!(unpack(b"{}", 10), Err(Unpacking::Damaged));
    }
}
