//! Which headers pass the door, in both directions.
//!
//! To the upstream goes what the caller sent, without what concerns one connection, without any key or token of ours
//! wherever it stands, and without what the caller says about where the call came from: that is said anew by this door
//! (`X-Forwarded-For`, `-Host`, `-Proto`, `Via`, `X-Request-Id`). A valid trace context (W3C) is passed on as it is; none is
//! made up, because no span of ours is recorded anywhere that an upstream's spans could belong to.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, LINK, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use shared::chassis::Context;
use shared::seal::Secret;

/// The request's id, to the upstream and to the caller.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// Headers that concern one connection only (RFC 9110, 7.6.1), and one that never was one.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// The characters of a key's secret, and of a token's at least, behind their prefixes.
const KEY_CHARACTERS: usize = 34;
const TOKEN_CHARACTERS: usize = 26;

/// Whether a header is this door's or the connection's to set, so that nobody else may.
pub(crate) fn is_reserved(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
        || [HOST, CONTENT_LENGTH, EXPECT, FORWARDED, VIA, X_REQUEST_ID, X_REAL_IP, TRACEPARENT, TRACESTATE]
            .contains(name)
        || name.as_str().starts_with("x-forwarded-")
}

/// A caller's headers as the upstream gets them.
pub(crate) fn to_upstream(secret: &Secret, context: &Context, headers: HeaderMap) -> HeaderMap {
    let mut headers = end_to_end(headers);
    let secret_in = |value: &HeaderValue| holds_secret(secret, value.as_bytes());
    let kept = |name: &HeaderName| *name == VIA || is_trace(name);
    let gone: Vec<_> = headers
        .keys()
        .filter(|name| (is_reserved(name) && !kept(name)) || headers.get_all(*name).iter().any(secret_in))
        .cloned()
        .collect();
    for name in gone {
        headers.remove(name);
    }
    let mut parents = headers.get_all(TRACEPARENT).iter();
    if !(parents.next().is_some_and(is_traceparent) && parents.next().is_none()) {
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
    }
    let scheme = context.base_url.split_once("://").map_or("https", |(scheme, _)| scheme);
    for (name, value) in [
        (X_FORWARDED_FOR, context.source_ip.as_str()),
        (X_FORWARDED_HOST, received_by(context)),
        (X_FORWARDED_PROTO, scheme),
    ] {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    sign(&mut headers, context);
    headers
}

/// An upstream's headers as the caller gets them, with ours.
pub(crate) fn to_caller(
    context: &Context,
    headers: HeaderMap,
    ours: HeaderMap,
    status: StatusCode,
    is_head: bool,
) -> HeaderMap {
    let mut headers = end_to_end(headers);
    // Of an answer without a body it is the length that the body would have (RFC 9110, 8.6).
    if !is_head && status != StatusCode::NOT_MODIFIED {
        headers.remove(CONTENT_LENGTH);
    }
    // Links are told beside the upstream's own; of everything else there is one truth, and it is ours.
    let mut ours = ours;
    let links = ours.remove(LINK);
    headers.extend(ours);
    if let Some(links) = links {
        headers.append(LINK, links);
    }
    sign(&mut headers, context);
    headers
}

/// A query without the parameters that hold a key or a token of ours.
pub(crate) fn without_secrets(secret: &Secret, query: &str) -> String {
    let secret_in = |part: &str| holds_secret(secret, &percent_decode_str(part).collect::<Vec<u8>>());
    query.split('&').filter(|part| !secret_in(part)).collect::<Vec<_>>().join("&")
}

/// Whether a key or a token of ours stands anywhere in a text.
fn holds_secret(secret: &Secret, text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let key = |at: usize| {
        text.get(at..at + "dw_".len() + KEY_CHARACTERS).is_some_and(|key| shared::secret_key::is_ours(secret, key))
    };
    let token = |at: usize| {
        let rest = text.get(at + "dwt_".len()..).unwrap_or_default();
        rest.bytes().take_while(u8::is_ascii_alphanumeric).count() >= TOKEN_CHARACTERS
    };
    text.match_indices("dw_").any(|(at, _)| key(at)) || text.match_indices("dwt_").any(|(at, _)| token(at))
}

fn is_trace(name: &HeaderName) -> bool {
    *name == TRACEPARENT || *name == TRACESTATE
}

/// W3C Trace Context, 3.2: version, trace, parent and flags in lower-case hexadecimal; a version to come may say more
/// behind them.
fn is_traceparent(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.splitn(5, '-');
    let mut hex = |digits: usize| {
        let part = parts.next().unwrap_or_default();
        let is_hex = part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_hex.then_some(part)
    };
    let (Some(version), Some(trace), Some(parent), Some(_)) = (hex(2), hex(32), hex(16), hex(2)) else { return false };
    let something = |part: &str| part.bytes().any(|byte| byte != b'0');
    version != "ff" && something(trace) && something(parent) && (version != "00" || parts.next().is_none())
}

/// This door's name in `Via`: the platform's own host. Another platform's door on the way is no loop.
pub(crate) fn received_by(context: &Context) -> &str {
    context.base_url.split_once("//").map_or("doorway", |(_, host)| host)
}

/// Whether a call came through this door before.
pub(crate) fn is_loop(context: &Context, headers: &HeaderMap) -> bool {
    let name = received_by(context);
    let ours = |hop: &str| hop.split_whitespace().nth(1).is_some_and(|host| host.eq_ignore_ascii_case(name));
    headers.get_all(VIA).iter().any(|via| via.to_str().is_ok_and(|via| via.split(',').any(ours)))
}

fn sign(headers: &mut HeaderMap, context: &Context) {
    if let Ok(via) = HeaderValue::from_str(&format!("1.1 {}", received_by(context))) {
        headers.append(VIA, via);
    }
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
}

/// Without what concerns one connection only: the known ones, and those that `Connection` names.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use shared::time::Time;

    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn context() -> Context {
        let mut context = Context::direct("r-1", Time::from_ms(0));
        (context.base_url, context.source_ip) = ("https://api.example".into(), "203.0.113.9".into());
        context
    }

    fn passed(headers: &[(&'static str, &str)]) -> Vec<(String, String)> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect::<Vec<_>>();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        let headers = to_upstream(&Secret::new("door"), &context(), map);
        let mut all: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        all.sort();
        all
    }

    /// What every call is told.
    fn with(more: &[(&str, &str)]) -> Vec<(String, String)> {
        let ours = [
            ("via", "1.1 api.example"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-host", "api.example"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "r-1"),
        ];
        let mut all: Vec<_> =
            ours.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        all.sort();
        all
    }

    #[test]
    fn headers_of_a_connection_stay_behind() {
        let sent = [
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("x-kept", "1"),
            ("keep-alive", "1"),
            ("proxy-connection", "keep-alive"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
            ("host", "door"),
            ("content-length", "7"),
        ];
        assert_eq!(passed(&sent), with(&[("x-kept", "1")]));
    }

    #[test]
    fn a_caller_does_not_say_where_the_call_came_from() {
        let sent = [
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-user", "admin"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("x-request-id", "mine"),
            ("via", "1.1 cache.example"),
        ];
        assert_eq!(passed(&sent), with(&[("via", "1.1 cache.example")]));
    }

    #[test]
    fn no_key_and_no_token_passes_in_any_header_or_query() {
        let door = Secret::new("door");
        let key = shared::secret_key::mint(&door);
        let token = "dwt_01h455vb4pex5vsknk084sn02q0123456789";
        for text in [
            key.clone(),
            format!("Bearer {key}"),
            format!("a={key}; b=1"),
            format!("x,{key},y"),
            format!("\"{token}\""),
        ] {
            for name in ["authorization", "x-api-key", "cookie", "x-anything"] {
                assert_eq!(passed(&[(name, &text)]), with(&[]), "{name}: {text}");
            }
        }
        let other = shared::secret_key::mint(&Secret::new("another company's"));
        for text in [other.as_str(), "dw_", "dw_short", "dwt_session=1", "Basic Zm9vOmJhcg=="] {
            assert_eq!(passed(&[("x-anything", text)]), with(&[("x-anything", text)]), "no secret of ours");
        }
        let encoded = percent_encoding::percent_encode(key.as_bytes(), percent_encoding::NON_ALPHANUMERIC).to_string();
        for (query, left) in [
            (format!("a=1&key={key}&b=%20"), "a=1&b=%20"),
            (format!("key={encoded}"), ""),
            (key.clone(), ""),
            (format!("a={token}&c"), "c"),
            (format!("a={other}&&b="), &*format!("a={other}&&b=")),
        ] {
            assert_eq!(without_secrets(&door, &query), left, "{query}");
        }
    }

    #[test]
    fn a_valid_trace_is_passed_on_and_none_is_made_up() {
        let state = ("tracestate", "congo=t61rcWkgMzE");
        assert_eq!(passed(&[("traceparent", TRACE), state]), with(&[("traceparent", TRACE), state]));
        let later = TRACE.replacen("00", "01", 1) + "-what-the-future-brings";
        assert_eq!(passed(&[("traceparent", &later)]), with(&[("traceparent", &later)]));
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(passed(&[("traceparent", wrong), state]), with(&[]), "{wrong}");
        }
        assert_eq!(passed(&[("traceparent", TRACE), ("traceparent", TRACE), state]), with(&[]), "two are none");
        assert_eq!(passed(&[state]), with(&[]), "a state of no trace");
    }
}
