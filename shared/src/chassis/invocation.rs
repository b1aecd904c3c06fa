//! One invocation: which kind of payload it is, and what goes back.

use std::time::Instant;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use lambda_http::aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use lambda_http::aws_lambda_events::encodings::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::context::Bearer;
use super::{Context, EventError, Function, Request, Response};
use crate::event::Envelope;
use crate::principal::Authentication;
use crate::problem::{Kind, Problem};
use crate::seal::sha256_hex;
use crate::time::Time;

/// A change of an item, as a stream reports it.
#[derive(Debug)]
pub struct StreamRecord {
    /// Its place in the stream.
    pub sequence: String,
    /// The item as it is now; absent when it was deleted.
    pub new: Option<serde_dynamo::Item>,
    /// The item as it was; absent when it is new.
    pub old: Option<serde_dynamo::Item>,
}

/// As much of a payload as tells its kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Peek {
    route_arn: Option<serde::de::IgnoredAny>,
    request_context: Option<serde::de::IgnoredAny>,
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_source: String,
    message_id: Option<String>,
    body: Option<String>,
    attributes: Option<Attributes>,
    dynamodb: Option<Change>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    /// Milliseconds since 1970, as text.
    sent_timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    sequence_number: String,
    new_image: Option<serde_dynamo::Item>,
    old_image: Option<serde_dynamo::Item>,
}

/// An event of the bus, in a queue's message.
#[derive(Deserialize)]
struct BusEvent {
    detail: Envelope,
}

/// Handles one invocation of a function: its payload in, its answer out.
pub async fn handle<F: Function>(
    function: &F,
    payload: &str,
    lambda_request_id: &str,
) -> Result<Value, lambda_runtime::Error> {
    // Boxed, so that the types of the futures do not nest deeper than the compiler looks.
    let peek: Peek = serde_json::from_str(payload)?;
    if peek.route_arn.is_some() {
        return Box::pin(authorize(function, payload)).await;
    }
    if peek.request_context.is_some() {
        return Box::pin(http(function, payload)).await;
    }
    match peek.records {
        Some(records) if records.iter().all(|record| record.event_source == "aws:sqs") => {
            Ok(Box::pin(queue(function, records)).await)
        }
        Some(records) if records.iter().all(|record| record.event_source == "aws:dynamodb") => {
            Ok(Box::pin(stream(function, records)).await)
        }
        Some(_) => Err("records of an unknown source".into()),
        None => Box::pin(direct(function, payload, lambda_request_id)).await,
    }
}

async fn http<F: Function>(function: &F, payload: &str) -> Result<Value, lambda_runtime::Error> {
    let started = Instant::now();
    let event: ApiGatewayV2httpRequest = serde_json::from_str(payload)?;
    let method = event.request_context.http.method.to_string();
    let request = request(event)?;
    let request_id =
        request.extensions().get::<Context>().map(|context| context.request_id.clone()).unwrap_or_default();
    let response = function.http(request).await;
    let seen = response.extensions().get::<Seen>().cloned().unwrap_or_default();
    tracing::info!(
        request_id,
        method,
        route = seen.route,
        status = response.status().as_u16(),
        problem = seen.problem,
        cause = seen.cause,
        duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "request"
    );
    Ok(serde_json::to_value(answer(response))?)
}

/// What the one log line of a request tells besides its status.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) route: String,
    pub(crate) problem: &'static str,
    pub(crate) cause: String,
}

/// Names the route of a response, for the log.
pub fn named(response: &mut Response, route: &str) {
    route.clone_into(&mut response.extensions_mut().get_or_insert_default::<Seen>().route);
}

/// API Gateway's payload (format 2.0) as an HTTP request with its [`Context`].
fn request(event: ApiGatewayV2httpRequest) -> Result<Request, lambda_runtime::Error> {
    let context = event.request_context;
    let body = match event.body {
        None => Bytes::new(),
        Some(text) if event.is_base64_encoded => {
            use base64::Engine as _;
            Bytes::from(base64::engine::general_purpose::STANDARD.decode(text)?)
        }
        Some(text) => Bytes::from(text),
    };
    // API Gateway hands the path over decoded: encode what a URI cannot hold, so that extractors decode it back.
    let path = event.raw_path.as_deref().unwrap_or("/");
    let mut target = percent_encoding::utf8_percent_encode(path, PATH).to_string();
    if let Some(query) = event.raw_query_string.as_deref().filter(|query| !query.is_empty()) {
        target.push('?');
        target.extend(percent_encoding::utf8_percent_encode(query, QUERY));
    }
    let mut headers = event.headers;
    for cookie in event.cookies.unwrap_or_default() {
        headers.append(http::header::COOKIE, HeaderValue::from_str(&cookie)?);
    }
    let bearer = bearer(&headers).map(Bearer::new);
    let idempotency = headers.get("idempotency-key").map(|key| {
        let key = String::from_utf8_lossy(key.as_bytes()).into_owned();
        let fingerprint =
            sha256_hex(&[context.http.method.as_str().as_bytes(), b" ", target.as_bytes(), b"\n", &body].concat());
        (key, fingerprint)
    });
    let lambda = context.authorizer.map(|authorizer| authorizer.fields).unwrap_or_default();
    // API Gateway sets this header; whatever else it may say, nothing but a scheme is taken from it.
    let plain = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "http");
    let scheme = if plain { "http" } else { "https" };
    let own = Context {
        request_id: context.request_id.unwrap_or_default(),
        now: Time::from_ms(context.time_epoch),
        source_ip: context.http.source_ip.unwrap_or_default(),
        base_url: format!("{scheme}://{}", context.domain_name.unwrap_or_default()),
        bearer,
        authentication: authentication(&lambda),
        idempotency,
    };
    let mut request = http::Request::builder().method(context.http.method).uri(target).body(body)?;
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

