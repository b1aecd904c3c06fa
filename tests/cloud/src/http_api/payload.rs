//! The event of payload format 2.0.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Version};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::template::{ACCOUNT, REGION};

/// The id of the one API.
pub(super) const API_ID: &str = "local";
/// Headers of a connection, which end at the gateway, and cookies, which have a place of their own.
const DROPPED: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "cookie",
];

/// One request as the functions will see it.
pub(super) struct Incoming {
    pub(super) method: String,
    /// Decoded, and cut at a decoded `?`.
    pub(super) path: String,
    pub(super) trace: String,
    pub(super) request_id: String,
    query: String,
    headers: Map<String, Value>,
    cookies: Vec<String>,
    protocol: &'static str,
    peer: SocketAddr,
    domain: String,
    time: jiff::Timestamp,
}

impl Incoming {
    pub(super) fn new(
        parts: &Parts,
        body_bytes: usize,
        peer: SocketAddr,
        local: SocketAddr,
        time: jiff::Timestamp,
    ) -> Incoming {
        let decoded = percent_decode_str(parts.uri.path()).decode_utf8_lossy();
        let root = crate::lambda::trace_id();
        let mut headers = joined(&parts.headers);
        for name in DROPPED {
            headers.remove(name);
        }
        if body_bytes > 0 || headers.contains_key("content-length") {
            headers.insert("content-length".to_owned(), json!(body_bytes.to_string()));
        }
        headers.insert("x-forwarded-for".to_owned(), json!(peer.ip().to_string()));
        headers.insert("x-forwarded-port".to_owned(), json!(local.port().to_string()));
        headers.insert("x-forwarded-proto".to_owned(), json!("http"));
        headers.insert("x-amzn-trace-id".to_owned(), json!(root.split(';').next().unwrap_or_default()));
        let cookies = parts.headers.get_all("cookie").iter().flat_map(|value| {
            let line = text(value.as_bytes());
            line.split(';')
                .map(|cookie| cookie.trim().to_owned())
                .filter(|cookie| !cookie.is_empty())
                .collect::<Vec<_>>()
        });
        Incoming {
            method: parts.method.to_string(),
            path: decoded.split('?').next().unwrap_or("/").to_owned(),
            trace: root,
            request_id: format!(
                "{}=",
                STANDARD.encode(uuid::Uuid::new_v4().as_bytes().get(..11).unwrap_or_default()).trim_end_matches('=')
            ),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers,
            cookies: cookies.collect(),
            protocol: if parts.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" },
            peer,
            domain: local.to_string(),
            time,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(&name.to_lowercase()).and_then(Value::as_str)
    }

    pub(super) fn query_parameter(&self, name: &str) -> Option<String> {
        self.query_parameters().get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// What the authorizer gets.
    pub(super) fn authorizer_event(
        &self,
        route_key: &str,
        parameters: &BTreeMap<String, String>,
        sources: &[String],
    ) -> Value {
        let mut event = self.common(route_key, parameters);
        event.insert("type".to_owned(), json!("REQUEST"));
        let path = self.path.trim_start_matches('/');
        event.insert(
            "routeArn".to_owned(),
            json!(format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}/$default/{}/{path}", self.method)),
        );
        if !sources.is_empty() {
            event.insert("identitySource".to_owned(), json!(sources));
        }
        Value::Object(event)
    }

    /// What the function gets. `context` is what an authorizer found.
    pub(super) fn event(
        &self,
        route_key: &str,
        parameters: &BTreeMap<String, String>,
        context: Option<Value>,
        body: &Bytes,
    ) -> Value {
        let mut event = self.common(route_key, parameters);
        if let (Some(context), Some(request)) =
            (context, event.get_mut("requestContext").and_then(Value::as_object_mut))
        {
            request.insert("authorizer".to_owned(), json!({ "lambda": context }));
        }
        let as_text = self.header("content-type").is_some_and(is_text);
        if !body.is_empty() {
            let body = if as_text { String::from_utf8_lossy(body).into_owned() } else { STANDARD.encode(body) };
            event.insert("body".to_owned(), Value::String(body));
        }
        let encoded = event.contains_key("body") && !as_text;
        event.insert("isBase64Encoded".to_owned(), json!(encoded));
        Value::Object(event)
    }

    fn common(&self, route_key: &str, parameters: &BTreeMap<String, String>) -> Map<String, Value> {
        let mut event = Map::new();
        let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
        put("version", json!("2.0"));
        put("routeKey", json!(route_key));
        put("rawPath", json!(self.path));
        put("rawQueryString", json!(self.query));
        if !self.cookies.is_empty() {
            put("cookies", json!(self.cookies));
        }
        put("headers", Value::Object(self.headers.clone()));
        if !self.query.is_empty() {
            put("queryStringParameters", Value::Object(self.query_parameters()));
        }
        if !parameters.is_empty() {
            put("pathParameters", json!(parameters));
        }
        let mut http = json!({"method": self.method, "path": self.path, "protocol": self.protocol, "sourceIp": self.peer.ip().to_string()});
        if let (Some(agent), Some(http)) = (self.headers.get("user-agent"), http.as_object_mut()) {
            http.insert("userAgent".to_owned(), agent.clone());
        }
        put(
            "requestContext",
            json!({
                "accountId": ACCOUNT,
                "apiId": API_ID,
                "domainName": self.domain,
                "domainPrefix": self.domain.split('.').next().unwrap_or_default(),
                "http": http,
                "requestId": self.request_id,
                "routeKey": route_key,
                "stage": "$default",
                "time": self.time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
                "timeEpoch": self.time.as_millisecond(),
            }),
        );
        event
    }

    /// Decoded; the values of a repeated name are joined by commas.
    fn query_parameters(&self) -> Map<String, Value> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            found.entry(form_decoded(name)).or_default().push(form_decoded(value));
        }
        found.into_iter().map(|(name, values)| (name, json!(values.join(",")))).collect()
    }
}

