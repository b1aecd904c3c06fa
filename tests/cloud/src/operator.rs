//! Lambda's Invoke API, for whoever operates the system: `aws lambda invoke --endpoint-url …` works against it.
//! On an address of its own, so that nothing that the HTTP API serves is shadowed, and on this machine only: no
//! signature is checked, because whoever reaches it is the operator.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::lambda::{InvokeError, Lambda, REQUEST_BYTES_MAX};

/// Serves until the handle is aborted.
pub(crate) fn serve(listener: TcpListener, lambda: Lambda) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            while connections.try_join_next().is_some() {}
            let lambda = lambda.clone();
            connections.spawn(async move {
                let service = hyper::service::service_fn(|request| {
                    let lambda = lambda.clone();
                    async move { Ok::<_, Infallible>(answer(&lambda, request).await) }
                });
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}

async fn answer(lambda: &Lambda, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let name = path.strip_prefix("/2015-03-31/functions/").and_then(|rest| rest.strip_suffix("/invocations"));
    let (&Method::POST, Some(name)) = (request.method(), name) else {
        return error(StatusCode::NOT_FOUND, "UnknownOperationException", &format!("no {path} here"));
    };
    let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
    let asynchronous = match request.headers().get("x-amz-invocation-type").map(http::HeaderValue::as_bytes) {
        None | Some(b"RequestResponse") => false,
        Some(b"Event") => true,
        Some(_) => {
            return error(
                StatusCode::BAD_REQUEST,
                "InvalidParameterValueException",
                "the local cloud plays RequestResponse and Event",
            );
        }
    };
    let Ok(payload) =
        Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect().await.map(http_body_util::Collected::to_bytes)
    else {
        return error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
        );
    };
    let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
    if let Err(why) = serde_json::from_slice::<Value>(&payload) {
        return error(
            StatusCode::BAD_REQUEST,
            "InvalidRequestContentException",
            &format!("Could not parse request body into json: {why}"),
        );
    }
    if asynchronous && lambda.knows(&name) {
        let lambda = lambda.clone();
        tokio::spawn(async move { lambda.invoke(&name, payload).await });
        return reply(StatusCode::ACCEPTED, Bytes::new());
    }
    match lambda.invoke(&name, payload).await {
        Ok(answer) => reply(StatusCode::OK, answer),
        Err(InvokeError::Unknown(_)) => {
            error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &format!("Function not found: {name}"))
        }
        Err(InvokeError::Throttled) => {
            error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.")
        }
        Err(InvokeError::TooLarge(_)) => error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
        ),
        Err(InvokeError::Function { error_type, message }) => {
            unhandled(&json!({"errorType": error_type, "errorMessage": message}))
        }
        Err(InvokeError::Crashed(words)) => {
            unhandled(&json!({"errorType": "Runtime.ExitError", "errorMessage": words}))
        }
        Err(other @ (InvokeError::TimedOut | InvokeError::NotJson(_))) => {
            unhandled(&json!({"errorType": "Sandbox.Timedout", "errorMessage": other.to_string()}))
        }
    }
}

/// A function's own failure is a success of the Invoke API, told apart by a header.
fn unhandled(body: &Value) -> Response<Full<Bytes>> {
    let mut response = reply(StatusCode::OK, Bytes::from(body.to_string()));
    response.headers_mut().insert("x-amz-function-error", http::HeaderValue::from_static("Unhandled"));
    response
}

fn error(status: StatusCode, kind: &'static str, message: &str) -> Response<Full<Bytes>> {
    let mut response = reply(status, Bytes::from(json!({"Type": "User", "Message": message}).to_string()));
    response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(kind));
    response
}

fn reply(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}
