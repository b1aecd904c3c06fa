//! The HTTP front: who calls, may they, what goes wrong, and the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::access::{Caller, needs, refusal};
use super::dispatch::{WRITES, apply};
use super::{Core, access};
use crate::faults::Deed;
use crate::policy::Verdict;
use crate::signals;

/// DynamoDB takes bodies of up to 16 MB.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The connection is to close without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost on purpose")]
struct Lost;

/// Serves until told to stop.
pub(crate) async fn serve(listener: std::net::TcpListener, core: Arc<Core>, mut stopped: watch::Receiver<bool>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "DynamoDB front"),
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => drop(tokio::spawn(connection(stream, peer, Arc::clone(&core)))),
            Err(error) => tracing::warn!(%error, "DynamoDB front"),
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, core: Arc<Core>) {
    let _ = stream.set_nodelay(true);
    let Ok(local) = stream.local_addr() else { return };
    let service = service_fn(move |request: Request<Incoming>| {
        let core = Arc::clone(&core);
        async move {
            let (parts, body) = request.into_parts();
            let read = Limited::new(body, BODY_BYTES_MAX).collect().await;
            let Ok(body) = read.map(http_body_util::Collected::to_bytes) else {
                return Ok(error(
                    413,
                    "com.amazon.coral.service#RequestEntityTooLargeException",
                    "Request body too large",
                ));
            };
            // A caller that goes away does not stop what it asked for, as on AWS.
            match tokio::spawn(answer(core, parts.headers, body, peer, local)).await {
                Ok(answer) => answer,
                Err(_) => Err(Lost),
            }
        }
    });
    // An error is a closed connection, which a fault may have asked for.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    core: Arc<Core>,
    headers: HeaderMap,
    bytes: Bytes,
    peer: SocketAddr,
    local: SocketAddr,
) -> Result<Response<Full<Bytes>>, Lost> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let Some(operation) =
        target.strip_prefix("DynamoDB_20120810.").or_else(|| target.strip_prefix("DynamoDBStreams_20120810."))
    else {
        return Ok(error(400, "com.amazon.coral.service#UnknownOperationException", ""));
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let Ok(body) = serde_json::from_str::<Value>(text) else {
        return Ok(error(400, "com.amazon.coral.service#SerializationException", ""));
    };
    let Some(caller) = core.callers.identify(&headers) else {
        return Ok(error(
            400,
            "com.amazon.coral.service#UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ));
    };
    let name = caller.name();
    core.meter.call(name, operation);
    let needed = needs(operation, &body);
    if let Some(refused) = forbidden(&core, &caller, &needed) {
        return Ok(refused);
    }
    let write = WRITES.contains(&operation);
    if caller != Caller::Operator
        && let Some(refused) = disturbed(&core, name, operation, write, &body, &needed)
    {
        return Ok(refused);
    }
    let run = |core: &Core| {
        let answer = apply(core, name, operation, text, &body);
        if write {
            needed.iter().filter_map(|need| need.table.as_deref()).for_each(|table| core.streams.wake(table));
        }
        answer
    };
    let Some(deed) = core.faults.at(name, operation, write) else {
        return Ok(response(run(&core)));
    };
    tracing::debug!(function = name, operation, ?deed, "fault");
    match deed {
        Deed::KillBefore => signals::kill_peer(peer, local),
        Deed::KillAfter => {
            run(&core);
            signals::kill_peer(peer, local);
        }
        Deed::LoseAnswer => drop(run(&core)),
        Deed::Late(after) => drop(tokio::spawn(later(Arc::clone(&core), caller.clone(), headers, bytes, after))),
        Deed::Slow(longer) => {
            tokio::time::sleep(longer).await;
            return Ok(response(run(&core)));
        }
        Deed::FreezeBefore(time) => {
            signals::freeze_peer(peer, local, time).await;
            return Ok(response(run(&core)));
        }
        Deed::FreezeAfter(time) => {
            let answer = run(&core);
            signals::freeze_peer(peer, local, time).await;
            return Ok(response(answer));
        }
    }
    Err(Lost)
}

/// Applies a call long after its caller gave it up.
async fn later(core: Arc<Core>, caller: Caller, headers: HeaderMap, bytes: Bytes, after: Duration) {
    tokio::time::sleep(after).await;
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let body = serde_json::from_str(text).unwrap_or(Value::Null);
    apply(&core, caller.name(), operation, text, &body);
    needs(operation, &body).iter().filter_map(|need| need.table.as_deref()).for_each(|table| core.streams.wake(table));
}

fn forbidden(core: &Core, caller: &Caller, needed: &[access::Need]) -> Option<Response<Full<Bytes>>> {
    let Caller::Function(function) = caller else { return None };
    needed.iter().find_map(|need| {
        let verdict = core.policies.check(function, &need.action, &need.resource);
        if verdict == Verdict::Allowed {
            return None;
        }
        // The message that ends up in a log is often all that a developer sees: it is AWS's, word for word.
        let message = refusal(function, need, verdict);
        let body = json!({"__type": "com.amazon.coral.service#AccessDeniedException", "Message": message});
        Some(response((400, body.to_string())))
    })
}

/// Refuses a request because of an item that it concerns. (Batches are refused whole, where AWS would leave some items undone.)
fn disturbed(
    core: &Core,
    function: &str,
    operation: &str,
    write: bool,
    body: &Value,
    needed: &[access::Need],
) -> Option<Response<Full<Bytes>>> {
    const THROTTLED: &str = "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.";
    const CONFLICT: &str = "Transaction is ongoing for the item";
    let items = access::items(operation, body, |table| core.table(table).and_then(|table| table.keys.first().cloned()));
    let reason = |(table, item): &(String, Option<String>)| {
        if core.faults.take_throttle(function, table, item.as_deref()) {
            Some(("ThrottlingError", "ProvisionedThroughputExceededException", THROTTLED))
        } else if write && core.faults.take_conflict(function, table, item.as_deref()) {
            Some(("TransactionConflict", "TransactionConflictException", CONFLICT))
        } else {
            None
        }
    };
    let (place, (in_transaction, kind, message)) =
        items.iter().enumerate().find_map(|(place, item)| Some((place, reason(item)?)))?;
    let prefix = "com.amazonaws.dynamodb.v20120810#";
    if !operation.starts_with("Transact") {
        return Some(error(400, &format!("{prefix}{kind}"), message));
    }
    let reasons: Vec<Value> =
        (0..needed.len())
            .map(|index| {
                if index == place {
                    json!({"Code": in_transaction, "Message": message})
                } else {
                    json!({"Code": "None"})
                }
            })
            .collect();
    let codes: Vec<&str> = reasons.iter().filter_map(|reason| reason.get("Code")?.as_str()).collect();
    let message =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
    let body = json!({"__type": format!("{prefix}TransactionCanceledException"), "Message": message, "CancellationReasons": reasons});
    Some(response((400, body.to_string())))
}

fn error(status: u16, kind: &str, message: &str) -> Response<Full<Bytes>> {
    let body = if message.is_empty() { json!({ "__type": kind }) } else { json!({"__type": kind, "message": message}) };
    response((status, body.to_string()))
}

fn response((status, body): (u16, String)) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", hyper::header::HeaderValue::from_static("application/x-amz-json-1.0"));
    let id = uuid::Uuid::new_v4().simple().to_string().to_ascii_uppercase();
    if let Ok(id) = hyper::header::HeaderValue::from_str(&id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
