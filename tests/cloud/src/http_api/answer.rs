//! What a function's answer becomes: response format 2.0, and the gateway's own refusals.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

/// Headers of a connection; a function has no say in them.
const DROPPED: [&str; 7] =
    ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// `{"message": …}`, as an HTTP API refuses.
pub(super) fn refusal(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(json!({ "message": message }).to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A function's answer; `None` when it is not one.
pub(super) fn from_function(answer: &Bytes) -> Option<Response<Full<Bytes>>> {
    let value: Value = serde_json::from_slice(answer).ok()?;
    let Some(status) = value.get("statusCode") else {
        // Without a status code the answer is the body itself.
        let body = match value {
            Value::String(text) => Bytes::from(text),
            _ => answer.clone(),
        };
        let mut response = Response::new(Full::new(body));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Some(response);
    };
    let status = match status {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let status = StatusCode::from_u16(u16::try_from(status?).ok()?)
        .ok()
        .filter(|s| s.as_u16() < 600 && !s.is_informational())?;
    let body = match value.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) if value.get("isBase64Encoded") == Some(&Value::Bool(true)) => {
            Bytes::from(STANDARD.decode(text).ok()?)
        }
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(_) => return None,
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in value.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        let name = HeaderName::try_from(name.as_str()).ok()?;
        if !DROPPED.contains(&name.as_str()) {
            headers.insert(name, HeaderValue::from_bytes(text.as_bytes()).ok()?);
        }
    }
    for cookie in value.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        headers.append(SET_COOKIE, HeaderValue::from_bytes(cookie.as_str()?.as_bytes()).ok()?);
    }
    if !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    type Answered = (u16, Vec<(String, String)>, Bytes);

    fn answered(value: &Value) -> Option<Answered> {
        let response = from_function(&Bytes::from(value.to_string()))?;
        let status = response.status().as_u16();
        let headers = response.headers().iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
        let body = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(response.into_body().collect())
            .unwrap()
            .to_bytes();
        Some((status, headers, body))
    }

    #[test]
    fn the_documented_form() {
        let (status, mut headers, body) = answered(&json!({
            "statusCode": 201, "headers": {"X-Custom": "a", "Transfer-Encoding": "chunked"}, "cookies": ["a=1; Secure", "b=2"], "body": "aGk=", "isBase64Encoded": true
        }))
        .unwrap();
        headers.sort();
        assert_eq!((status, body), (201, Bytes::from("hi")));
        let expected = [
            ("content-type", "text/plain;charset=UTF-8"),
            ("set-cookie", "a=1; Secure"),
            ("set-cookie", "b=2"),
            ("x-custom", "a"),
        ];
        assert_eq!(headers, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn the_inferred_form() {
        let (status, headers, body) = answered(&json!({"message": "hi"})).unwrap();
        assert_eq!((status, body), (200, Bytes::from("{\"message\":\"hi\"}")));
        assert_eq!(headers, [("content-type".to_owned(), "application/json".to_owned())]);
        assert_eq!(answered(&json!("Hello")).unwrap().2, Bytes::from("Hello"));
    }

    #[test]
    fn a_wrong_form_is_no_answer() {
        for wrong in [
            json!({"statusCode": "x"}),
            json!({"statusCode": 99}),
            json!({"statusCode": 200, "body": {}}),
            json!({"statusCode": 200, "headers": {"a b": "c"}}),
        ] {
            assert_eq!(answered(&wrong), None, "{wrong}");
        }
        assert!(from_function(&Bytes::from("not json")).is_none());
    }
}
