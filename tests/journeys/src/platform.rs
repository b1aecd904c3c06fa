//! The whole system on this machine, for one test or for many.

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use cloud::{Cloud, Faults};
use dev::{
    client::{Answer, Call, Client},
    workspace,
};
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Organization;

/// How long events may be on their way.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is unlike the usual.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most processes of one function.
    pub instances_max: usize,
    /// How long the door waits for an upstream, in milliseconds.
    pub upstream_timeout_ms: u32,
    /// Another template than the repository's.
    pub template: Option<PathBuf>,
    /// Another folder of binaries than the one for development.
    pub binaries: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { instances_max: 8, upstream_timeout_ms: 4_000, template: None, binaries: None }
    }
}

/// A running system.
pub struct Platform {
    cloud: Cloud,
    client: Client,
    folder: TempDir,
    names: AtomicU64,
}

impl Platform {
    /// Starts everything on a new data folder.
    pub async fn start(settings: Settings) -> Self {
        let binaries = settings.binaries.unwrap_or_else(|| workspace::binaries().unwrap());
        let folder = tempfile::Builder::new().prefix("doorway-journey-").tempdir().unwrap();
        let cloud = Cloud::start(cloud::Options {
            template: settings.template.unwrap_or_else(|| workspace::root().join("template.yaml")),
            binaries,
            data: folder.path().to_path_buf(),
            parameters: BTreeMap::from([
                // The upstreams live on this machine. Another of its addresses is for private APIs alone.
                ("LocalUpstreams".to_owned(), "127.0.0.1/32".to_owned()),
                ("PrivateUpstreams".to_owned(), "127.0.0.2/32".to_owned()),
                ("UpstreamTimeoutMs".to_owned(), settings.upstream_timeout_ms.to_string()),
                // Nothing is slowed down that all tests do at once.
                ("PublicRequestsPerSecond".to_owned(), "10000".to_owned()),
            ]),
            instances_max: settings.instances_max,
            // As on AWS: what is in order within an item is in no order beyond it.
            shards: 2,
            ..cloud::Options::default()
        })
        .await
        .unwrap_or_else(|error| panic!("the platform does not start: {error}"));
        let client = Client::new(cloud.url());
        Self { cloud, client, folder, names: AtomicU64::new(0) }
    }

    /// Ends everything in order.
    pub async fn stop(self) {
        self.cloud.stop().await;
    }

    /// The cloud that it runs on.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// What can be made to go wrong.
    pub fn faults(&self) -> &Faults {
        self.cloud.faults()
    }

    /// A name that nobody else has on this platform.
    pub fn name(&self, stem: &str) -> String {
        format!("{stem}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends a request; whatever is answered is the answer.
    pub async fn send(&self, call: Call) -> Answer {
        self.client.send(call).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sends many requests at once.
    pub async fn send_all(&self, calls: impl IntoIterator<Item = Call>) -> Vec<Answer> {
        join_all(calls.into_iter().map(|call| self.send(call))).await
    }

    /// Sends a request that must be answered so; the body as JSON, `null` where there is none.
    #[track_caller]
    pub fn expect(&self, call: Call, status: u16) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        async move {
            let answer = self.send(call).await;
            assert_eq!(answer.status.as_u16(), status, "{} ({place})", answer.refused());
            if answer.body.is_empty() { Value::Null } else { answer.json().unwrap() }
        }
    }

    /// Reads something that is there.
    #[track_caller]
    pub fn get(&self, token: &str, path: impl Into<String>) -> impl Future<Output = Value> {
        self.expect(Call::get(path).bearer(token), 200)
    }

    /// Makes something (201) or does something (200).
    #[track_caller]
    pub fn post(&self, token: &str, path: impl Into<String>, body: &Value) -> impl Future<Output = Value> {
        let call = Call::post(path).bearer(token);
        let call = if body.is_null() { call } else { call.json(body) };
        let place = std::panic::Location::caller();
        async move {
            let answer = self.send(call).await;
            assert!(matches!(answer.status, StatusCode::OK | StatusCode::CREATED), "{} ({place})", answer.refused());
            answer.json().unwrap()
        }
    }

    /// Founds an organization as the platform's operator does.
    pub async fn found(&self, stem: &str) -> Organization {
        let slug = self.name(stem);
        let request = json!({
            "operator": "create_organization", "slug": slug, "name": format!("The {stem}"), "owner": { "name": "Ada", "email": format!("ada@{slug}.example") },
        });
        let made = self.cloud.invoke("Accounts", request).await.unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        Organization { id: text(&made["organization"]["id"]), slug, token: text(&made["token"]["secret"]) }
    }

    /// Waits until every event has been taken.
    pub async fn settled(&self) {
        assert!(
            self.cloud.settled(PATIENCE).await,
            "events are on their way, and none got further for {} s",
            PATIENCE.as_secs()
        );
        let dead = self.cloud.dead_letters();
        assert!(dead.is_empty(), "given up on: {dead:#?}");
    }

    /// How many lines a function has logged that have all of these in them.
    pub fn logged(&self, function: &str, texts: &[&str]) -> u64 {
        let file = fs::File::open(self.folder.path().join("logs").join(format!("{function}.log")));
        let lines = file.map(io::BufReader::new).into_iter().flat_map(io::BufRead::lines).map_while(Result::ok);
        u64::try_from(lines.filter(|line| texts.iter().all(|text| line.contains(text))).count()).unwrap()
    }

    /// Everything that the functions wrote into their logs.
    pub fn logs(&self) -> String {
        let entries = fs::read_dir(self.folder.path().join("logs")).into_iter().flatten().flatten();
        entries.map(|entry| fs::read_to_string(entry.path()).unwrap_or_default()).collect()
    }

    /// What the functions said of their own failures, for whoever reads a failed test.
    pub fn complaints(&self) -> String {
        let mut lines = Vec::new();
        for entry in fs::read_dir(self.folder.path().join("logs")).into_iter().flatten().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let worth = |line: &&str| {
                line.contains("\"ERROR\"")
                    || line.contains("\"WARN\"")
                    || line.contains("\"internal\"")
                    || line.contains("\"unavailable\"")
                    || !line.starts_with('{')
            };
            let found: Vec<&str> = text.lines().filter(worth).collect();
            lines.extend(
                found.iter().rev().take(8).rev().map(|line| format!("{}: {line}", entry.file_name().to_string_lossy())),
            );
        }
        if lines.is_empty() { "the functions complained of nothing".to_owned() } else { lines.join("\n") }
    }
}
