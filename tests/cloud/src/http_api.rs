//! API Gateway's HTTP API, on this machine only.

mod answer;
mod authorizer;
mod payload;
mod routes;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming as Body;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::Clock;
use crate::lambda::{InvokeError, Lambda};
use crate::template::{Template, TemplateError};
use answer::{from_function, refusal};
use authorizer::{Authorizer, Verdict};
use payload::Incoming;
use routes::Routes;

/// Most bytes of a body.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most bytes of the request line and the header values together.
const HEAD_BYTES_MAX: usize = 10_240;

/// The API of a template, without its server.
pub(crate) struct HttpApi {
    routes: Routes,
    authorizers: BTreeMap<String, Authorizer>,
    lambda: Lambda,
    clock: Clock,
}

impl HttpApi {
    /// The API and its routes. A template without one has no routes: everything is 404.
    pub(crate) fn read(template: &Template, lambda: &Lambda, clock: &Clock) -> Result<HttpApi, TemplateError> {
        let mut apis = template.of_kind("AWS::Serverless::HttpApi");
        let api = apis.next();
        if let Some(second) = apis.next() {
            return Err(TemplateError::new(&second.logical_id, "the local cloud plays one HTTP API"));
        }
        let mut authorizers = BTreeMap::new();
        let mut default = None;
        if let Some(api) = api {
            let at = |what: &str| format!("{}.Properties.{what}", api.logical_id);
            if api.properties.get("StageName").is_some_and(|stage| stage != "$default") {
                return Err(TemplateError::new(at("StageName"), "the local cloud plays the stage $default"));
            }
            for (name, properties) in
                api.properties.pointer("/Auth/Authorizers").and_then(Value::as_object).into_iter().flatten()
            {
                let path = at(&format!("Auth.Authorizers.{name}"));
                let authorizer = Authorizer::read(&path, properties)?;
                if !lambda.knows(authorizer.function()) {
                    return Err(TemplateError::new(format!("{path}.FunctionArn"), "names no function"));
                }
                authorizers.insert(name.clone(), authorizer);
            }
            default = api.properties.pointer("/Auth/DefaultAuthorizer").and_then(Value::as_str);
            if let Some(unknown) = default.filter(|name| !authorizers.contains_key(*name)) {
                return Err(TemplateError::new(
                    at("Auth.DefaultAuthorizer"),
                    format!("no authorizer is called {unknown}"),
                ));
            }
        }
        let name = api.map_or("ServerlessHttpApi", |api| api.logical_id.as_str());
        Ok(HttpApi {
            routes: Routes::read(template, name, default)?,
            authorizers,
            lambda: lambda.clone(),
            clock: clock.clone(),
        })
    }

    /// Serves until the handle is aborted; connections end with it.
    pub(crate) fn serve(self, listener: TcpListener) -> JoinHandle<()> {
        let api = Arc::new(self);
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, peer)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let Ok(local) = stream.local_addr() else {
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let api = Arc::clone(&api);
                connections.spawn(async move {
                    let service = hyper::service::service_fn(|request| {
                        let api = Arc::clone(&api);
                        async move { Ok::<_, Infallible>(api.answer(request, peer, local).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        })
    }

    async fn answer(&self, request: Request<Body>, peer: SocketAddr, local: SocketAddr) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let line = parts.method.as_str().len()
            + parts.uri.path_and_query().map_or(1, |p| p.as_str().len())
            + " HTTP/1.1 ".len();
        let head = line + parts.headers.values().map(HeaderValue::len).sum::<usize>();
        if head > HEAD_BYTES_MAX {
            return refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large");
        }
        let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => return too_large(),
            Err(_) => return refusal(StatusCode::BAD_REQUEST, "Bad Request"),
        };
        let incoming = Incoming::new(&parts, body.len(), peer, local, self.clock.now());
        let mut response = self.route(&incoming, &body).await;
        if let Ok(id) = HeaderValue::from_str(&incoming.request_id) {
            response.headers_mut().insert("apigw-requestid", id);
        }
        response
    }

    async fn route(&self, incoming: &Incoming, body: &Bytes) -> Response<Full<Bytes>> {
        let Some((route, parameters)) = self.routes.find(&incoming.method, &incoming.path) else {
            return refusal(StatusCode::NOT_FOUND, "Not Found");
        };
        let context = match route.authorizer.as_ref().map(|name| self.authorizers.get(name)) {
            None => None,
            Some(None) => return internal(),
            Some(Some(authorizer)) => match authorizer.ask(&self.lambda, incoming, &route.key, &parameters).await {
                Verdict::Allowed(context) => Some(context),
                Verdict::Unauthorized => return refusal(StatusCode::UNAUTHORIZED, "Unauthorized"),
                Verdict::Forbidden => return refusal(StatusCode::FORBIDDEN, "Forbidden"),
                Verdict::Failed(why) => {
                    tracing::warn!(route = route.key, why, "the authorizer failed");
                    return internal();
                }
            },
        };
        let event = Bytes::from(incoming.event(&route.key, &parameters, context, body).to_string());
        let invoked = self.lambda.invoke_traced(&route.function, event, Some(incoming.trace.clone()));
        let outcome = tokio::time::timeout(route.timeout, invoked).await;
        let error = match outcome.unwrap_or(Err(InvokeError::TimedOut)) {
            Ok(answer) => {
                return from_function(&answer).unwrap_or_else(|| {
                    tracing::warn!(route = route.key, "the function's answer is not an HTTP answer");
                    internal()
                });
            }
            Err(error) => error,
        };
        tracing::warn!(route = route.key, %error, "the function failed");
        match error {
            InvokeError::TooLarge(_) => too_large(),
            InvokeError::Function { .. } | InvokeError::NotJson(_) => internal(),
            InvokeError::Unknown(_) | InvokeError::Crashed(_) | InvokeError::TimedOut | InvokeError::Throttled => {
                refusal(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
        }
    }
}

fn too_large() -> Response<Full<Bytes>> {
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
}

fn internal() -> Response<Full<Bytes>> {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}
