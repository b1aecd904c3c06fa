//! How many sandboxes one leased grant carries. Many serve it at once, each as many calls a second as Lambda's one call at a time
//! lets it; what they write is counted, in write units: the grant remembers its writers, so that it grows with them. An item takes
//! 1,000 write units a second, and the grant carries as many sandboxes as take that together.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use gateway::sandbox::Sandbox;
use gateway::store::Store;
use serde_json::{Value, json};
use shared::id::SubscriptionId;
use shared::time::Time;

use crate::play::{Done, call, subscription};
use crate::script::{Asked, Limits};
use crate::table::Base;
use crate::truth::Told;

/// Calls of a sandbox, one after the other: an upstream that takes 50 ms, 20 a second.
const CALL_MS: i64 = 50;
/// The sandboxes begin in so many groups, and those of a group write at the same moment.
const GROUPS: usize = 10;
/// By then every sandbox has its largest block.
const WARM_MS: i64 = 6_000;
const MEASURED_MS: i64 = 10_000;
/// What DynamoDB takes of one item (of one partition, which it can be alone on): see "Partitions and data distribution" in its manual.
const ITEM_UNITS_A_SECOND: f64 = 1_000.0;

/// What was asked of the table.
#[derive(Clone, Copy, Debug, Default)]
struct Asks {
    calls: f64,
    writes: f64,
    units: f64,
    refused: f64,
    reads: f64,
    /// Calls that the rate limiter refused.
    too_fast: f64,
}

impl Asks {
    fn since(self, before: Self) -> Self {
        Self {
            calls: self.calls - before.calls,
            writes: self.writes - before.writes,
            units: self.units - before.units,
            refused: self.refused - before.refused,
            reads: self.reads - before.reads,
            too_fast: self.too_fast - before.too_fast,
        }
    }
}

struct Fleet<'a> {
    base: &'a Base,
    id: String,
    sandboxes: Vec<Arc<Sandbox>>,
    asks: Asks,
    /// Units of the last write.
    last: f64,
}

impl<'a> Fleet<'a> {
    async fn new(base: &'a Base, sandboxes: usize, limits: Limits, at: Time) -> Self {
        let id = SubscriptionId::new();
        let mut fleet = Self {
            base,
            id: id.to_string(),
            sandboxes: (0..sandboxes).map(|_| Arc::default()).collect(),
            asks: Asks::default(),
            last: 1.0,
        };
        let (store, envelope) = (fleet.store(0), subscription(id, 1, true, 1, limits, at));
        let told = async move {
            gateway::events::take(&store, &envelope, at).await.unwrap();
            Done::Over
        };
        fleet.finish(BTreeMap::from([(0, Box::pin(told) as Work)])).await;
        base.prepare(&fleet.id, std::iter::once((1, 9_999_999_999)));
        fleet.asks = Asks::default();
        fleet
    }

    fn store(&self, actor: usize) -> Store {
        Store::new(self.base.tables[actor].clone())
    }

    /// Everybody's calls from one time to another.
    async fn serve(&mut self, from_ms: i64, to_ms: i64) -> Asks {
        let before = self.asks;
        let step = CALL_MS / i64::try_from(GROUPS).unwrap();
        for at in (from_ms..to_ms).step_by(usize::try_from(step).unwrap()) {
            let group = usize::try_from((at - from_ms) / step).unwrap() % GROUPS;
            let asked = Asked { key: 1, operation: 0, fails: false, late_ms: 0 };
            let work = (group..self.sandboxes.len()).step_by(GROUPS).map(|actor| {
                let (gate, store) = (self.base.gate.clone(), self.store(actor));
                let sandbox = Arc::clone(&self.sandboxes[actor]);
                let call = call(gate, actor, sandbox, store, self.id.clone(), asked, Time::from_ms(at));
                (actor, Box::pin(call) as Work)
            });
            let work: BTreeMap<usize, Work> = work.collect();
            self.asks.calls += f64::from(u32::try_from(work.len()).unwrap());
            self.finish(work).await;
        }
        self.asks.since(before)
    }

