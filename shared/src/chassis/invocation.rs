//! One invocation: which kind of payload it is, and what goes back.

use std::time::Instant;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::api_gateway::{Event, answer, request};
use super::{Context, EventError, Function, Response};
use crate::event::Envelope;
use crate::principal::Authentication;
use crate::problem::{Kind, Problem};
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
) -> Result<Box<RawValue>, lambda_runtime::Error> {
    // Boxed, so that the types of the futures do not nest deeper than the compiler looks.
    let event: Event<'_> = serde_json::from_str(payload)?;
    if event.route_arn.is_none() && event.request_context.is_some() {
        return Box::pin(http(function, event)).await;
    }
    let answer = Box::pin(other(function, event, payload, lambda_request_id)).await?;
    Ok(to_raw_value(&answer)?)
}

async fn other<F: Function>(
    function: &F,
    event: Event<'_>,
    payload: &str,
    lambda_request_id: &str,
) -> Result<Value, lambda_runtime::Error> {
    if event.route_arn.is_some() {
        return authorize(function, payload).await;
    }
    let Some(records) = event.records else { return direct(function, payload, lambda_request_id).await };
    let records: Vec<Record> = serde_json::from_str(records.get())?;
    let all_from = |source: &str| records.iter().all(|record| record.event_source == source);
    if all_from("aws:sqs") {
        Ok(queue(function, records).await)
    } else if all_from("aws:dynamodb") {
        Ok(stream(function, records).await)
    } else {
        Err("records of an unknown source".into())
    }
}

async fn http<F: Function>(function: &F, event: Event<'_>) -> Result<Box<RawValue>, lambda_runtime::Error> {
    let started = Instant::now();
    let request = request(event)?;
    let method = request.method().clone();
    let request_id =
        request.extensions().get::<Context>().map(|context| context.request_id.clone()).unwrap_or_default();
    let mut response = function.http(request).await;
    let seen = response.extensions_mut().remove::<Seen>().unwrap_or_default();
    tracing::info!(
        request_id,
        method = method.as_str(),
        route = seen.route,
        status = response.status().as_u16(),
        problem = seen.problem,
        cause = seen.cause,
        duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "request"
    );
    Ok(answer(&response)?)
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
    use bytes::Bytes;

    use super::super::Request;
    use super::*;

    struct Echo;

    async fn answered(payload: &str) -> Result<Value, lambda_runtime::Error> {
        Ok(serde_json::from_str(handle(&Echo, payload, "l").await?.get())?)
    }

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
        let answer = answered(&event("/v1/x/a b/ä%/{c}", "q=a%20b&r=ü")).await.unwrap();
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
        let answer = answered(&sqs.to_string()).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]}));
        let answer = answered(r#"{"anything": 1}"#).await.unwrap();
        assert_eq!(answer["problem"]["status"], 422);
        assert!(answered(r#"{"Records": [{"eventSource": "aws:s3"}]}"#).await.is_err());
    }
}
