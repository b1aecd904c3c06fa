//! Documents on their way in and out: unpacked within a limit, packed for keeping, and sent as the receiver can take them.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::{GzDecoder, MultiGzDecoder};
use flate2::write::GzEncoder;

use crate::upload::UPLOAD_BYTES_MAX;

/// Bytes of a packed document: an answer of Lambda holds 6 MB, in base64.
pub const PACKED_BYTES_MAX: usize = 4_000_000;
/// Bytes of a document that is sent as it is.
pub const PLAIN_BYTES_MAX: usize = 4_000_000;
/// Bytes of an answer of Lambda, quoted as JSON, with room for the rest of it.
const QUOTED_BYTES_MAX: usize = 5_700_000;
/// Bytes below which packing is not worth it.
const WORTH_BYTES: usize = 1_024;

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

/// Packs a document for keeping.
pub fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// How a document is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// As it is.
    Plain,
    /// Packed on the way: `Content-Encoding: gzip`.
    Encoded,
    /// As a gzip file: `Content-Type: application/gzip`.
    File,
    /// Not at all: it is too large for the receiver's headers.
    NotAcceptable,
}

/// Chooses how a document of this many bytes, of which so many are quoted in JSON, is sent to a receiver of these headers.
#[must_use]
pub fn sending(bytes: usize, quoted: usize, accept: Option<&str>, accept_encoding: Option<&str>) -> Sending {
    if accept_encoding.is_some_and(|header| quality(header, "gzip") > 0) && bytes >= WORTH_BYTES {
        Sending::Encoded
    } else if bytes <= PLAIN_BYTES_MAX && bytes.saturating_add(quoted) <= QUOTED_BYTES_MAX {
        Sending::Plain
    } else if accept.is_some_and(|header| quality(header, "application/gzip") > 0) {
        Sending::File
    } else {
        Sending::NotAcceptable
    }
}

/// How many more bytes a text takes inside of a JSON text.
#[must_use]
pub fn quoted(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
            0..=0x1f => 5,
            _ => 0,
        })
        .sum()
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

/// The weight in thousandths that a header gives to exactly this name (RFC 9110, 12.4.2); `*` is not meant: who only says "anything" expects the document itself.
fn quality(header: &str, name: &str) -> u32 {
    header
        .split(',')
        .filter_map(|choice| {
            let mut parts = choice.split(';').map(str::trim);
            if !parts.next()?.eq_ignore_ascii_case(name) {
                return None;
            }
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            Some(weight.map_or(1_000, thousandths))
        })
        .max()
        .unwrap_or(0)
}

fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    whole.parse::<u32>().unwrap_or(0).saturating_mul(1_000).saturating_add(fraction.parse().unwrap_or(0)).min(1_000)
}
