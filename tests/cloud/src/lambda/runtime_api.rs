//! The Lambda Runtime API (2018-06-01) and as much of the Extensions API (2020-01-01) as an internal extension without
//! events needs, on an address of its own for every process.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::pool::Pool;
use super::{InvokeError, RESPONSE_BYTES_MAX};
use crate::template::ACCOUNT;

type Reply = Result<Response<Full<Bytes>>, Infallible>;

pub(super) async fn serve(listener: TcpListener, pool: Arc<Pool>, id: u64) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let pool = Arc::clone(&pool);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| answer(&pool, id, request));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(pool: &Arc<Pool>, id: u64, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    Ok(match (request.method(), segments.as_slice()) {
        (&Method::GET, ["2018-06-01", "runtime", "invocation", "next"]) => next(pool, id).await,
        (&Method::POST, ["2018-06-01", "runtime", "invocation", request_id, "response"]) => {
            response(pool, id, request_id, request).await
        }
        (&Method::POST, ["2018-06-01", "runtime", "invocation", request_id, "error"]) => {
            let (error_type, message) = error_of(request).await;
            accepted(pool.finish(id, request_id, Err(InvokeError::Function { error_type, message })))
        }
        (&Method::POST, ["2018-06-01", "runtime", "init", "error"]) => {
            let (error_type, message) = error_of(request).await;
            pool.init_failed(id, format!("{error_type}: {message}"));
            accepted(true)
        }
        (&Method::POST, ["2020-01-01", "extension", "register"]) => register(pool, id, request).await,
        // No extension here subscribes to an event, so none ever comes.
        (&Method::GET, ["2020-01-01", "extension", "event", "next"]) => pending().await,
        (&Method::POST, ["2020-01-01", "extension", "init" | "exit", "error"]) => accepted(true),
        _ => reply(StatusCode::NOT_FOUND, &json!({"errorType": "NotFound", "errorMessage": format!("no {path} here")})),
    })
}

async fn next(pool: &Arc<Pool>, id: u64) -> Response<Full<Bytes>> {
    let Ok(invocation) = pool.poll(id).await else {
        return reply(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({"errorType": "ServiceException", "errorMessage": "this sandbox is gone"}),
        );
    };
    let built = Response::builder()
        .header("content-type", "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", invocation.request_id)
        .header("Lambda-Runtime-Deadline-Ms", invocation.deadline_ms.to_string())
        .header("Lambda-Runtime-Invoked-Function-Arn", pool.function.arn())
        .header("Lambda-Runtime-Trace-Id", invocation.trace)
        .body(Full::new(invocation.payload));
    built.unwrap_or_else(|e| {
        reply(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({"errorType": "ServiceException", "errorMessage": e.to_string()}),
        )
    })
}

async fn response(pool: &Arc<Pool>, id: u64, request_id: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match Limited::new(request.into_body(), RESPONSE_BYTES_MAX).collect().await {
        Ok(body) => accepted(pool.finish(id, request_id, Ok(body.to_bytes()))),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let message =
                format!("Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).");
            let error = InvokeError::Function {
                error_type: "Function.ResponseSizeTooLarge".to_owned(),
                message: message.clone(),
            };
            pool.finish(id, request_id, Err(error));
            reply(
                StatusCode::PAYLOAD_TOO_LARGE,
                &json!({"errorType": "RequestEntityTooLarge", "errorMessage": message}),
            )
        }
        Err(error) => {
            reply(StatusCode::BAD_REQUEST, &json!({"errorType": "InvalidRequest", "errorMessage": error.to_string()}))
        }
    }
}

async fn register(pool: &Arc<Pool>, id: u64, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let wanted: Value = serde_json::from_slice(&body).unwrap_or_default();
    if wanted.get("events").and_then(Value::as_array).is_some_and(|events| !events.is_empty()) {
        let message = "the local cloud plays extensions without events only";
        return reply(StatusCode::FORBIDDEN, &json!({"errorType": "Extension.NotPlayed", "errorMessage": message}));
    }
    pool.register_extension(id);
    let function = &pool.function;
    let mut answer = reply(
        StatusCode::OK,
        &json!({"functionName": function.name, "functionVersion": function.version(), "handler": function.handler(), "accountId": ACCOUNT}),
    );
    if let Ok(value) = uuid::Uuid::new_v4().to_string().parse() {
        answer.headers_mut().insert("lambda-extension-identifier", value);
    }
    answer
}

async fn error_of(request: Request<Incoming>) -> (String, String) {
    let kind = request
        .headers()
        .get("lambda-runtime-function-error-type")
        .and_then(|v| v.to_str().ok())
        .unwrap_or("Unhandled")
        .to_owned();
    let body = Limited::new(request.into_body(), RESPONSE_BYTES_MAX)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let error: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    (
        text("errorType").unwrap_or(kind),
        text("errorMessage").unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned()),
    )
}

fn accepted(known: bool) -> Response<Full<Bytes>> {
    if known {
        reply(StatusCode::ACCEPTED, &json!({"status": "OK"}))
    } else {
        reply(StatusCode::BAD_REQUEST, &json!({"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"}))
    }
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}
