//! API Gateway's payload (format 2.0), both ways: an event as a request, a response as an answer.
//!
//! Every call goes through here, so an event is read in one pass, and what nobody looks at is neither copied nor built.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::context::Bearer;
use super::{Context, Request, Response};
use crate::principal::Authentication;
use crate::seal::sha256_hex;
use crate::time::Time;

/// Longer texts go as base64: Lambda's 6 MB count a text as escaped JSON, up to six times its length.
const TEXT_BYTES_MAX: usize = 1_000_000;

/// A text, borrowed where nothing in it is escaped.
#[derive(Deserialize, Default)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A payload: as much as tells its kind, and all of an HTTP call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    /// There in what an authorizer is asked.
    pub(super) route_arn: Option<IgnoredAny>,
    /// There in what a queue or a stream sends.
    #[serde(rename = "Records", borrow)]
    pub(super) records: Option<&'a RawValue>,
    /// There in every HTTP call.
    #[serde(borrow)]
    pub(super) request_context: Option<&'a RawValue>,
    #[serde(borrow)]
    raw_path: Option<Text<'a>>,
    #[serde(borrow)]
    raw_query_string: Option<Text<'a>>,
    #[serde(default)]
    headers: Headers,
    #[serde(borrow, default)]
    cookies: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    #[serde(borrow)]
    http: Http<'a>,
    request_id: Option<String>,
    #[serde(borrow)]
    domain_name: Option<Text<'a>>,
    /// Milliseconds since 1970.
    time_epoch: i64,
    #[serde(borrow)]
    authorizer: Option<Authorizer<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    #[serde(borrow)]
    method: Text<'a>,
    source_ip: Option<String>,
}

#[derive(Deserialize)]
struct Authorizer<'a> {
    #[serde(borrow)]
    lambda: Option<Found<'a>>,
}

/// What our authorizer hands on.
#[derive(Deserialize)]
struct Found<'a> {
    #[serde(borrow)]
    state: Option<Text<'a>>,
    #[serde(borrow)]
    principal: Option<Text<'a>>,
}

/// Headers, each name once: API Gateway joins the values of one name.
#[derive(Default)]
struct Headers(HeaderMap);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seeing;

        impl<'de> Visitor<'de> for Seeing {
            type Value = Headers;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("headers by name")
            }

            fn visit_unit<E>(self) -> Result<Headers, E> {
                Ok(Headers::default())
            }

            fn visit_map<M: MapAccess<'de>>(self, mut entries: M) -> Result<Headers, M::Error> {
                // About as many as a browser sends, with those that API Gateway adds.
                let mut headers = HeaderMap::with_capacity(24);
                while let Some((Text(name), Text(value))) = entries.next_entry()? {
                    let name = HeaderName::from_bytes(name.as_bytes()).map_err(M::Error::custom)?;
                    headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).map_err(M::Error::custom)?);
                }
                Ok(Headers(headers))
            }
        }
        deserializer.deserialize_any(Seeing)
    }
}

/// A call as an HTTP request with its [`Context`].
pub(super) fn request(event: Event<'_>) -> Result<Request, lambda_runtime::Error> {
    let raw = event.request_context.ok_or("an HTTP call without its context")?;
    let context: RequestContext<'_> = serde_json::from_str(raw.get())?;
    let method = Method::from_bytes(context.http.method.0.as_bytes())?;
    let body = match event.body {
        None => Bytes::new(),
        Some(Text(text)) if event.is_base64_encoded => {
            use base64::Engine as _;
            Bytes::from(base64::engine::general_purpose::STANDARD.decode(&*text)?)
        }
        Some(Text(text)) => Bytes::from(text.into_owned()),
    };
    // API Gateway hands the path over decoded: encode what a URI cannot hold, so that extractors decode it back.
    let path = event.raw_path.as_ref().map_or("/", |Text(path)| path);
    let mut target: String = percent_encoding::utf8_percent_encode(path, PATH).collect();
    if let Some(Text(query)) = event.raw_query_string.as_ref().filter(|Text(query)| !query.is_empty()) {
        target.push('?');
        target.extend(percent_encoding::utf8_percent_encode(query, QUERY));
    }
    let mut headers = event.headers.0;
    for Text(cookie) in event.cookies.unwrap_or_default() {
        headers.append(http::header::COOKIE, HeaderValue::from_str(&cookie)?);
    }
    let idempotency = headers.get("idempotency-key").map(|key| {
        let key = String::from_utf8_lossy(key.as_bytes()).into_owned();
        let fingerprint = sha256_hex(&[method.as_str().as_bytes(), b" ", target.as_bytes(), b"\n", &body].concat());
        (key, fingerprint)
    });
    // API Gateway sets this header; whatever else it may say, nothing but a scheme is taken from it.
    let plain = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "http");
    let scheme = if plain { "http" } else { "https" };
    let domain = context.domain_name.unwrap_or_default().0;
    let own = Context {
        request_id: context.request_id.unwrap_or_default(),
        now: Time::from_ms(context.time_epoch),
        source_ip: context.http.source_ip.unwrap_or_default(),
        base_url: [scheme, "://", &domain].concat(),
        bearer: bearer(&headers).map(Bearer::new),
        authentication: authentication(context.authorizer.and_then(|authorizer| authorizer.lambda)),
        idempotency,
    };
    let mut request = http::Request::builder().method(method).uri(target).body(body)?;
    *request.headers_mut() = headers;
    request.extensions_mut().insert(own);
    Ok(request)
}

