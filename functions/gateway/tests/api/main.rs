//! The real store on a real table: what is counted, given back and sealed, whoever dies in between.

// Clippy knows a test by its attribute, and helpers have none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
// The futures of the SDK nest deeper than the compiler looks by default.
#![recursion_limit = "256"]

mod at_once;
mod counting;
mod leasing;
mod sealing;
mod wire;

use std::time::Duration;

use gateway::admission::{Admitted, Wish, admit, give_back};
use gateway::grant::{Call, Counted, Grant};
use gateway::sandbox::{Sandbox, Seen};
use gateway::store::Store;
use gateway::{App, Settings};
use house::{House, door_secret, party};
use serde_json::{Value, json};
use shared::event::{Envelope, KeyState, SealState, State, SubscriptionState};
use shared::meter::Counter;
use shared::time::Time;

const SUBSCRIPTION: &str = "sub_01h455vb4pex5vsknk084sn02q";
const API: &str = "api_01h455vb4pex5vsknk084sn02q";

/// A gateway with its table, and one sandbox of its door.
struct Gate {
    house: House<App>,
    store: Store,
    sandbox: Sandbox,
}

/// A call that was admitted.
struct Passed {
    call: Call,
    counted: Counted,
    seen: Seen,
}

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn wish(operation: &str) -> Wish<'_> {
    Wish { api: API.parse().unwrap(), operation }
}

fn call_of(now: Time) -> Call {
    Call::new(now, Counter { key: 1, api: 1, version: 1, operation: 7 })
}

/// … that writes under a name that is the sandbox's.
fn writing(sandbox: &Sandbox, now: Time) -> Call {
    Call { writer: sandbox.writer.clone(), sequence: sandbox.next_sequence(), ..call_of(now) }
}

/// Sets members of a JSON object.
fn with(mut base: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

fn terms(members: &Value) -> Value {
    let base = json!({
        "plan": "plan_01h455vb4pex5vsknk084sn02q", "plan_slug": "basic", "plan_version": 1, "apis": [{"id": API, "slug": "weather"}],
        "currency": "USD", "monthly_price": "10", "included_calls": 5, "price_per_call": "0.01", "approval": "automatic"
    });
    with(base, members)
}

/// A subscription that is active since 2026-10-10.
fn subscription(members: &Value) -> SubscriptionState {
    let base = json!({
        "id": SUBSCRIPTION, "revision": 1, "state": "active", "organization": party("beta"), "provider": party("acme"),
        "app": "app_01h455vb4pex5vsknk084sn02q", "app_name": "App", "product": "product_01h455vb4pex5vsknk084sn02q",
        "product_slug": "weather", "terms": terms(&json!({})), "terms_revision": 1, "terms_since": "2026-10-10T08:00:00Z",
        "created_at": "2026-10-10T08:00:00Z", "activated_at": "2026-10-10T08:00:00Z", "cancelled_at": null
    });
    serde_json::from_value(with(base, members)).unwrap()
}

impl Gate {
    async fn new() -> Self {
        let settings = Settings {
            secret: door_secret(),
            private_ranges: Vec::new(),
            local_ranges: Vec::new(),
            timeout: Duration::from_secs(1),
            keys: gateway::credentials::Keys::new("upstream").unwrap(),
            metrics: None,
        };
        let house = House::new(|environment| App::new(environment.table, settings)).await;
        Self { store: Store::new(house.table.clone()), sandbox: Sandbox::default(), house }
    }

    /// With a subscription and its first key, both told when the subscription was made.
    async fn with(subscription: &SubscriptionState) -> Self {
        let gate = Self::new().await;
        gate.told(subscription, subscription.created_at).await;
        let key = json!({
            "id": "key_01h455vb4pex5vsknk084sn02q", "revision": 1, "subscription": SUBSCRIPTION, "number": 1, "name": "Key",
            "prefix": "dw_0000000", "secret_sha256": "00", "expires_at": null, "revoked_at": null
        });
        gate.told(&serde_json::from_value::<KeyState>(key).unwrap(), subscription.created_at).await;
        gate
    }

    /// Tells a state through the queue.
    async fn told<S: State>(&self, state: &S, at: Time) {
        let body = json!({ "detail": Envelope::of(state).unwrap() }).to_string();
        let attributes = json!({ "SentTimestamp": at.ms().to_string() });
        let record = json!({"eventSource": "aws:sqs", "messageId": "1", "body": body, "attributes": attributes});
        assert_eq!(self.house.send(&json!({ "Records": [record] })).await, json!({ "batchItemFailures": [] }));
    }

    async fn grant(&self) -> Grant {
        self.store.grant(SUBSCRIPTION).await.unwrap().unwrap()
    }

    async fn seen(&self, now: Time) -> Seen {
        self.sandbox.grant(&self.store, SUBSCRIPTION, now).await.unwrap().unwrap()
    }

    /// Asks to be admitted, with what this sandbox remembers.
    async fn ask(&self, now: Time, operation: &str) -> (Call, Admitted) {
        let (seen, mut call) = (self.seen(now).await, call_of(now));
        let admitted = admit(&self.sandbox, &self.store, SUBSCRIPTION, seen, &mut call, wish(operation)).await;
        (call, admitted.unwrap())
    }

    /// A call that is admitted.
    async fn call(&self, now: &str) -> Passed {
        self.call_for(at(now), "light").await
    }

    async fn call_for(&self, now: Time, operation: &str) -> Passed {
        match self.ask(now, operation).await {
            (call, Admitted::Yes { seen, counted }) => Passed { call, counted, seen: *seen },
            (_, other) => panic!("{other:?}"),
        }
    }

    /// Gives a call back.
    async fn back(&self, passed: &Passed) -> bool {
        let Passed { call, counted, seen } = passed;
        give_back(&self.sandbox, &self.store, SUBSCRIPTION, seen, call, counted).await.is_ok()
    }

    /// The schedule's call: how many buckets were turned and months sealed.
    async fn sweep(&self, now: &str) -> (u64, u64) {
        let answer = self.house.send(&json!({"schedule": "sweep", "time": now})).await;
        (answer["turned"].as_u64().unwrap(), answer["sealed"].as_u64().unwrap())
    }

    /// Every seal that was told, by its month.
    async fn seals(&self) -> Vec<SealState> {
        let events = self.house.outbox(SUBSCRIPTION).await;
        let mut seals: Vec<SealState> = events.iter().map(|event| event.state().unwrap().unwrap()).collect();
        seals.sort_by_key(|seal| seal.from);
        seals
    }

    /// No unit is in two places or in none.
    async fn balanced(&self) -> Grant {
        let grant = self.grant().await;
        let sum = |map: &std::collections::HashMap<String, u64>| map.values().sum::<u64>();
        assert_eq!(grant.la, grant.sa + sum(&grant.se) + sum(&grant.p), "{grant:?}");
        assert_eq!(grant.lf, grant.sf + sum(&grant.sq) + sum(&grant.q), "{grant:?}");
        grant
    }
}

/// What a seal says: month, units before, and by revision of the terms those admitted and given back.
type Told<'a> = (&'a str, [u64; 2], Vec<[u64; 3]>);

fn told(seals: &[SealState]) -> Vec<Told<'_>> {
    let terms = |seal: &SealState| seal.terms.iter().map(|of| [of.revision, of.admitted, of.refunded]).collect();
    seals
        .iter()
        .map(|seal| (&seal.id[SUBSCRIPTION.len()..], [seal.admitted_before, seal.refunded_before], terms(seal)))
        .collect()
}
