//! Calls to upstreams: pooled connections, a time-out, one more try where that is safe, no redirects followed, and only
//! addresses that may be reached.
//!
//! Names are resolved here, and every address is judged right before it is connected to, so that a name which changes its
//! mind between two look-ups (DNS rebinding) gains nothing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use shared::chassis::web::{LookUp, Web, builder, by_the_system, connector};

use crate::reach::Reach;

/// The most that an answer's body may have: what fits behind Lambda's 6 MB (6,291,556 bytes of JSON) when it is sent as
/// base64, which makes 5,866,668 of it, with room for the headers.
pub const ANSWER_BYTES_MAX: usize = 4_400_000;
/// The most that the names and values of an answer's headers may have; JSON at most doubles them.
pub const ANSWER_HEAD_BYTES_MAX: usize = 65_536;
/// How many header lines an answer may have.
const ANSWER_HEADERS_MAX: usize = 500;
const CONNECT: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
#[error("no address of the upstream may be reached")]
struct NoReach;

/// A name's addresses, without those that may not be reached.
fn within(reach: Reach, look_up: LookUp) -> LookUp {
    Arc::new(move |name| {
        let (addresses, reach) = (look_up(name), reach.clone());
        Box::pin(async move {
            let mut allowed = addresses.await?;
            allowed.retain(|address| reach.allows(address.ip()));
            if allowed.is_empty() { Err(NoReach.into()) } else { Ok(allowed) }
        })
    })
}

/// Why an upstream gave no answer.
#[derive(Debug)]
pub enum Failure {
    /// Its address may not be reached.
    Forbidden,
    /// It did not answer in time.
    Timeout,
    /// It could not be reached, or the connection broke before it answered.
    Unreached(String),
    /// Its answer broke off, or is none that can be handed on.
    Failed(String),
    /// Its answer is larger than what can be handed on.
    TooLarge,
}

impl Failure {
    /// Whether it tells that the upstream is away, rather than that one answer is of no use.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self, Self::Timeout | Self::Unreached(_))
    }
}

/// A client for upstreams within one reach.
#[derive(Clone)]
pub struct Upstreams {
    client: Web,
    reach: Reach,
}

impl Upstreams {
    /// A client.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self::resolving(reach, by_the_system())
    }

    fn resolving(reach: Reach, look_up: LookUp) -> Self {
        let connector = connector(within(reach.clone(), look_up), CONNECT);
        let client = builder(Duration::from_secs(50)).http1_max_headers(ANSWER_HEADERS_MAX).build(connector);
        Self { client, reach }
    }

    /// Sends a call and reads the whole answer, all of it within a time. A call of an idempotent method that reached nobody,
    /// or was answered 502, 503 or 504 by something on the way, is sent once more if `may_try_again` says so; an answer with
    /// `Retry-After` says itself when to come again.
    pub async fn send(
        &self,
        request: http::Request<Full<Bytes>>,
        within: Duration,
        may_try_again: impl FnOnce() -> bool,
    ) -> Result<http::Response<Bytes>, Failure> {
        // An address in place of a name is never resolved: it is judged here.
        let host = request.uri().host().unwrap_or_default();
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>()
            && !self.reach.allows(address)
        {
            return Err(Failure::Forbidden);
        }
        let spare = request.method().is_idempotent().then(|| request.clone());
        let answer = tokio::time::timeout(within, async {
            let first = self.once(request).await;
            let again = match &first {
                Ok(response) => {
                    matches!(response.status().as_u16(), 502..=504) && !response.headers().contains_key(RETRY_AFTER)
                }
                Err(failure) => matches!(failure, Failure::Unreached(_)),
            };
            match spare {
                Some(spare) if again && may_try_again() => self.once(spare).await,
                _ => first,
            }
        });
        answer.await.unwrap_or(Err(Failure::Timeout))
    }

    async fn once(&self, request: http::Request<Full<Bytes>>) -> Result<http::Response<Bytes>, Failure> {
        let response = self.client.request(request).await.map_err(|error| {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = cause {
                if error.is::<NoReach>() {
                    return Failure::Forbidden;
                }
                cause = error.source();
            }
            Failure::Unreached(error.to_string())
        })?;
        let (parts, body) = response.into_parts();
        let head: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if head > ANSWER_HEAD_BYTES_MAX {
            return Err(Failure::TooLarge);
        }
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { Failure::TooLarge } else { Failure::Failed(error.to_string()) }
        })?;
        Ok(http::Response::from_parts(parts, body.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    /// Answers every connection once, and counts them.
    async fn answering(address: &str) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind(address).await.unwrap();
        let (own, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counter = count.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").await;
            }
        });
        (own, count)
    }

    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_judged_at_every_connection() {
        let (allowed, reached) = answering("127.0.0.1:0").await;
        let inside = TcpListener::bind(("127.0.0.2", allowed.port())).await.unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let asking = asked.clone();
        // First the address that may be reached, then, for the same name, one that may not.
        let look_up: LookUp = Arc::new(move |_| {
            let last = if asking.fetch_add(1, Ordering::SeqCst) == 0 { 1 } else { 2 };
            Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, last], 0))]) })
        });
        let upstreams = Upstreams::resolving(Reach::new(["127.0.0.1/32".parse().unwrap()]), look_up);
        let call = || {
            let uri = format!("http://rebind.example:{}/", allowed.port());
            upstreams.send(http::Request::get(uri).body(Full::default()).unwrap(), LONG, || true)
        };
        assert_eq!(call().await.unwrap().body(), "hi");
        assert!(matches!(call().await, Err(Failure::Forbidden)));
        assert_eq!((asked.load(Ordering::SeqCst), reached.load(Ordering::SeqCst)), (2, 1));
        // Nobody is waiting to be accepted at the second address.
        let none = tokio::time::timeout(Duration::from_millis(50), inside.accept()).await;
        assert!(none.is_err(), "the inside was reached");
    }

    #[tokio::test]
    async fn a_name_with_an_address_inside_and_one_outside_is_reached_outside_only() {
        let (allowed, reached) = answering("127.0.0.1:0").await;
        let (inside, count) = answering(&format!("127.0.0.2:{}", allowed.port())).await;
        let look_up: LookUp = Arc::new(move |_| {
            Box::pin(
                async move { Ok(vec![SocketAddr::from(([127, 0, 0, 2], 0)), SocketAddr::from(([127, 0, 0, 1], 0))]) },
            )
        });
        let upstreams = Upstreams::resolving(Reach::new(["127.0.0.1/32".parse().unwrap()]), look_up);
        let uri = format!("http://both.example:{}/", inside.port());
        let call = upstreams.send(http::Request::get(uri).body(Full::default()).unwrap(), LONG, || true);
        assert_eq!(call.await.unwrap().status(), 200);
        assert_eq!((reached.load(Ordering::SeqCst), count.load(Ordering::SeqCst)), (1, 0));
    }
}
