//! Answers that may be too large to go as they are: sent as the receiver can take them.

use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::problem::{Kind, Problem};

/// Bytes of an answer that is sent as it is.
pub const PLAIN_BYTES_MAX: usize = 4_000_000;
/// Bytes of an answer of Lambda, quoted as JSON, with room for the rest of it.
const QUOTED_BYTES_MAX: usize = 5_700_000;
/// Bytes of a packed answer: Lambda's 6 MB, in base64.
const PACKED_BYTES_MAX: usize = 4_400_000;
/// Bytes below which packing is not worth it.
const WORTH_BYTES: usize = 1_024;

/// Bytes as the receiver of these headers can take them: as they are, or packed with gzip, and then as what `packed` says. Answers
/// whether they are packed, too: that is another representation.
pub fn sent(
    what: &str,
    content_type: &'static str,
    bytes: Vec<u8>,
    packed: impl FnOnce(&[u8]) -> std::io::Result<Vec<u8>>,
    headers: &HeaderMap,
) -> Result<(Response, bool), Problem> {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let sending = sending(bytes.len(), quoted(&bytes), header(ACCEPT), header(ACCEPT_ENCODING));
    let (content_type, bytes) = match sending {
        Sending::Plain => (content_type, bytes),
        Sending::Encoded => (content_type, packed(&bytes).map_err(Problem::internal)?),
        Sending::File => ("application/gzip", packed(&bytes).map_err(Problem::internal)?),
        Sending::NotAcceptable => {
            let detail = format!(
                "The {what} has {} bytes, too many for an answer as it is: send `Accept-Encoding: gzip` or `Accept: application/gzip`.",
                bytes.len()
            );
            return Err(Problem::new(Kind::NotAcceptable, detail).field("/header/accept-encoding", "must allow `gzip`"));
        }
    };
    if sending != Sending::Plain && bytes.len() > PACKED_BYTES_MAX {
        return Err(Problem::new(
            Kind::NotAcceptable,
            format!("The {what} has {} bytes when it is packed, too many for one answer.", bytes.len()),
        ));
    }
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if sending == Sending::Encoded {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok((response, sending != Sending::Plain))
}

/// How something is sent.
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

/// Chooses how something of this many bytes, of which so many are quoted in JSON, is sent to a receiver of these headers.
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

/// The weight in thousandths that a header gives to exactly this name (RFC 9110, 12.4.2); `*` is not meant: who only says "anything" expects the document itself.
#[must_use]
pub fn quality(header: &str, name: &str) -> u32 {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_too_large_is_sent_packed_or_not_at_all() {
        let (small, large) = (10_000, PLAIN_BYTES_MAX + 1);
        assert_eq!(sending(small, 0, None, None), Sending::Plain);
        assert_eq!(sending(small, 0, Some("application/gzip"), None), Sending::Plain);
        assert_eq!(sending(small, 0, None, Some("br, gzip")), Sending::Encoded);
        assert_eq!(sending(small, 0, None, Some("gzip;q=0, br")), Sending::Plain);
        assert_eq!(sending(100, 0, None, Some("gzip")), Sending::Plain);
        assert_eq!(sending(large, 0, Some("*/*"), None), Sending::NotAcceptable);
        assert_eq!(sending(large, 0, Some("*/*"), Some("*")), Sending::NotAcceptable);
        assert_eq!(sending(large, 0, Some("text/html, Application/GZIP; q=0.5"), None), Sending::File);
        assert_eq!(sending(large, 0, Some("application/gzip;q=0.000"), Some("identity")), Sending::NotAcceptable);
        assert_eq!(sending(large, 0, None, Some("GZIP ; q=0.001")), Sending::Encoded);
        // Quotes and line ends take twice their place in an answer of Lambda.
        assert_eq!(sending(3_900_000, 1_900_000, None, None), Sending::NotAcceptable);
        assert_eq!(quoted(b"a\"\\\n\r\t\x01b"), 10);
    }

    #[test]
    fn what_is_too_large_even_when_it_is_packed_is_refused_rather_than_lost_on_the_way() {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]);
        let send = |bytes: usize| sent("thing", "text/plain", vec![b'x'; bytes], |bytes| Ok(bytes.to_vec()), &headers);
        assert!(send(PACKED_BYTES_MAX).is_ok_and(|(_, is_packed)| is_packed));
        assert_eq!(send(PACKED_BYTES_MAX + 1).map(|_| ()).unwrap_err().kind, Kind::NotAcceptable);
    }

    proptest! {
        #[test]
        fn no_header_makes_the_choice_panic(text in any::<String>()) {
            let _ = sending(5_000_000, 0, Some(&text), Some(&text));
        }
    }
}