/// What the authorizer handed on; see [`authorize`].
fn authentication(lambda: &std::collections::HashMap<String, Value>) -> Authentication {
    let text = |name: &str| lambda.get(name).and_then(Value::as_str);
    match (text("state"), text("principal").map(serde_json::from_str)) {
        (Some("principal"), Some(Ok(principal))) => Authentication::Principal(Box::new(principal)),
        (Some("expired"), _) => Authentication::Expired,
        (Some("anonymous") | None, _) => Authentication::Anonymous,
        _ => Authentication::Invalid,
    }
}

/// An HTTP response as API Gateway's payload (format 2.0).
fn answer(response: Response) -> ApiGatewayV2httpResponse {
    let (parts, body) = response.into_parts();
    let mut out = ApiGatewayV2httpResponse::default();
    out.status_code = i64::from(parts.status.as_u16());
    for name in parts.headers.keys() {
        let values = parts.headers.get_all(name).iter().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
        let values: Vec<_> = values.collect();
        if name == SET_COOKIE {
            out.cookies.extend(values.into_iter().map(str::to_owned));
        } else if let (false, Ok(joined)) = (values.is_empty(), HeaderValue::from_str(&values.join(", "))) {
            out.headers.insert(name.clone(), joined);
        }
    }
    // Lambda's 6 MB count a text as escaped JSON, up to six times its length: long ones go as base64.
    let text = body.len() <= TEXT_BYTES_MAX
        && parts.headers.get(http::header::CONTENT_ENCODING).is_none()
        && parts.headers.get(CONTENT_TYPE).is_none_or(is_text);
    let (body, is_base64_encoded) = match String::from_utf8(body.to_vec()) {
        Ok(body) if text => (Body::Text(body), false),
        Ok(body) => (Body::Binary(body.into_bytes()), true),
        Err(error) => (Body::Binary(error.into_bytes()), true),
    };
    out.body = Some(body);
    out.is_base64_encoded = is_base64_encoded;
    out
}

const TEXT_BYTES_MAX: usize = 1_000_000;

fn is_text(content_type: &HeaderValue) -> bool {
    let value = content_type.to_str().unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/") || essence.ends_with("json") || essence.ends_with("yaml") || essence.ends_with("xml")
}

async fn authorize<F: Function>(function: &F, payload: &str) -> Result<Value, lambda_runtime::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Event {
        #[serde(default)]
        headers: std::collections::HashMap<String, String>,
        request_context: RequestContext,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RequestContext {
        #[serde(default)]
        request_id: String,
        time_epoch: i64,
    }
    let event: Event = serde_json::from_str(payload)?;
    let context = Context::direct(&event.request_context.request_id, Time::from_ms(event.request_context.time_epoch));
    let token = event.headers.get("authorization").map(|value| match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        // A scheme that we do not know is a credential that is not valid, not the lack of one.
        _ => "",
    });
    let found = match function.authenticate(token, &context).await {
        Ok(found) => found,
        Err(problem) => return Err(format!("{}: {}", problem.detail, problem.internal.unwrap_or_default()).into()),
    };
    let (state, principal) = match &found {
        Authentication::Anonymous => ("anonymous", None),
        Authentication::Invalid => ("invalid", None),
        Authentication::Expired => ("expired", None),
        Authentication::Principal(principal) => ("principal", Some(serde_json::to_string(principal)?)),
    };
    // Always let through: the refusal is the function's own problem document.
    Ok(json!({ "isAuthorized": true, "context": { "state": state, "principal": principal.unwrap_or_default() } }))
}