const PATH: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|')
    .add(b'[')
    .add(b']');
/// A raw query is encoded already; only what no URI may hold is encoded.
const QUERY: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|');

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What the authorizer handed on; see [`authorize`](super::invocation).
fn authentication(found: Option<Found<'_>>) -> Authentication {
    let Some(Found { state, principal }) = found else { return Authentication::Anonymous };
    let state = state.as_ref().map(|Text(state)| &**state);
    match (state, principal.map(|Text(principal)| serde_json::from_str(&principal))) {
        (Some("principal"), Some(Ok(principal))) => Authentication::Principal(Box::new(principal)),
        (Some("expired"), _) => Authentication::Expired,
        (Some("anonymous") | None, _) => Authentication::Anonymous,
        _ => Authentication::Invalid,
    }
}

/// A response as API Gateway takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    status_code: u16,
    headers: Joined<'a>,
    body: Cow<'a, str>,
    is_base64_encoded: bool,
    cookies: Vec<&'a str>,
}

/// Headers with the values of one name joined, without cookies, which have a place of their own.
struct Joined<'a>(&'a HeaderMap);

impl Serialize for Joined<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in self.0.keys().filter(|name| *name != SET_COOKIE) {
            let mut values = self.0.get_all(name).iter().filter_map(text);
            let Some(first) = values.next() else { continue };
            match values.next() {
                None => map.serialize_entry(name.as_str(), first)?,
                Some(second) => {
                    let all: Vec<_> = [first, second].into_iter().chain(values).collect();
                    map.serialize_entry(name.as_str(), &all.join(", "))?;
                }
            }
        }
        map.end()
    }
}

/// A header's value, where it is text: the answer is JSON, and what is no UTF-8 has no place in it.
fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

/// An HTTP response as API Gateway's payload.
pub(super) fn answer(response: &Response) -> Result<Box<RawValue>, serde_json::Error> {
    let (headers, body) = (response.headers(), response.body());
    let as_text = body.len() <= TEXT_BYTES_MAX
        && headers.get(http::header::CONTENT_ENCODING).is_none()
        && headers.get(CONTENT_TYPE).is_none_or(is_text);
    let (body, is_base64_encoded) = match std::str::from_utf8(body) {
        Ok(body) if as_text => (Cow::Borrowed(body), false),
        _ => {
            use base64::Engine as _;
            (Cow::Owned(base64::engine::general_purpose::STANDARD.encode(body)), true)
        }
    };
    let cookies = headers.get_all(SET_COOKIE).iter().filter_map(text);
    serde_json::value::to_raw_value(&Answer {
        status_code: response.status().as_u16(),
        headers: Joined(headers),
        body,
        is_base64_encoded,
        cookies: cookies.collect(),
    })
}

fn is_text(content_type: &HeaderValue) -> bool {
    let value = content_type.to_str().unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/") || essence.ends_with("json") || essence.ends_with("yaml") || essence.ends_with("xml")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answered(response: &Response) -> Value {
        serde_json::from_str(answer(response).unwrap().get()).unwrap()
    }

    #[test]
    fn bodies_go_back_as_text_or_base64() {
        let with = |content_type: &str, body: &'static [u8]| {
            let mut response = Response::new(Bytes::from_static(body));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
            answered(&response)["isBase64Encoded"] == true
        };
        assert!(!with("application/problem+json", b"{}"));
        assert!(!with("text/plain; charset=utf-8", b"x"));
        assert!(with("application/gzip", b"x"));
        assert!(with("application/json", &[0xff]));
    }

    #[test]
    fn headers_of_one_name_are_joined_and_cookies_stand_apart() {
        let mut response = Response::new(Bytes::from_static(b"\"\n"));
        for (name, value) in [("vary", "a"), ("set-cookie", "x=1"), ("vary", "b"), ("set-cookie", "y=2"), ("x", "1")] {
            response.headers_mut().append(name, HeaderValue::from_static(value));
        }
        response.headers_mut().append("y", HeaderValue::from_bytes(b"caf\xc3\xa9").unwrap());
        response.headers_mut().append("z", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(
            answered(&response),
            json!({
                "statusCode": 200, "headers": { "vary": "a, b", "x": "1", "y": "café" }, "cookies": ["x=1", "y=2"],
                "body": "\"\n", "isBase64Encoded": false
            })
        );
    }

    #[test]
    fn an_event_is_read_whatever_is_escaped_in_it_or_left_out() {
        let event = json!({
            "rawPath": "/a\"b", "headers": { "x-a": "1,2", "x-ü-is": "none" }, "cookies": ["c=\"1\"", "d=2"],
            "body": "aGk=", "isBase64Encoded": true,
            "requestContext": { "http": { "method": "PUT" }, "timeEpoch": 1, "authorizer": null }
        });
        assert!(serde_json::from_str::<Event<'_>>(&event.to_string()).is_err(), "no header has such a name");
        let event = event.to_string().replace("x-ü-is", "x-b");
        let request = request(serde_json::from_str(&event).unwrap()).unwrap();
        assert_eq!((request.method().as_str(), request.uri().path(), &**request.body()), ("PUT", "/a%22b", &b"hi"[..]));
        let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
        assert_eq!(cookies, ["c=\"1\"", "d=2"]);
        assert_eq!(request.headers()["x-a"], "1,2");
        let context = request.extensions().get::<Context>().unwrap();
        assert_eq!((context.base_url.as_str(), context.now), ("https://", Time::from_ms(1)));
    }
}
