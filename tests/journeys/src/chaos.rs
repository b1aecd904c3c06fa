//! Calls through the door while everything goes wrong that AWS may do to a program, and the ledger of what came of them.
//!
//! The seed chooses every call, every action beside them (plans changed, keys rotated and revoked, processes killed, the clock moved over hours and a month's end) and
//! the faults of the door's store (answers lost, calls applied late, items throttled or in conflict, processes frozen and killed at a call). How threads and processes
//! interleave is the machine's. The upstream counts by the call's number; the callers remember what they were told. In the end all of it must add up with what the
//! grants say and what usage shows.

mod ledger;
mod plan;
mod upstream;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cloud::Deed;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use shared::time::Time;

use crate::{Answer, Call, Key, Organization, Platform};
pub use ledger::Ledger;
use plan::{Action, Chosen, NAMES, Random, actions, is_leased, terms};
use upstream::{ANSWERED, Calls, Fact, NUMBER, Upstream};

/// The door, as the template names it.
const DOOR: &str = "Gateway";
const DOORS_TABLE: &str = "GatewayTable";
/// No call is admitted from a lease so long after it was taken.
const LEASE_MS: i64 = 2_000;
/// How often an action is tried: each fault happens once in a while.
const ATTEMPTS_MAX: usize = 60;
/// So often the door sweeps until all months are sealed, and so long what it told may take each time.
const SWEEPS_MAX: usize = 8;
const SETTLED: Duration = Duration::from_secs(20);
/// Of the door's calls of its store.
const KILLED: f64 = 0.001;
const FROZEN: f64 = 0.002;
const LATE: f64 = 0.002;
const LOST: f64 = 0.02;
const REFUSED: f64 = 0.004;

/// What a run is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// How many calls.
    pub calls: u64,
    /// What chooses them, and all that goes wrong.
    pub seed: u64,
    /// How many callers at once.
    pub callers: usize,
}

/// One subscription.
struct Subscription {
    id: String,
    plans: [String; 2],
    plan: usize,
    keys: Vec<Held>,
}

/// A key that callers hold.
#[derive(Clone)]
struct Held {
    key: Key,
    /// When its end was answered, in milliseconds since 1970.
    ended_ms: Option<i64>,
}

impl Held {
    fn has_ended(&self) -> bool {
        self.ended_ms.is_some()
    }
}

/// A run.
struct Run<'a> {
    platform: &'a Platform,
    wish: Wish,
    provider: Organization,
    consumer: Organization,
    subscriptions: Vec<Mutex<Subscription>>,
    calls: Arc<Calls>,
    next: AtomicU64,
    /// Answers by status and problem.
    answers: Mutex<BTreeMap<String, u64>>,
    first_month: Time,
    /// Actions that had to be sent again.
    again: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the calls, and says what came of them.
pub async fn run(platform: &Platform, wish: Wish) -> Ledger {
    let calls = Arc::new(Calls::new(wish.calls));
    let upstream = Upstream::start(Arc::clone(&calls)).await.unwrap();
    let run = Run::prepare(platform, wish, Arc::clone(&calls), &upstream.url).await;
    run.misbehave();
    let began = Instant::now();
    let callers = join_all((0..wish.callers).map(|_| run.caller()));
    join(callers, run.director()).await;
    let took = began.elapsed();
    platform.faults().clear();
    // What failed at last, or waits for hours that are not whole yet, comes again soon.
    platform.faults().redelivery(Some(Duration::from_millis(200)));
    run.close_month().await;
    Ledger::of(&run, took).await
}

impl<'a> Run<'a> {
    async fn prepare(platform: &'a Platform, wish: Wish, calls: Arc<Calls>, url: &str) -> Self {
        let (provider, consumer) = (platform.found("nimbus").await, platform.found("acme").await);
        platform.describe(&provider, "weather", "public", Some(url)).await;
        let product = json!({ "slug": "weather", "name": "Weather", "visibility": "public", "apis": ["weather"] });
        platform.post(&provider.token, "/v1/products", &product).await;
        let app = platform.post(&consumer.token, "/v1/subscriptions/apps", &json!({ "name": "Trip planner" })).await;
        let mut subscriptions = Vec::new();
        for (number, name) in NAMES.iter().enumerate() {
            let plans = [(*name).to_owned(), format!("{name}-2")];
            for (slug, terms) in plans.iter().zip(terms(wish.calls, number)) {
                platform.plan(&provider, slug, &terms).await;
            }
            let wish = json!({ "app": app["id"], "product": format!("{}/weather", provider.slug), "plan": name });
            let made = platform.post(&consumer.token, "/v1/subscriptions", &wish).await;
            let id = made["id"].as_str().unwrap().to_owned();
            let keys = vec![Held { key: platform.key(&consumer, &id).await, ended_ms: None }];
            subscriptions.push(Mutex::new(Subscription { id, plans, plan: 0, keys }));
        }
        platform.settled().await;
        let first_month = Time::from_ms(platform.cloud().clock().now_ms()).month().0;
        Self {
            platform,
            wish,
            provider,
            consumer,
            subscriptions,
            calls,
            next: AtomicU64::new(0),
            answers: Mutex::default(),
            first_month,
            again: AtomicU64::new(0),
        }
    }