/// Lower-case names; the values of a repeated name are joined by commas.
fn joined(headers: &HeaderMap) -> Map<String, Value> {
    let names = headers.keys().map(http::HeaderName::as_str);
    let value =
        |name: &str| headers.get_all(name).iter().map(|value| text(value.as_bytes())).collect::<Vec<_>>().join(",");
    names.map(|name| (name.to_owned(), Value::String(value(name)))).collect()
}

/// A header's bytes: UTF-8 when they are, Latin-1 otherwise.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

fn form_decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The media types that reach a function as text; everything else is base64.
fn is_text(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media.starts_with("text/")
        || ["application/json", "application/xml", "application/javascript"].contains(&media.as_str())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn incoming(request: Request<()>, body_bytes: usize) -> Incoming {
        let (parts, ()) = request.into_parts();
        let time = "2026-11-22T09:08:07.5Z".parse().unwrap();
        Incoming::new(&parts, body_bytes, "127.0.0.1:5000".parse().unwrap(), "127.0.0.1:8080".parse().unwrap(), time)
    }

    #[test]
    fn the_event_is_as_documented() {
        let request =
            Request::post("/my/p%C3%A4th%2Fa%3Fx/y?parameter1=value1&parameter1=value%202&parameter2=a+b&flag")
                .header("Header1", "value1")
                .header("Header1", "value2")
                .header("Content-Type", "application/json; charset=utf-8")
                .header("Cookie", "cookie1=a; cookie2=b")
                .header("User-Agent", "agent")
                .header("X-Forwarded-For", "1.2.3.4")
                .header("Connection", "keep-alive")
                .body(())
                .unwrap();
        let incoming = incoming(request, 7);
        let event = incoming.event(
            "POST /my/{proxy+}",
            &BTreeMap::from([("proxy".to_owned(), "x".to_owned())]),
            Some(json!({"state": "anonymous"})),
            &Bytes::from("{\"a\":1}"),
        );
        assert_eq!(event["rawPath"], "/my/päth/a");
        assert_eq!(event["rawQueryString"], "parameter1=value1&parameter1=value%202&parameter2=a+b&flag");
        assert_eq!(
            event["queryStringParameters"],
            json!({"parameter1": "value1,value 2", "parameter2": "a b", "flag": ""})
        );
        assert_eq!(event["cookies"], json!(["cookie1=a", "cookie2=b"]));
        let trace = event["headers"]["x-amzn-trace-id"].as_str().unwrap();
        assert_eq!(trace.len(), "Root=1-5e9f0c65-1de4d666d4dd26aced652b6c".len());
        assert_eq!(
            event["headers"],
            json!({
                "header1": "value1,value2", "content-type": "application/json; charset=utf-8", "content-length": "7", "user-agent": "agent",
                "x-forwarded-for": "127.0.0.1", "x-forwarded-port": "8080", "x-forwarded-proto": "http", "x-amzn-trace-id": trace
            })
        );
        assert_eq!(event["body"], "{\"a\":1}");
        assert_eq!(event["isBase64Encoded"], false);
        let context = &event["requestContext"];
        assert_eq!(context["authorizer"], json!({"lambda": {"state": "anonymous"}}));
        assert_eq!(
            context["http"],
            json!({"method": "POST", "path": "/my/päth/a", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "agent"})
        );
        assert_eq!(context["domainName"], "127.0.0.1:8080");
        assert_eq!(context["stage"], "$default");
        assert_eq!(context["requestId"].as_str().unwrap().len(), 16);
        assert_eq!(context["timeEpoch"], 1_795_338_487_500_i64);
        assert_eq!(context["time"], "22/Nov/2026:09:08:07 +0000");
    }

    #[test]
    fn the_authorizer_gets_no_body() {
        let event =
            incoming(Request::get("/a/b").body(()).unwrap(), 0).authorizer_event("GET /a/b", &BTreeMap::new(), &[]);
        assert_eq!(event["type"], "REQUEST");
        assert_eq!(event["routeArn"], "arn:aws:execute-api:us-east-1:000000000000:local/$default/GET/a/b");
        assert_eq!(event.get("body"), None);
        assert_eq!(event.get("identitySource"), None);
        assert_eq!(event.get("queryStringParameters"), None);
    }

    #[test]
    fn only_listed_media_types_are_text() {
        for text in
            ["application/json", "Application/XML", "text/plain; charset=utf-8", "application/javascript", "text/yaml"]
        {
            assert!(is_text(text), "{text}");
        }
        for binary in [
            "application/gzip",
            "application/x-www-form-urlencoded",
            "application/problem+json",
            "application/yaml",
            "",
            "image/png",
        ] {
            assert!(!is_text(binary), "{binary}");
        }
        let request = Request::post("/").header("content-type", "application/gzip").body(()).unwrap();
        let event = incoming(request, 2).event("$default", &BTreeMap::new(), None, &Bytes::from_static(&[0x1f, 0x8b]));
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("H4s="), &json!(true)));
    }
}
