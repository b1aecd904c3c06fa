//! The door: every call enters here, and one conditional write authenticates, limits and meters it.
//!
//! A call is `/call/{organization}/{api}/{path…}` with a key. [`door`] takes it through six steps: authenticate (a keyed hash
//! in the key, then a row that never changes), match (compiled [`routes`] of a version that never changes), admit (ONE
//! conditional write on the grant, [`grant`] and [`admission`]), forward ([`upstream`]), settle (a failed call is given back,
//! once) and answer. Refused calls write nothing to the grant; they are counted aside ([`refused`]), and so is how long calls take
//! ([`timings`]). Where a plan's terms ask for it, one write admits a block of calls ([`lease`]).
//!
//! What must hold from the next call on is told to the door before it is answered: `POST /v1/gateway/events`, and the same
//! [`events`] come again from the bus. What a [`sandbox`] keeps between calls is only ever a guess: the write's condition
//! judges it.
//!
//! A schedule comes every five minutes: it closes the buckets of grants that nobody calls, and seals the months that are over
//! ([`seal`]), one after the other, into the event `gateway.seal` that invoices are made from.

pub mod admission;
mod aside;
pub mod control;
mod cors;
pub mod credentials;
pub mod door;
pub mod events;
mod forward;
pub mod grant;
mod headers;
mod health;
mod held;
pub mod lease;
mod limits;
mod metrics;
pub mod plan;
pub mod reach;
pub mod refused;
pub mod routes;
pub mod sandbox;
pub mod seal;
pub mod settlement;
pub mod store;
pub mod timings;
pub mod upstream;
mod writers;

use std::time::{Duration, Instant};

use shared::chassis::environment::{Missing, door_secret, variable};
use shared::chassis::table::Table;
use shared::chassis::{Context, EventError, Function, Request, Response};
use shared::event::Envelope;
use shared::problem::{Kind, Problem};
use shared::seal::Secret;
use shared::time::Time;

use crate::admission::settle_leases;
use crate::credentials::Keys;
use crate::health::Health;
use crate::reach::{Range, Reach};
use crate::refused::Refused;
use crate::sandbox::Sandbox;
use crate::store::{Store, Swept};
use crate::timings::Timings;
use crate::upstream::Upstreams;

/// How often the sweep comes, in milliseconds, and how long one may take.
const SWEEP_MS: i64 = 300_000;
const SWEEP: Duration = Duration::from_secs(20);
const SWEEP_PAGE: u16 = 200;
/// Grants that one call republishes, each with a seal for every month.
const REPUBLISH_PAGE: u16 = 25;

/// What a schedule or an operator sends.
#[derive(serde::Deserialize)]
#[serde(tag = "schedule", rename_all = "snake_case", deny_unknown_fields)]
enum Scheduled {
    Sweep {
        /// When it was due; now when left out.
        time: Option<Time>,
    },
    Republish {
        /// Which shard of the list of grants.
        shard: u32,
        /// Where the answer before said to go on.
        after: Option<String>,
    },
}

/// What the operator sets.
#[derive(Clone)]
pub struct Settings {
    /// Shared with the functions that tell the door.
    pub secret: Secret,
    /// Upstream credentials are sealed under these.
    pub keys: Keys,
    /// Ranges of private addresses that the upstreams of private APIs may have.
    pub private_ranges: Vec<Range>,
    /// Ranges of private addresses that any upstream may have: for a development machine.
    pub local_ranges: Vec<Range>,
    /// How long an upstream may take.
    pub timeout: Duration,
    /// The namespace of the calls' metrics; none are told without it.
    pub metrics: Option<String>,
}

impl Settings {
    /// Reads them from the environment.
    pub fn read() -> Result<Self, Missing> {
        let ranges = |name: &'static str| -> Result<Vec<Range>, Missing> {
            let text = variable(name).unwrap_or_default();
            text.split(',')
                .map(str::trim)
                .filter(|range| !range.is_empty())
                .map(|range| range.parse().map_err(|_| Missing(name)))
                .collect()
        };
        let timeout_ms = variable("UPSTREAM_TIMEOUT_MS")
            .and_then(|text| text.parse().map_err(|_| Missing("UPSTREAM_TIMEOUT_MS")))?;
        Ok(Self {
            secret: door_secret()?,
            keys: variable("UPSTREAM_SECRET").and_then(|text| Keys::new(&text).ok_or(Missing("UPSTREAM_SECRET")))?,
            private_ranges: ranges("PRIVATE_UPSTREAMS")?,
            local_ranges: ranges("LOCAL_UPSTREAMS")?,
            timeout: Duration::from_millis(timeout_ms),
            metrics: variable("METRICS_NAMESPACE").ok(),
        })
    }
}

