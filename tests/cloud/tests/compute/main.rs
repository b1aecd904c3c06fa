//! The compute side: the HTTP API, the authorizer, and real processes behind the Runtime API.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "the helpers of tests are tests too")]

mod gateway;
mod processes;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use cloud::{Cloud, Options};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tempfile::TempDir;

fn options(data: &Path) -> Options {
    Options {
        template: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compute.yaml")),
        binaries: Path::new(env!("CARGO_BIN_EXE_echo")).parent().unwrap().to_owned(),
        data: data.to_owned(),
        instances_max: 4,
        ..Options::default()
    }
}

async fn start() -> (Cloud, TempDir) {
    let data = tempfile::tempdir().unwrap();
    (Cloud::start(options(data.path())).await.unwrap(), data)
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn send(request: Request<Bytes>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response = client.request(request.map(Full::new)).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

async fn get(cloud: &Cloud, path: &str) -> Answer {
    send(Request::get(format!("{}{path}", cloud.url())).body(Bytes::new()).unwrap()).await
}

async fn futures<T>(list: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = list.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in pending.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