    /// All go on at once: each asks, then all are answered, until all are done.
    async fn finish(&mut self, mut work: BTreeMap<usize, Work>) {
        let mut context = Context::from_waker(Waker::noop());
        while !work.is_empty() {
            let mut late = 0.0;
            work.retain(|_, work| match work.as_mut().poll(&mut context) {
                Poll::Pending => true,
                Poll::Ready(Done::Over) => false,
                Poll::Ready(Done::Told(Told::No("rate"))) => {
                    late += 1.0;
                    false
                }
                Poll::Ready(other) => panic!("{other:?}"),
            });
            self.asks.too_fast += late;
            let waiting = std::mem::take(&mut *self.base.gate.waiting());
            if waiting.is_empty() && !work.is_empty() {
                // A pause before it tries again: that is real time, of milliseconds.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            for request in waiting.into_values() {
                if request.operation == crate::table::UPSTREAM {
                    request.answer(Ok((200, String::new())));
                    continue;
                }
                let mut body: Value = serde_json::from_str(&request.body).unwrap();
                body["ReturnConsumedCapacity"] = json!("TOTAL");
                let answer = self.base.answer(&request.operation, &body.to_string());
                let said: Value = serde_json::from_str(&answer.1).unwrap();
                match (request.operation.as_str(), answer.0) {
                    ("UpdateItem", 200) => {
                        self.asks.writes += 1.0;
                        self.last = said["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap();
                        self.asks.units += self.last;
                    }
                    // What is refused costs what it would have cost.
                    ("UpdateItem", _) => {
                        self.asks.refused += 1.0;
                        self.asks.units += self.last;
                    }
                    _ => self.asks.reads += 1.0,
                }
                request.answer(Ok(answer));
            }
        }
    }
}

type Work = Pin<Box<dyn Future<Output = Done>>>;

fn measure(sandboxes: usize, limits: Limits) -> Asks {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let base = Base::new(sandboxes);
    let at = "2026-11-15T10:30:00Z".parse::<Time>().unwrap();
    runtime.block_on(async {
        let mut fleet = Fleet::new(&base, sandboxes, limits, at).await;
        fleet.serve(at.ms(), at.ms() + WARM_MS).await;
        fleet.serve(at.ms() + WARM_MS, at.ms() + WARM_MS + MEASURED_MS).await
    })
}

/// `SANDBOXES` says how many; the table in `tests/bench/README.md` is made with more than are played by default.
#[test]
fn a_sandbox_writes_a_leased_grant_every_two_seconds_however_many_there_are() {
    let sandboxes: u32 = std::env::var("SANDBOXES").ok().and_then(|many| many.parse().ok()).unwrap_or(20);
    let leased = Limits { quota: None, rate: None, weights: [1, 1, 1], leased: true };
    let cases = [
        ("no limit", leased),
        ("a hard quota far away", Limits { quota: Some((100_000_000, true, true)), ..leased }),
        ("a rate of twice the calls", Limits { rate: Some((sandboxes * 40, 1, sandboxes * 40)), ..leased }),
    ];
    for (name, limits) in cases {
        let asks = measure(usize::try_from(sandboxes).unwrap(), limits);
        let seconds = f64::from(u32::try_from(MEASURED_MS / 1_000).unwrap());
        let (each, a_call) = (asks.writes / seconds / f64::from(sandboxes), asks.writes / asks.calls);
        let units = asks.units / seconds;
        println!(
            "{name}, {sandboxes} sandboxes: {each:.2} writes a second and sandbox, {a_call:.3} a call, {:.1} units each, {units:.0} units a second; {asks:?}",
            asks.units / (asks.writes + asks.refused)
        );
        assert!(each <= 0.6, "{name}: {each}");
        assert!(a_call <= 0.05, "{name}: {a_call}");
        assert!(units <= ITEM_UNITS_A_SECOND, "{name}: {units}");
        // The grant turns its page every ten seconds at most, and whoever has not seen it writes again.
        assert!(asks.refused <= f64::from(sandboxes), "{name}: {asks:?}");
        assert!(asks.reads == 0.0 && asks.too_fast == 0.0, "{name}: {asks:?}");
    }
}
