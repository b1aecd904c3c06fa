//! Telling the door what must hold from the next call on.
//!
//! `catalog`, `subscriptions` and `keys` hand their events to the gateway before they answer; the bus brings the same events
//! again and repairs what this missed. The call goes in the caller's name, and a caller could make it too: so a statement is
//! sealed with a secret that only these functions and the gateway have. Saying it again, or late, changes nothing, because
//! the gateway keeps the newest revision.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::hop::{Hop, HopError};
use crate::event::Envelope;
use crate::problem::{Kind, Problem};
use crate::seal::{Secret, hex};

/// The header that holds the seal: HMAC-SHA-256 of the body, in hexadecimal.
pub const SEAL: HeaderName = HeaderName::from_static("x-doorway-seal");
const PURPOSE: &str = "statement";
const PATH: &str = "/v1/gateway/events";
/// Tries and their time-outs together stay well below a function's own 29 s.
const ATTEMPTS_MAX: u32 = 4;

/// Tells the door, and waits until it has taken it.
pub async fn tell(hop: &Hop, secret: &Secret, events: &[Envelope]) -> Result<(), Problem> {
    let body = Bytes::from(serde_json::to_vec(events).map_err(Problem::internal)?);
    let seal = HeaderValue::from_str(&hex(&secret.for_purpose(PURPOSE).sign(&body))).map_err(Problem::internal)?;
    let mut attempt = 1;
    loop {
        match hop.post(PATH, (SEAL, seal.clone()), body.clone()).await {
            Ok(_) => return Ok(()),
            Err(HopError::Refused(document)) if document.status < 500 => {
                return Err(Problem::internal(format!("the door refused: {}", document.detail)));
            }
            Err(error) if attempt == ATTEMPTS_MAX => return Err(error.into_problem()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50 << attempt)).await,
        }
        attempt += 1;
    }
}

/// Reads what was told, if its seal holds.
pub fn heard(secret: &Secret, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Envelope>, Problem> {
    let seal = headers.get(SEAL).and_then(|seal| unhex(seal.as_bytes())).unwrap_or_default();
    secret.for_purpose(PURPOSE).verify(body, &seal).map_err(|_| {
        Problem::new(
            Kind::Forbidden,
            "Only the platform's own functions may tell the door: a statement carries their seal.",
        )
    })?;
    super::extract::parse(body)
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    if text.len() % 2 == 1 || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_without_the_functions_seal_is_not_heard() {
        let secret = Secret::new("door");
        let body = br#"[{"type":"keys.key","id":"k","revision":1,"data":"null"}]"#;
        let mut headers = HeaderMap::new();
        assert_eq!(heard(&secret, &headers, body).unwrap_err().kind, Kind::Forbidden);
        headers.insert(SEAL, HeaderValue::from_str(&hex(&secret.for_purpose(PURPOSE).sign(body))).unwrap());
        assert_eq!(heard(&secret, &headers, body).unwrap().len(), 1);
        assert_eq!(heard(&secret, &headers, b"[]").unwrap_err().kind, Kind::Forbidden);
        assert_eq!(heard(&Secret::new("other"), &headers, body).unwrap_err().kind, Kind::Forbidden);
    }
}
