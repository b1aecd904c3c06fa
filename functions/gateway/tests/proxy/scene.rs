//! A door with one API, one subscription and one key, and an upstream that does as it is told.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use gateway::credentials::Keys;
use gateway::{App, Settings};
use house::{Answer, House, Who, party};
use serde_json::{Value, json};
use shared::chassis::Function as _;
use shared::event::Envelope;
use shared::id::{ApiId, SubscriptionId, VersionId};
use shared::time::Time;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What an upstream does with one request.
pub(crate) enum Deed {
    /// Answers these bytes.
    Answer(Vec<u8>),
    /// Closes the connection without a word.
    Drop,
}

/// An upstream that writes down what reaches it.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    deeds: Arc<Mutex<VecDeque<Deed>>>,
    got: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = Self { address, deeds: Arc::default(), got: Arc::default() };
        let own = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                own.serve(stream).await;
            }
        });
        upstream
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 65_536];
        let head = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            match stream.read(&mut buffer).await {
                Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
                _ => return,
            }
        };
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        let length = text
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(name, value)| name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?)
            .unwrap_or(0);
        while bytes.len() < head + length {
            match stream.read(&mut buffer).await {
                Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
                _ => return,
            }
        }
        self.got.lock().unwrap().push(text);
        let deed = self.deeds.lock().unwrap().pop_front();
        match deed.unwrap_or_else(|| answer("200 OK", "content-type: text/plain", b"hi")) {
            Deed::Answer(bytes) => {
                let _ = stream.write_all(&bytes).await;
            }
            Deed::Drop => {}
        }
    }

    /// What it does next; after that it answers 200.
    pub(crate) fn will(&self, deeds: impl IntoIterator<Item = Deed>) {
        self.deeds.lock().unwrap().extend(deeds);
    }

    /// What it was to do and was not asked for.
    pub(crate) fn forget(&self) {
        self.deeds.lock().unwrap().clear();
    }

    /// The heads of the requests since it was last asked.
    pub(crate) fn got(&self) -> Vec<String> {
        std::mem::take(&mut *self.got.lock().unwrap())
    }
}

/// An answer, after which the connection is closed.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Deed {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n\r\n", body.len());
    Deed::Answer([head.as_bytes(), body].concat())
}

/// The scene.
pub(crate) struct Scene {
    pub(crate) house: House<App>,
    pub(crate) upstream: Upstream,
    pub(crate) key: String,
    subscription: SubscriptionId,
    api: ApiId,
    version: VersionId,
    revision: u64,
    /// Whose pages may call the API, once it is told again.
    pub(crate) origins: Vec<&'static str>,
}

pub(crate) fn settings() -> Settings {
    Settings {
        secret: house::door_secret(),
        keys: Keys::new("upstream").unwrap(),
        private_ranges: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
        local_ranges: vec!["127.0.0.1/32".parse().unwrap()],
        timeout: Duration::from_secs(18),
        metrics: None,
    }
}