    /// Everything that goes wrong by chance.
    fn misbehave(&self) {
        let faults = self.platform.faults();
        let mut random = Random(self.wish.seed ^ 0x6661_756c);
        let mut seed = || random.next();
        for (deed, share) in [
            (Deed::KillBefore, KILLED),
            (Deed::KillAfter, KILLED),
            (Deed::FreezeBefore(Duration::from_millis(40)), FROZEN),
            (Deed::FreezeAfter(Duration::from_millis(40)), FROZEN),
            (Deed::Late(Duration::from_millis(60)), LATE),
            (Deed::LoseAnswer, LOST),
        ] {
            faults.by_chance(DOOR, deed, share, seed());
        }
        faults.throttle_items(DOORS_TABLE, REFUSED, seed());
        faults.conflict_items(DOORS_TABLE, REFUSED, seed());
        faults.stale_reads(DOORS_TABLE, true);
        faults.freeze_idle(DOOR, true);
        faults.duplicate_events(true);
        faults.shuffle_events(Some(seed()));
        faults.delay_events(Duration::from_millis(300));
        faults.redelivery(Some(Duration::from_millis(100)));
    }

    /// One caller: one call after the other until all are sent.
    async fn caller(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.wish.calls {
                return;
            }
            let chosen = Chosen::of(self.wish.seed, number);
            let held = self.key(chosen);
            // Under leases an end holds two seconds later, by the requests' times.
            let after_ms = if is_leased(chosen.subscription) { LEASE_MS } else { 0 };
            let now_ms = self.platform.cloud().clock().now_ms();
            if held.ended_ms.is_some_and(|ended_ms| now_ms >= ended_ms + after_ms) {
                self.calls.note(number, Fact::Barred);
            }
            let month = self.month();
            let address = format!("/call/{}/weather{}", self.provider.slug, chosen.errand.path());
            let call = Call::get(address).bearer(&held.key.secret).header(NUMBER, &number.to_string());
            let answer = self.platform.send(call).await;
            if month == self.month() {
                let fact = if month == self.first_month { Fact::FirstMonth } else { Fact::SecondMonth };
                self.calls.note(number, fact);
            }
            let label = self.label(number, &answer);
            *locked(&self.answers).entry(label).or_default() += 1;
        }
    }

    fn key(&self, chosen: Chosen) -> Held {
        let subscription = locked(&self.subscriptions[chosen.subscription]);
        let keys = &subscription.keys;
        let newest = keys.iter().rfind(|held| !held.has_ended()).or(keys.last());
        let older = chosen.older_key.and_then(|choice| {
            let count = u64::try_from(keys.len()).unwrap();
            keys.get(usize::try_from(choice % count).unwrap())
        });
        older.or(newest).unwrap().clone()
    }

    fn month(&self) -> Time {
        Time::from_ms(self.platform.cloud().clock().now_ms()).month().0
    }

    /// What a caller was told, as it is counted.
    fn label(&self, number: u64, answer: &Answer) -> String {
        let status = answer.status.as_u16();
        if !answer.header(ANSWERED).is_empty() {
            self.calls.note(number, if status >= 500 { Fact::Failed } else { Fact::Answered });
            return format!("{status} from the upstream");
        }
        let json = answer.json().unwrap_or_default();
        let problem = json["type"].as_str().and_then(|kind| kind.strip_prefix("urn:doorway:problem:"));
        if problem.is_some_and(|problem| problem.starts_with("upstream-")) {
            self.calls.note(number, Fact::Failed);
        }
        format!("{status} {}", problem.or(json["message"].as_str()).unwrap_or("without a word"))
    }

    /// Does what the plan says beside the calls, when their number is reached.
    async fn director(&self) {
        for (at, action) in actions(self.wish.seed, self.wish.calls) {
            while self.next.load(Ordering::SeqCst) < at {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let clock = self.platform.cloud().clock();
            match action {
                Action::Kill(choice) => drop(self.platform.cloud().kill_one(DOOR, choice)),
                Action::Jump(by)
                    if Time::from_ms(clock.now_ms()).plus_ms(ms(by)).month()
                        == Time::from_ms(clock.now_ms()).month() =>
                {
                    clock.advance(by);
                }
                // It would be one month's end too many.
                Action::Jump(_) => {}
                Action::NextMonth => self.jump_to_next_month(),
                Action::ChangePlan(number) => self.change_plan(number).await,
                Action::Rotate(number) => self.new_key(number, true).await,
                Action::Revoke(number) => {
                    self.new_key(number, false).await;
                    self.revoke_oldest(number).await;
                }
            }
        }
    }

    /// Some minutes into the next month, so that calls under way are not on the edge.
    fn jump_to_next_month(&self) {
        let clock = self.platform.cloud().clock();
        let now = Time::from_ms(clock.now_ms());
        let left = now.month().1.ms() - now.ms() + 600_000;
        clock.advance(Duration::from_millis(u64::try_from(left).unwrap()));
    }

    /// Sends a request of the control plane until it is answered.
    async fn insist(&self, path: String, body: &Value) -> Value {
        let name = format!("{}-{}", self.next.load(Ordering::SeqCst), self.platform.name("action"));
        let call = Call::post(path).bearer(&self.consumer.token).header("idempotency-key", &name).json(body);
        for _ in 0..ATTEMPTS_MAX {
            let answer = self.platform.send(call.clone()).await;
            match answer.status.as_u16() {
                200 | 201 => return answer.json().unwrap(),
                429 | 500..600 => {
                    self.again.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                _ => panic!("{}", answer.refused()),
            }
        }
        panic!("never answered: {call:?}");
    }

    async fn change_plan(&self, number: usize) {
        let (id, slug) = {
            let mut subscription = locked(&self.subscriptions[number]);
            subscription.plan = 1 - subscription.plan;
            (subscription.id.clone(), subscription.plans[subscription.plan].clone())
        };
        self.insist(format!("/v1/subscriptions/{id}/change-plan"), &json!({ "plan": slug })).await;
    }

    /// A new key; with `rotate` in the place of the newest, which stops with the answer.
    async fn new_key(&self, number: usize, rotate: bool) {
        let (subscription, newest) = {
            let subscription = locked(&self.subscriptions[number]);
            let newest = subscription.keys.iter().rfind(|held| !held.has_ended()).map(|held| held.key.id.clone());
            (subscription.id.clone(), newest)
        };
        let issued = match newest.as_ref().filter(|_| rotate) {
            Some(id) => self.insist(format!("/v1/keys/{id}/rotate"), &json!({ "overlap_seconds": 0 })).await,
            None => self.insist("/v1/keys".to_owned(), &json!({ "subscription": subscription, "name": "a key" })).await,
        };
        // Where the answer with the secret was lost, nobody holds the key.
        let shown = issued["secret"].is_string().then(|| Key::of(&issued));
        let now_ms = self.platform.cloud().clock().now_ms();
        let mut subscription = locked(&self.subscriptions[number]);
        if let (true, Some(id)) = (rotate, newest) {
            subscription.end(&id, now_ms);
        }
        subscription.keys.extend(shown.map(|key| Held { key, ended_ms: None }));
    }

    async fn revoke_oldest(&self, number: usize) {
        let oldest = {
            let subscription = locked(&self.subscriptions[number]);
            let mut live = subscription.keys.iter().filter(|held| !held.has_ended());
            live.next().map(|held| held.key.id.clone())
        };
        if let Some(id) = oldest {
            self.insist(format!("/v1/keys/{id}/revoke"), &json!({})).await;
            let now_ms = self.platform.cloud().clock().now_ms();
            locked(&self.subscriptions[number]).end(&id, now_ms);
        }
    }

    /// Lets everything come to rest, and the month in which the calls ended come to its end.
    async fn close_month(&self) {
        self.platform.cloud().recycle(DOOR).await;
        self.platform.settled().await;
        self.jump_to_next_month();
        self.platform.cloud().clock().advance(Duration::from_hours(2));
        for _ in 0..SWEEPS_MAX {
            self.platform.cloud().events().fire(DOOR).await.unwrap();
            if self.platform.cloud().settled(SETTLED).await && self.sealed().await {
                break;
            }
        }
        self.platform.settled().await;
    }

    /// Whether every month has its invoice, if the platform writes any.
    async fn sealed(&self) -> bool {
        for subscription in &self.subscriptions {
            let id = locked(subscription).id.clone();
            if ledger::invoiced(self, &id).await.is_some_and(|invoiced| !invoiced.whole()) {
                return false;
            }
        }
        true
    }
}

impl Subscription {
    fn end(&mut self, key: &str, now_ms: i64) {
        self.keys.iter_mut().filter(|held| held.key.id == key).for_each(|held| held.ended_ms = Some(now_ms));
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}
