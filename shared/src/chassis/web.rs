//! The HTTP client of a function, for its table, for other functions and for upstreams: HTTP/1.1 over pooled connections, TLS by ring, the roots of the web built in.
//!
//! One kind of client for all, so that a binary holds it once: the SDK's own would bring HTTP/2 and read the system's certificates at every start.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector as SdkConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::retries::ErrorKind;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::TokioExecutor;
use tower_service::Service;

/// What goes wrong below HTTP.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Found = Pin<Box<dyn Future<Output = Result<Vec<SocketAddr>, BoxError>> + Send>>;
/// Finds a name's addresses.
pub type LookUp = Arc<dyn Fn(Name) -> Found + Send + Sync>;
/// A client with its pool of connections. Clones share the pool.
pub type Web = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// Finds the addresses of names by whatever it was made of.
#[derive(Clone)]
pub struct Resolver(LookUp);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = (self.0)(name);
        Box::pin(async move { Ok(found.await?.into_iter()) })
    }
}

/// By the system's resolver.
#[must_use]
pub fn by_the_system() -> LookUp {
    Arc::new(|name| Box::pin(async move { Ok(GaiResolver::new().call(name).await?.collect()) }))
}

/// A client that connects within a time, and lets go of connections that were idle for another.
#[must_use]
pub fn web(look_up: LookUp, connect: Duration, idle: Duration) -> Web {
    builder(idle).build(connector(look_up, connect))
}

/// What a client is made of, for one that needs more settings.
#[must_use]
pub fn builder(idle: Duration) -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(idle);
    builder
}

/// See [`web`].
#[must_use]
pub fn connector(look_up: LookUp, connect: Duration) -> HttpsConnector<HttpConnector<Resolver>> {
    let mut http = HttpConnector::new_with_resolver(Resolver(look_up));
    http.enforce_http(false);
    http.set_connect_timeout(Some(connect));
    http.set_nodelay(true);
    hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(http)
}

/// How long the SDK may take to connect.
const SDK_CONNECT: Duration = Duration::from_secs(2);
const SDK_IDLE: Duration = Duration::from_secs(90);

/// The client as the SDK takes it.
#[derive(Clone, Debug)]
pub struct ForSdk {
    web: Web,
    connector: SharedHttpConnector,
}

/// For the SDK's one client.
impl Default for ForSdk {
    fn default() -> Self {
        let web = web(by_the_system(), SDK_CONNECT, SDK_IDLE);
        Self { connector: SharedHttpConnector::new(Sending(web.clone())), web }
    }
}

impl ForSdk {
    /// Opens a connection to a base address, so that the first request finds it open: what a service answers to a question without meaning is of no interest. An
    /// address that cannot be reached is the first request's to report.
    pub async fn connect(&self, base: &str, within: Duration) {
        let Ok(request) = http::Request::get(base).body(Full::default()) else { return };
        let answered = async {
            if let Ok(response) = self.web.request(request).await {
                // The connection goes back into the pool when the answer was read.
                let _ = response.into_body().collect().await;
            }
        };
        let _ = tokio::time::timeout(within, answered).await;
    }
}

impl HttpClient for ForSdk {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.connector.clone()
    }
}

#[derive(Clone, Debug)]
struct Sending(Web);

impl SdkConnector for Sending {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let web = self.0.clone();
        HttpConnectorFuture::new(async move { send(&web, request).await })
    }
}

async fn send(web: &Web, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    // DynamoDB's requests are whole in memory.
    let body =
        body.bytes().map(Bytes::copy_from_slice).ok_or_else(|| ConnectorError::user("a body that flows".into()))?;
    let response = web.request(http::Request::from_parts(parts, Full::new(body))).await.map_err(broken)?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| broken_off(error.into()))?.to_bytes();
    HttpResponse::try_from(http::Response::from_parts(parts, SdkBody::from(body)))
        .map_err(|error| ConnectorError::other(error.into(), None))
}

fn broken(error: hyper_util::client::legacy::Error) -> ConnectorError {
    if error.is_connect() { ConnectorError::io(error.into()) } else { broken_off(error.into()) }
}

/// A connection that breaks off is worth another try, if the caller tries again at all.
fn broken_off(error: BoxError) -> ConnectorError {
    ConnectorError::other(error, Some(ErrorKind::TransientError))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_was_connected_beforehand_serves_the_first_request() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counter, answered) = (connections.clone(), requests.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let answered = answered.clone();
                tokio::spawn(async move {
                    while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {
                        answered.fetch_add(1, Ordering::SeqCst);
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
                    }
                });
            }
        });
        let sdk = ForSdk::default();
        sdk.connect(&base, Duration::from_secs(10)).await;
        let mut request = HttpRequest::get(&base).unwrap();
        *request.body_mut() = SdkBody::from("x");
        let answer = send(&sdk.web, request).await.unwrap();
        assert_eq!(answer.body().bytes(), Some(b"hi".as_slice()));
        assert_eq!((connections.load(Ordering::SeqCst), requests.load(Ordering::SeqCst)), (1, 2));
    }

    #[tokio::test]
    async fn an_address_where_nobody_listens_is_an_error_of_the_connection_and_no_fault_at_the_start() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let sdk = ForSdk::default();
        sdk.connect(&base, Duration::from_secs(10)).await;
        let mut request = HttpRequest::get(&base).unwrap();
        *request.body_mut() = SdkBody::from("x");
        assert!(send(&sdk.web, request).await.is_err_and(|error| error.is_io()));
    }
}