impl Scene {
    /// `nimbus` offers the API `weather`, whose upstream is here; `acme` has a key for it.
    pub(crate) async fn new() -> Self {
        let house = House::new(|environment| App::new(environment.table, settings())).await;
        let upstream = Upstream::start().await;
        let (subscription, api, version) = (SubscriptionId::new(), ApiId::new(), VersionId::new());
        let mut scene =
            Self { house, upstream, key: String::new(), subscription, api, version, revision: 0, origins: Vec::new() };
        let routes: Vec<Value> = ["GET", "POST", "PUT", "DELETE"]
            .iter()
            .enumerate()
            .map(|(n, method)| json!({"n": n, "method": method, "path": "/things/{thing}", "operation": format!("op{n}")}))
            .collect();
        let id = format!("{version}.0");
        let own = json!({
            "id": id, "revision": 1, "api": api, "organization": party("nimbus").id, "api_number": 1,
            "version": version, "version_number": 1, "part": 0, "parts": 1, "routes": routes
        });
        scene.tell("catalog.routes", &own).await;
        scene.forward_to(&format!("http://{}", scene.upstream.address), "public").await;
        let since = "2026-01-01T00:00:00Z";
        let terms = json!({
            "plan": "plan_01h455vb4pex5vsknk084sn02q", "plan_slug": "basic", "plan_version": 1,
            "apis": [{"id": api, "slug": "weather"}],
            "currency": "USD", "monthly_price": "0", "included_calls": 0, "price_per_call": "0", "approval": "automatic",
            "quota": {"calls": 1000, "period": "month"}
        });
        let own = json!({
            "id": subscription, "revision": 1, "state": "active", "organization": party("acme"), "provider": party("nimbus"),
            "app": "app_01h455vb4pex5vsknk084sn02a", "app_name": "App", "product": "product_01h455vb4pex5vsknk084sn02p",
            "product_slug": "weather", "terms": terms, "terms_revision": 1, "terms_since": since, "created_at": since,
            "activated_at": since, "cancelled_at": null
        });
        scene.tell("subscriptions.subscription", &own).await;
        scene.key = shared::secret_key::mint(&house::door_secret());
        let key = scene.key.clone();
        scene.tell_key(&key, 1).await;
        scene
    }

    async fn tell(&self, kind: &str, state: &Value) {
        let (id, revision) = (state["id"].as_str().unwrap().to_owned(), state["revision"].as_u64().unwrap());
        let envelope = Envelope { kind: kind.into(), id, revision, data: state.to_string() };
        self.house.app.event(envelope, Time::from_ms(self.house.now_ms)).await.unwrap();
    }

    /// The API gets another upstream. A sandbox looks an API up every 10 s.
    pub(crate) async fn forward_to(&mut self, url: &str, visibility: &str) {
        self.revision += 1;
        let own = json!({
            "id": self.api, "revision": self.revision, "organization": party("nimbus"), "slug": "weather", "number": 1,
            "name": "Weather", "visibility": visibility, "upstream_url": url,
            "cors_origins": self.origins,
            "current": {"id": self.version, "version": "1.0.0", "number": 1, "parts": 1}
        });
        self.tell("catalog.api", &own).await;
    }

    /// The door learns of a key.
    pub(crate) async fn tell_key(&self, secret: &str, number: u32) {
        let own = json!({
            "id": "key_01h455vb4pex5vsknk084sn02k", "revision": 1, "subscription": self.subscription, "number": number,
            "name": "a key", "prefix": "dw_", "secret_sha256": shared::seal::sha256_hex(secret.as_bytes()),
            "expires_at": null, "revoked_at": null
        });
        self.tell("keys.key", &own).await;
    }

    /// A call through the door.
    pub(crate) async fn call(&self, line: &str) -> Answer {
        self.call_with(line, &[], None).await
    }

    /// The same with more headers and a body.
    pub(crate) async fn call_with(&self, line: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let mut all = vec![("x-api-key", self.key.as_str())];
        all.extend(headers);
        let line = format!("{method} /call/nimbus/weather{path}");
        self.house.call(Who::Anyone, &line, &all, body.unwrap_or_default()).await
    }

    /// Units that the grant ever admitted, and gave back.
    pub(crate) async fn counted(&self) -> (u64, u64) {
        let item = self.item(&self.subscription.to_string(), "G").await.unwrap();
        let number = |name: &str| item[name].as_n().unwrap().parse().unwrap();
        (number("la"), number("lf"))
    }

    /// An item of the table.
    pub(crate) async fn item(&self, pk: &str, sk: &str) -> Option<HashMap<String, AttributeValue>> {
        let text = |text: &str| AttributeValue::S(text.into());
        let request = self.house.table.client.get_item().table_name(&self.house.table.name);
        request.key("pk", text(pk)).key("sk", text(sk)).send().await.unwrap().item
    }
}
