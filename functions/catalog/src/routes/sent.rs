//! Answers that may be too large to go as they are.

use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use shared::problem::{Kind, Problem};

use crate::domain::document::{Sending, quoted, sending};

/// Bytes as the receiver of these headers can take them: as they are, or packed with gzip, and then as what `packed` says. Answers
/// whether they are packed, too: that is another representation.
pub(super) fn sent(
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