async fn queue<F: Function>(function: &F, records: Vec<Record>) -> Value {
    let mut failures = Vec::new();
    for record in records {
        let result = match serde_json::from_str::<BusEvent>(record.body.as_deref().unwrap_or_default()) {
            Ok(event) => {
                let (kind, id, revision) = (event.detail.kind.clone(), event.detail.id.clone(), event.detail.revision);
                let sent_ms = record.attributes.and_then(|attributes| attributes.sent_timestamp?.parse().ok());
                let result = function.event(event.detail, sent_ms.map_or_else(super::clock, Time::from_ms)).await;
                tracing::info!(kind, id, revision, failed = result.is_err(), "event");
                result
            }
            Err(error) => Err(EventError::from(error)),
        };
        if let Err(error) = result {
            let message_id = record.message_id.unwrap_or_default();
            tracing::error!(message_id, error = %error, "event not taken");
            failures.push(json!({ "itemIdentifier": message_id }));
        }
    }
    json!({ "batchItemFailures": failures })
}

async fn stream<F: Function>(function: &F, records: Vec<Record>) -> Value {
    let changes = records
        .into_iter()
        .filter_map(|record| record.dynamodb)
        .map(|change| StreamRecord { sequence: change.sequence_number, new: change.new_image, old: change.old_image })
        .collect();
    match function.records(changes).await {
        Ok(()) => json!({ "batchItemFailures": [] }),
        Err((sequence, error)) => {
            tracing::error!(sequence, error = %error, "record not taken");
            json!({ "batchItemFailures": [{ "itemIdentifier": sequence }] })
        }
    }
}

async fn direct<F: Function>(
    function: &F,
    payload: &str,
    lambda_request_id: &str,
) -> Result<Value, lambda_runtime::Error> {
    let context = Context::direct(lambda_request_id, super::clock());
    match function.direct(serde_json::from_str(payload)?, &context).await {
        Ok(answer) => Ok(answer),
        Err(problem) if problem.kind == Kind::Internal || problem.kind == Kind::Unavailable => {
            Err(format!("{}: {}", problem.kind.slug(), problem.internal.unwrap_or_default()).into())
        }
        Err(problem) => {
            Ok(json!({ "problem": Problem::document(&problem, Some(format!("urn:request:{lambda_request_id}"))) }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Function for Echo {
        async fn http(&self, request: Request) -> Response {
            let context = request.extensions().get::<Context>().cloned();
            let text = format!(
                "{} {} {:?}",
                request.method(),
                request.uri(),
                context.map(|context| (
                    context.bearer.map(|bearer| bearer.as_str().to_owned()),
                    context.authentication,
                    context.base_url,
                    context.now
                ))
            );
            Response::new(Bytes::from(text))
        }
    }

    fn event(path: &str, query: &str) -> String {
        json!({
            "version": "2.0", "routeKey": "ANY /v1/x/{proxy+}", "rawPath": path, "rawQueryString": query,
            "headers": {"authorization": "bearer dwt_1", "x-forwarded-proto": "https", "host": "api.example"},
            "requestContext": {"http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "1.2.3.4", "userAgent": "x"},
                "requestId": "r1", "timeEpoch": 1_700_000_000_123_i64, "domainName": "api.example", "stage": "$default",
                "authorizer": {"lambda": {"state": "expired", "principal": ""}}},
            "isBase64Encoded": false
        })
        .to_string()
    }

    #[tokio::test]
    async fn a_decoded_path_is_encoded_again_and_the_context_is_read() {
        let answer = handle(&Echo, &event("/v1/x/a b/ä%/{c}", "q=a%20b&r=ü"), "l").await.unwrap();
        assert_eq!(
            answer["body"],
            "GET /v1/x/a%20b/%C3%A4%25/%7Bc%7D?q=a%20b&r=%C3%BC Some((Some(\"dwt_1\"), Expired, \"https://api.example\", Time(2023-11-14T22:13:20.123Z)))"
        );
        assert_eq!(answer["statusCode"], 200);
    }

    #[tokio::test]
    async fn what_a_function_does_not_take_is_refused_loudly() {
        let sqs = json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m1", "body": json!({"detail": {"type": "keys.key", "id": "k", "revision": "3", "data": "null"}}).to_string()},
            {"eventSource": "aws:sqs", "messageId": "m2", "body": "nonsense"}]});
        let answer = handle(&Echo, &sqs.to_string(), "l").await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]}));
        let answer = handle(&Echo, r#"{"anything": 1}"#, "l").await.unwrap();
        assert_eq!(answer["problem"]["status"], 422);
        assert!(handle(&Echo, r#"{"Records": [{"eventSource": "aws:s3"}]}"#, "l").await.is_err());
    }

    #[test]
    fn bodies_go_back_as_text_or_base64() {
        let with = |content_type: &str, body: &'static [u8]| {
            let mut response = Response::new(Bytes::from_static(body));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
            answer(response).is_base64_encoded
        };
        assert!(!with("application/problem+json", b"{}"));
        assert!(!with("text/plain; charset=utf-8", b"x"));
        assert!(with("application/gzip", b"x"));
        assert!(with("application/json", &[0xff]));
    }
}
