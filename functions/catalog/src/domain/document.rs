//! Documents on their way in and out: unpacked within a limit, and packed for keeping.

use std::io::Read as _;

use flate2::bufread::{GzDecoder, MultiGzDecoder};
pub use shared::chassis::gzip::pack;
use shared::chassis::sent::quality;

use crate::upload::UPLOAD_BYTES_MAX;

/// Bytes of a packed document: an answer of Lambda holds 6 MB, in base64.
pub const PACKED_BYTES_MAX: usize = 4_000_000;

/// Why a body could not be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpacking {
    /// It is not gzip, or cut.
    #[error("The body is not valid gzip: it is damaged or cut off.")]
    Damaged,
    /// It is larger than a document may be.
    #[error("The document has more than {UPLOAD_BYTES_MAX} bytes when it is unpacked, which is the most that is read.")]
    TooLarge,
}

/// Whether these bytes are gzip. No text begins so.
#[must_use]
pub fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Unpacks gzip, never beyond the limit of a document. Says too whether it was one member and nothing more, which every receiver understands.
pub fn unpack(bytes: &[u8]) -> Result<(Vec<u8>, bool), Unpacking> {
    let limit = u64::try_from(UPLOAD_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut whole = Vec::new();
    let mut decoder = GzDecoder::new(bytes).take(limit);
    decoder.read_to_end(&mut whole).map_err(|_| Unpacking::Damaged)?;
    let single = decoder.into_inner().into_inner().is_empty();
    if whole.len() > UPLOAD_BYTES_MAX {
        return Err(Unpacking::TooLarge);
    }
    if !single {
        whole.clear();
        MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut whole).map_err(|_| Unpacking::Damaged)?;
        if whole.len() > UPLOAD_BYTES_MAX {
            return Err(Unpacking::TooLarge);
        }
    }
    Ok((whole, single))
}

/// How a surface is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Showing {
    /// All of it, packed, as JSON.
    Packed,
    /// A few lines for each part, as plain text.
    Text,
    /// Its types as a diagram.
    Diagram,
}

/// Chooses how a surface is shown to a receiver of this header.
#[must_use]
pub fn showing(accept: Option<&str>) -> Showing {
    let weight = |name| accept.map_or(0, |header| quality(header, name));
    let (text, diagram) = (weight("text/plain"), weight("text/vnd.mermaid"));
    match weight("application/json") {
        json if diagram > json.max(text) => Showing::Diagram,
        json if text > json => Showing::Text,
        _ => Showing::Packed,
    }
}
