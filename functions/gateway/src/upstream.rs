//! Calls to upstreams: pooled connections, a time-out, no redirects followed, and only addresses that may be reached.
//!
//! Names are resolved here, and every address is judged right before it is connected to, so that a name which changes its
//! mind between two look-ups (DNS rebinding) gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioExecutor;
use tower_service::Service;

/// What fits behind Lambda's 6 MB when it is sent as base64.
const ANSWER_BYTES_MAX: usize = 4_400_000;
const CONNECT: Duration = Duration::from_secs(3);

/// A range of addresses, such as `10.0.0.0/8`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    address: IpAddr,
    bits: u32,
}

impl std::str::FromStr for Range {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) = text.split_once('/').ok_or("expected address/bits")?;
        let address: IpAddr = address.parse().map_err(|_| "expected an address")?;
        let bits = bits.parse().map_err(|_| "expected a number of bits")?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if bits > most { Err("too many bits") } else { Ok(Self { address, bits }) }
    }
}

impl Range {
    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                self.bits == 0 || (own.to_bits() ^ other.to_bits()) >> (32 - self.bits) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                self.bits == 0 || (own.to_bits() ^ other.to_bits()) >> (128 - self.bits) == 0
            }
            _ => false,
        }
    }
}

/// Whether an address is one of the public internet (IANA's special-purpose registries; the standard library's `is_global`
/// is not stable).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 192 && b == 168)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // What carries an IPv4 address is judged by it: mapped, translated (RFC 6052) and 6to4.
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let [first, second, third, fourth, _, _, seventh, eighth] = address.segments();
    let low = |high: u16, low: u16| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    if (first, second, third, fourth) == (0x64, 0xff9b, 0, 0) {
        return is_public_v4(low(seventh, eighth));
    }
    if first == 0x2002 {
        return is_public_v4(low(second, third));
    }
    // Global unicast is 2000::/3; within it, 2001::/23 is for protocols (Teredo, ORCHID) and 2001:db8::/32 for documents.
    (first & 0xe000) == 0x2000
        && !(first == 0x2001 && (second < 0x200 || second == 0xdb8))
        && !(first == 0x3fff && second < 0x1000)
}

/// Which addresses may be reached.
#[derive(Clone, Debug, Default)]
pub struct Reach(Arc<[Range]>);

impl Reach {
    /// The public internet, and these ranges.
    #[must_use]
    pub fn new(ranges: impl IntoIterator<Item = Range>) -> Self {
        Self(ranges.into_iter().collect())
    }

    fn allows(&self, address: IpAddr) -> bool {
        let address = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        is_public(address) || self.0.iter().any(|range| range.holds(address))
    }
}

/// A name's addresses, without those that may not be reached.
#[derive(Clone)]
struct Resolver {
    resolver: GaiResolver,
    reach: Reach,
}

#[derive(Debug, thiserror::Error)]
#[error("no address of the upstream may be reached")]
struct NoReach;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.resolver.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let addresses = self.resolver.call(name);
        let reach = self.reach.clone();
        Box::pin(async move {
            let allowed: Vec<_> = addresses.await?.filter(|address| reach.allows(address.ip())).collect();
            if allowed.is_empty() { Err(NoReach.into()) } else { Ok(allowed.into_iter()) }
        })
    }
}

/// Why an upstream gave no answer.
#[derive(Debug)]
pub enum Failure {
    /// Its address may not be reached.
    Forbidden,
    /// It did not answer in time.
    Timeout,
    /// It could not be reached, or broke off.
    Failed(String),
    /// Its answer is larger than what can be handed on.
    TooLarge,
}

/// A client for upstreams within one reach.
#[derive(Clone)]
pub struct Upstreams {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    reach: Reach,
    timeout: Duration,
}

impl Upstreams {
    /// A client.
    #[must_use]
    pub fn new(reach: Reach, timeout: Duration) -> Self {
        let mut http =
            HttpConnector::new_with_resolver(Resolver { resolver: GaiResolver::new(), reach: reach.clone() });
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        http.set_nodelay(true);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(50)).build(connector);
        Self { client, reach, timeout }
    }

    /// Sends a call and reads the whole answer.
    pub async fn send(&self, request: http::Request<Full<Bytes>>) -> Result<http::Response<Bytes>, Failure> {
        // An address in place of a name is never resolved: it is judged here.
        let host = request.uri().host().unwrap_or_default();
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>()
            && !self.reach.allows(address)
        {
            return Err(Failure::Forbidden);
        }
        let answer = tokio::time::timeout(self.timeout, async {
            let response = self.client.request(request).await.map_err(|error| {
                let mut cause: Option<&dyn std::error::Error> = Some(&error);
                while let Some(error) = cause {
                    if error.is::<NoReach>() {
                        return Failure::Forbidden;
                    }
                    cause = error.source();
                }
                Failure::Failed(error.to_string())
            })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() { Failure::TooLarge } else { Failure::Failed(error.to_string()) }
            })?;
            Ok(http::Response::from_parts(parts, body.to_bytes()))
        });
        answer.await.unwrap_or(Err(Failure::Timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_not_reached_unless_a_range_says_so() {
        let open = Reach::default();
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!open.allows(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(open.allows(address.parse().unwrap()), "{address}");
        }
        let local = Reach::new(["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for address in ["127.0.0.1", "127.255.0.1", "::ffff:127.0.0.1", "fd12::1"] {
            assert!(local.allows(address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "128.0.0.1", "::1", "fc00::1"] {
            assert_eq!(local.allows(address.parse().unwrap()), address == "128.0.0.1", "{address}");
        }
        for bad in ["", "127.0.0.1", "127.0.0.0/33", "x/8", "::/129"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }
}