/// The function.
pub struct App {
    settings: Settings,
    store: Store,
    sandbox: Sandbox,
    refused: Refused,
    timings: Timings,
    upstreams: Upstreams,
    private: Upstreams,
    health: Health,
    control: axum::Router,
}

impl App {
    /// On its table.
    #[must_use]
    pub fn new(table: Table, settings: Settings) -> Self {
        let store = Store::new(table);
        let any = Reach::new(settings.local_ranges.iter().copied());
        let private = Reach::new(settings.local_ranges.iter().chain(&settings.private_ranges).copied());
        Self {
            upstreams: Upstreams::new(any),
            private: Upstreams::new(private),
            health: Health::default(),
            control: control::router(store.clone(), settings.secret.clone(), settings.keys.clone()),
            sandbox: Sandbox::default(),
            refused: Refused::default(),
            timings: Timings::default(),
            store,
            settings,
        }
    }

    /// Settles all leases, and writes what is left of the batches of refused calls and timings. There is half a second for it.
    pub async fn close(&self) {
        let writer = &self.sandbox.writer;
        let (refused, timings, ()) = tokio::join!(
            self.refused.write(&self.store, writer),
            self.timings.write(&self.store, writer),
            settle_leases(&self.sandbox, &self.store, None, usize::MAX)
        );
        for (lost, result) in [("refused calls", refused), ("timings", timings)] {
            if let Err(error) = result {
                tracing::error!(%error, lost, "counts lost");
            }
        }
    }

    /// Closes the buckets of idle grants, so that what was counted becomes final, and seals the months that are over. Each run
    /// begins with another shard and ends in time, so that all come round however many there are. A grant that cannot be swept
    /// keeps no other one waiting, and makes the run fail in the end: a month that is never sealed is never billed.
    async fn sweep(&self, now: Time) -> Result<Swept, Problem> {
        let started = Instant::now();
        let first = u32::try_from(now.ms() / SWEEP_MS % i64::from(Store::shards())).unwrap_or(0);
        let (mut all, mut failed) = (Swept::default(), 0);
        for n in 0..Store::shards() {
            let shard = (first + n) % Store::shards();
            let mut after = None;
            loop {
                let (grants, position) = self.store.grants(shard, after.as_deref(), SWEEP_PAGE).await?;
                for grant in grants {
                    if started.elapsed() > SWEEP {
                        return swept(all, failed);
                    }
                    match self.store.sweep(&grant, now).await {
                        Ok(swept) => {
                            all.turned += swept.turned;
                            all.sealed += swept.sealed;
                        }
                        Err(error) => {
                            tracing::error!(%error, grant, "not swept");
                            failed += 1;
                        }
                    }
                }
                after = position;
                if after.is_none() {
                    break;
                }
            }
        }
        swept(all, failed)
    }

    /// Says again what a page of grants has said: their images in the stream, their seals in the outbox.
    async fn republish(&self, shard: u32, after: Option<&str>, now: Time) -> Result<serde_json::Value, Problem> {
        let (grants, position) = self.store.grants(shard, after, REPUBLISH_PAGE).await?;
        let (count, mut seals) = (grants.len(), 0);
        for grant in grants {
            seals += self.store.republish(&grant, now).await?;
        }
        Ok(serde_json::json!({ "grants": count, "seals": seals, "after": position }))
    }
}

fn swept(swept: Swept, failed: u64) -> Result<Swept, Problem> {
    if failed == 0 { Ok(swept) } else { Err(Problem::unavailable(format!("{failed} grants were not swept"))) }
}

impl Function for App {
    async fn http(&self, request: Request) -> Response {
        if request.uri().path().starts_with("/call/") {
            let Some(context) = request.extensions().get::<Context>().cloned() else {
                return Problem::internal("a request without its context").response(None);
            };
            return door::call(self, &context, request).await;
        }
        shared::chassis::extract::serve(&self.control, request).await
    }

    async fn event(&self, envelope: Envelope, sent_at: Time) -> Result<(), EventError> {
        events::take(&self.store, &envelope, sent_at).await
    }

    async fn direct(&self, payload: serde_json::Value, context: &Context) -> Result<serde_json::Value, Problem> {
        match serde_json::from_value(payload) {
            Ok(Scheduled::Sweep { time }) => {
                settle_leases(&self.sandbox, &self.store, Some(context.now), usize::MAX).await;
                let Swept { turned, sealed } = self.sweep(time.unwrap_or(context.now)).await?;
                Ok(serde_json::json!({ "turned": turned, "sealed": sealed }))
            }
            Ok(Scheduled::Republish { shard, after }) => self.republish(shard, after.as_deref(), context.now).await,
            Err(error) => {
                let detail =
                    "The door takes `{\"schedule\": \"sweep\"}` and `{\"schedule\": \"republish\", \"shard\": 0}`";
                Err(Problem::new(Kind::ValidationFailed, format!("{detail}: {error}.")))
            }
        }
    }
}
