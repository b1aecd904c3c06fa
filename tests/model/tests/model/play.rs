//! A case: sandboxes, whoever tells the door, and the sweep, each of them a future that goes on only when the script says so,
//! from one request to the table to the next.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use gateway::admission::{Admitted, Wish, admit, give_back, settle_leases};
use gateway::grant::{Call, Refusal};
use gateway::sandbox::Sandbox;
use gateway::store::Store;
use proptest::prop_assert;
use serde_json::json;
use shared::event::Envelope;
use shared::id::SubscriptionId;
use shared::meter::Counter;
use shared::time::Time;

use crate::script::{Asked, Change, Clock, Fault, Limits, Script, Step};
use crate::table::{Answer, Base, Gate, Lost, UPSTREAM, Waiting};
use crate::truth::{By, Event, Held, Told, Truth};

/// The API that every call is for.
pub(crate) const API: &str = "api_01h455vb4pex5vsknk084sn02q";
/// Calls in progress at most, in all sandboxes.
const CALLS: usize = 16;
const TELLERS: usize = 2;
const SWEEPER: usize = CALLS + TELLERS;
/// How many actors there are at most.
pub(crate) const ACTORS: usize = SWEEPER + 1;
/// The keys that callers have.
const KEYS: std::ops::Range<u32> = 1..4;
/// Keys that were revoked long ago, so many that the item fills its page.
const CROWD: std::ops::Range<u32> = 100_000..100_050;
/// The end of a key without an end, in seconds since 1970.
const FOREVER: i64 = 9_999_999_999;
/// Who asks for nothing for so many milliseconds waits for another call of its sandbox, where there are several.
const QUIET_MS: usize = 3;
/// More than anybody needs who meets no fault.
const REQUESTS_MAX: usize = 400;

/// What an actor's work ends with.
#[derive(Debug)]
pub(crate) enum Done {
    Told(Told),
    /// A call that had been admitted is over.
    Over,
    Event(bool),
}

type Work = Pin<Box<dyn Future<Output = Done>>>;

struct Teller {
    envelope: Envelope,
    event: Event,
    /// When it was first told.
    at: Time,
    /// Whether it was answered.
    answered: bool,
}

struct Play<'a> {
    base: &'a Base,
    id: SubscriptionId,
    sandboxes: Vec<Arc<Sandbox>>,
    /// How many actors each of them has.
    at_once: usize,
    /// Which sandbox it is that stands in each place: those that end are followed by others.
    generations: Vec<usize>,
    work: BTreeMap<usize, (By, Work)>,
    /// On their way, and nobody waits for them.
    late: Vec<(By, Waiting)>,
    events: Vec<Teller>,
    clock_ms: i64,
    truth: Truth,
}

/// Plays a script, and says whether every promise held.
pub(crate) async fn play(base: &Base, script: &Script) -> Held {
    base.gate.waiting().clear();
    let mut play = Play {
        base,
        id: SubscriptionId::new(),
        sandboxes: (0..script.sandboxes).map(|_| Arc::default()).collect(),
        at_once: script.at_once,
        generations: (0..script.sandboxes).collect(),
        work: BTreeMap::new(),
        late: Vec::new(),
        events: Vec::new(),
        clock_ms: script.begin.parse::<Time>().unwrap().ms(),
        truth: Truth::default(),
    };
    play.truth.clock_ms = play.clock_ms;
    play.tell(Change::Terms(script.terms), true).await?;
    let keys = KEYS.map(|key| (key, FOREVER)).chain(CROWD.filter(|_| script.crowded).map(|key| (key, 0)));
    let image = play.base.prepare(&play.id.to_string(), keys);
    KEYS.for_each(|number| play.truth.made(Event::Key { number, not_after: FOREVER }));
    play.truth.prepared(&image);
    for step in &script.steps {
        play.step(*step).await?;
    }
    play.end().await?;
    let id = play.id.to_string();
    play.truth.end(&base.rows(&id, "SEAL#"), &base.rows(&id, "OUT#"))?;
    crate::meter::reads(&play.truth, script.order)
}

impl Play<'_> {
    async fn step(&mut self, step: Step) -> Held {
        match step {
            Step::Call { sandbox, asked, whole } => match one(&self.idle(), sandbox) {
                Some(actor) => self.call(actor, asked, whole).await,
                None => Ok(()),
            },
            Step::Burst { sandbox, asked, calls } => {
                let Some(actor) = one(&self.idle(), sandbox) else { return Ok(()) };
                for _ in 0..calls {
                    // Another call of the sandbox may keep this one waiting.
                    if !self.work.contains_key(&actor) {
                        self.call(actor, asked, true).await?;
                    }
                }
                Ok(())
            }
            Step::Settle { sandbox, ends, whole } => match one(&self.idle(), sandbox) {
                Some(actor) => self.settle(actor, ends, whole).await,
                None => Ok(()),
            },
            Step::Go(who) => match one(&self.busy(), who) {
                Some(actor) => self.go(actor).await,
                None => Ok(()),
            },
            Step::Apply(who) => match one(&self.asking(), who) {
                Some(actor) => self.apply(actor),
                None => Ok(()),
            },
            Step::Fault(who, fault) => match one(&self.asking(), who) {
                Some(actor) => self.fault(actor, fault).await,
                None => Ok(()),
            },
            Step::Kill(who) => {
                let calling: Vec<usize> = self.work.keys().copied().filter(|actor| *actor < CALLS).collect();
                one(&calling, who).map_or(Ok(()), |actor| self.kill(actor / self.at_once))
            }
            Step::Arrive(which) => {
                if self.late.is_empty() {
                    return Ok(());
                }
                let (by, request) = self.late.remove(usize::from(which) % self.late.len());
                self.write(by, &request).map(drop)
            }
            Step::Clock(clock) => {
                let now = Time::from_ms(self.clock_ms);
                self.clock_ms = match clock {
                    Clock::Ms(ms) => self.clock_ms + i64::from(ms),
                    Clock::Page => self.clock_ms + 11_000,
                    Clock::Hour => Time::of_hour(now.hour() + 1).ms() + 700,
                    Clock::Day => now.day().1.ms() + 300,
                    Clock::Month => now.month().1.ms() + 500,
                };
                self.truth.clock_ms = self.clock_ms;
                Ok(())
            }
            Step::Tell { change, whole } => self.tell(change, whole).await,
            Step::Again { event, whole } => self.deliver(usize::from(event) % self.events.len(), whole).await,
            Step::Sweep { whole } => {
                self.truth.disturbed = true;
                self.sweep(whole).await
            }
        }
    }

    /// Everybody comes to an end, whatever was late arrives, what was not answered is told again, and the last month is sealed.
    async fn end(&mut self) -> Held {
        for _ in 0..REQUESTS_MAX {
            for actor in self.busy() {
                self.finish(actor).await?;
            }
        }
        prop_assert!(self.work.is_empty(), "calls of one sandbox wait for each other");
        for sandbox in 0..self.sandboxes.len() {
            self.settle(sandbox * self.at_once, true, true).await?;
        }
        for (by, request) in std::mem::take(&mut self.late) {
            self.write(by, &request)?;
        }
        for event in 0..self.events.len() {
            if !self.events[event].answered {
                self.deliver(event, true).await?;
            }
        }
        self.step(Step::Clock(Clock::Month)).await?;
        self.step(Step::Clock(Clock::Hour)).await?;
        self.sweep(true).await
    }

    fn idle(&self) -> Vec<usize> {
        (0..self.sandboxes.len() * self.at_once).filter(|actor| !self.work.contains_key(actor)).collect()
    }

    fn busy(&self) -> Vec<usize> {
        self.work.keys().copied().collect()
    }

    /// Who waits for the table.
    fn asking(&self) -> Vec<usize> {
        let waiting = self.base.gate.waiting();
        waiting.iter().filter(|(_, request)| request.operation != UPSTREAM).map(|(actor, _)| *actor).collect()
    }

    async fn begin(&mut self, actor: usize, by: By, work: impl Future<Output = Done> + 'static, whole: bool) -> Held {
        self.work.insert(actor, (by, Box::pin(work)));
        self.run(actor).await?;
        if whole { self.finish(actor).await } else { Ok(()) }
    }

    async fn finish(&mut self, actor: usize) -> Held {
        for _ in 0..REQUESTS_MAX {
            if !self.work.contains_key(&actor) {
                return Ok(());
            }
            self.go(actor).await?;
            if self.at_once > 1 && !self.base.gate.waiting().contains_key(&actor) {
                return Ok(());
            }
        }
        panic!("an actor that meets no fault comes to no end");
    }

    /// An actor goes on until it asks again, or is done, or waits for another call of its sandbox.
    async fn run(&mut self, actor: usize) -> Held {
        let mut context = std::task::Context::from_waker(Waker::noop());
        for quiet_ms in 0.. {
            let Some((by, work)) = self.work.get_mut(&actor) else { return Ok(()) };
            let by = *by;
            if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
                self.work.remove(&actor);
                return self.done(by, done);
            }
            let upstream = match self.base.gate.waiting().get(&actor) {
                Some(request) if request.operation == UPSTREAM => Some(serde_json::from_str(&request.body).unwrap()),
                Some(_) => return Ok(()),
                None => None,
            };
            if let (Some((window, period)), By::Call(call)) = (upstream, by) {
                return self.truth.told(call, Told::Yes { window, period });
            }
            if self.at_once > 1 && quiet_ms >= QUIET_MS {
                break;
            }
            // It pauses before it tries again: that is real time, of milliseconds.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    fn done(&mut self, by: By, done: Done) -> Held {
        match (by, done) {
            (By::Call(call), Done::Told(told)) => self.truth.told(call, told),
            (By::Event(event), Done::Event(true)) => {
                self.events[event].answered = true;
                self.truth.promised(self.events[event].event)
            }
            _ => Ok(()),
        }
    }

    async fn go(&mut self, actor: usize) -> Held {
        self.apply(actor)?;
        let request = self.base.gate.waiting().remove(&actor);
        if let Some(mut request) = request {
            let answer = request.applied.take().unwrap_or_default();
            request.answer(Ok(answer));
        }
        self.run(actor).await
    }

    /// Applies what an actor asks for, if it was not applied already.
    fn apply(&mut self, actor: usize) -> Held {
        let Some(mut request) = self.base.gate.waiting().remove(&actor) else { return Ok(()) };
        if request.applied.is_none() && request.operation != UPSTREAM {
            request.applied = Some(self.write(self.work[&actor].0, &request)?);
        }
        self.base.gate.waiting().insert(actor, request);
        Ok(())
    }

    fn write(&mut self, by: By, request: &Waiting) -> Held<Answer> {
        let (answer, change) = self.base.apply(request);
        if let Some((old, new)) = change {
            self.truth.wrote(by, old.as_ref(), &new)?;
        }
        Ok(answer)
    }

    async fn fault(&mut self, actor: usize, fault: Fault) -> Held {
        self.truth.disturbed = true;
        if matches!(fault, Fault::AnswerLost | Fault::FailedApplied) {
            self.apply(actor)?;
        }
        let request = self.base.gate.waiting().remove(&actor);
        let Some(request) = request else { return Ok(()) };
        let refused = |kind: &str, status| {
            let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
            Ok((status, json!({"__type": kind, "message": "played"}).to_string()))
        };
        // What was applied is not refused any more.
        let applied = request.applied.is_some();
        let answer = match fault {
            Fault::Throttled if !applied => refused("ProvisionedThroughputExceededException", 400),
            Fault::Conflict if !applied => refused("TransactionConflictException", 400),
            Fault::FailedApplied | Fault::Failed => refused("InternalServerError", 500),
            _ => Err(Lost),
        };
        if matches!(fault, Fault::Late) && !applied {
            self.late.push((self.work[&actor].0, request.lose()));
        } else {
            request.answer(answer);
        }
        self.run(actor).await
    }

    /// A sandbox dies with all of its calls.
    fn kill(&mut self, sandbox: usize) -> Held {
        self.replace(sandbox);
        self.truth.disturbed = true;
        (sandbox * self.at_once..(sandbox + 1) * self.at_once).try_for_each(|actor| self.cut(actor))
    }

    fn cut(&mut self, actor: usize) -> Held {
        let by = self.work.remove(&actor).map(|(by, _)| by);
        let request = self.base.gate.waiting().remove(&actor);
        let Some(by) = by else { return Ok(()) };
        if let Some(request) = request
            && request.operation != UPSTREAM
            && request.applied.is_none()
        {
            self.late.push((by, request.lose()));
        }
        let By::Call(call) = by else { return Ok(()) };
        if self.truth.was_told(call) { Ok(()) } else { self.truth.told(call, Told::Killed) }
    }

    /// Another sandbox takes the place of one that ended.
    fn replace(&mut self, sandbox: usize) {
        self.sandboxes[sandbox] = Arc::default();
        self.generations[sandbox] = self.generations.iter().max().unwrap() + 1;
    }

    /// A sandbox settles what is over, or ends in order: calls in progress go on, and what they leave is left behind.
    async fn settle(&mut self, actor: usize, ends: bool, whole: bool) -> Held {
        let sandbox = actor / self.at_once;
        let (store, settling, over_at) =
            (self.store(actor), self.sandboxes[sandbox].clone(), (!ends).then(|| Time::from_ms(self.clock_ms)));
        let work = async move {
            settle_leases(&settling, &store, over_at, usize::MAX).await;
            Done::Over
        };
        let by = By::Sandbox(self.generations[sandbox]);
        if ends {
            // Nothing of it is used again: what it began goes on, as it would within its half second.
            self.replace(sandbox);
            let mut others = sandbox * self.at_once..(sandbox + 1) * self.at_once;
            self.truth.disturbed |= others.any(|other| self.work.contains_key(&other));
        }
        self.begin(actor, by, work, whole).await
    }

    fn store(&self, actor: usize) -> Store {
        Store::new(self.base.tables[actor].clone())
    }

    async fn call(&mut self, actor: usize, asked: Asked, whole: bool) -> Held {
        let sandbox = actor / self.at_once;
        let now = Time::from_ms(self.clock_ms - i64::from(asked.late_ms));
        let number = self.truth.begin(asked, now, self.generations[sandbox]);
        let work = call(
            self.base.gate.clone(),
            actor,
            self.sandboxes[sandbox].clone(),
            self.store(actor),
            self.id.to_string(),
            asked,
            now,
        );
        self.begin(actor, By::Call(number), work, whole).await
    }

    async fn sweep(&mut self, whole: bool) -> Held {
        if self.work.contains_key(&SWEEPER) {
            return Ok(());
        }
        let (store, id, now) = (self.store(SWEEPER), self.id.to_string(), Time::from_ms(self.clock_ms));
        let work = async move {
            let _ = store.sweep(&id, now).await;
            Done::Over
        };
        self.begin(SWEEPER, By::Sweep, work, whole).await
    }

    async fn tell(&mut self, change: Change, whole: bool) -> Held {
        let mut last = (1, true, 0);
        for told in &self.events {
            if let Event::Subscription { revision, active, terms } = told.event {
                last = (revision + 1, active, terms);
            }
        }
        let (revision, mut active, mut terms) = last;
        match change {
            Change::Rotate { key, in_s } => {
                let end = Time::from_ms(self.clock_ms).seconds() + i64::from(in_s);
                return self.tell_key(key, end, whole).await;
            }
            Change::Revoke(key) => return self.tell_key(key, 0, whole).await,
            Change::Suspend => active = false,
            Change::Resume => active = true,
            Change::Terms(limits) => {
                terms += 1;
                self.truth.terms(terms, limits);
            }
            Change::Back(which) => {
                let limits = self.truth.limits(1 + u64::from(which) % terms);
                terms += 1;
                self.truth.terms(terms, limits);
            }
        }
        let at = Time::from_ms(self.clock_ms);
        let envelope = subscription(self.id, revision, active, terms, self.truth.limits(terms), at);
        self.tell_event(envelope, Event::Subscription { revision, active, terms }, whole).await
    }

    async fn tell_key(&mut self, number: u32, end: i64, whole: bool) -> Held {
        let state = json!({
            "id": "key_01h455vb4pex5vsknk084sn02q", "revision": self.events.len() + 1, "subscription": self.id,
            "number": number, "name": "Key", "prefix": "dw_", "secret_sha256": format!("{}{number}", self.id),
            "expires_at": (end > 0).then(|| Time::from_ms(end * 1000)),
            "revoked_at": (end == 0).then(|| Time::from_ms(self.clock_ms)),
        });
        let event = Event::Key { number, not_after: end };
        self.tell_event(envelope("keys.key", &state), event, whole).await
    }

    async fn tell_event(&mut self, envelope: Envelope, event: Event, whole: bool) -> Held {
        self.truth.made(event);
        let at = Time::from_ms(self.clock_ms);
        self.events.push(Teller { envelope, event, at, answered: false });
        self.deliver(self.events.len() - 1, whole).await
    }

    /// Tells the door an event. Whoever is busy tells it later.
    async fn deliver(&mut self, event: usize, whole: bool) -> Held {
        let mut tellers = CALLS..SWEEPER;
        let Some(teller) = tellers.find(|teller| !self.work.contains_key(teller)) else { return Ok(()) };
        let (store, envelope, at) = (self.store(teller), self.events[event].envelope.clone(), self.events[event].at);
        let work = async move { Done::Event(gateway::events::take(&store, &envelope, at).await.is_ok()) };
        self.begin(teller, By::Event(event), work, whole).await
    }
}

fn envelope(kind: &str, state: &serde_json::Value) -> Envelope {
    Envelope {
        kind: kind.to_owned(),
        id: state["id"].as_str().unwrap().to_owned(),
        revision: state["revision"].as_u64().unwrap(),
        data: state.to_string(),
    }
}

/// A subscription as the door is told it.
pub(crate) fn subscription(
    id: SubscriptionId,
    revision: u64,
    active: bool,
    terms: u64,
    limits: Limits,
    at: Time,
) -> Envelope {
    let party = json!({"id": "org_01h455vb4pex5vsknk084sn02q", "slug": "acme"});
    let state = json!({
        "id": id, "revision": revision, "state": if active { "active" } else { "suspended" },
        "organization": party, "provider": party,
        "app": "app_01h455vb4pex5vsknk084sn02q", "app_name": "App",
        "product": "product_01h455vb4pex5vsknk084sn02q", "product_slug": "weather",
        "terms": limits.terms(), "terms_revision": terms, "terms_since": at,
        "created_at": at, "activated_at": at, "cancelled_at": null,
    });
    envelope("subscriptions.subscription", &state)
}

fn one(among: &[usize], which: u8) -> Option<usize> {
    among.get(usize::from(which) % among.len().max(1)).copied()
}

/// One call through the door, from its third step on: see `gateway::door`.
pub(crate) async fn call(
    gate: Gate,
    actor: usize,
    sandbox: Arc<Sandbox>,
    store: Store,
    id: String,
    asked: Asked,
    now: Time,
) -> Done {
    let closed = |cause: String, unknown| Done::Told(Told::Closed { unknown, cause });
    let seen = match sandbox.grant(&store, &id, now).await {
        Ok(seen) => seen.expect("the grant was made"),
        Err(error) => return closed(error.to_string(), false),
    };
    let mut call = Call::new(now, Counter { key: asked.key, api: 1, version: 1, operation: asked.operation });
    let operation = format!("o{}", asked.operation);
    let wish = Wish { api: API.parse().unwrap(), operation: &operation };
    match admit(&sandbox, &store, &id, seen, &mut call, wish).await {
        Ok(Admitted::Yes { seen, counted }) => {
            gate.upstream(actor, (counted.window, &counted.period)).await;
            if asked.fails {
                // Whether it was given back is for the reference to see.
                let _ = give_back(&sandbox, &store, &id, &seen, &call, &counted).await;
            }
            Done::Over
        }
        Ok(Admitted::No(refusal, _)) => Done::Told(Told::No(match refusal {
            Refusal::Inactive => "inactive",
            Refusal::Key => "key",
            Refusal::Quota { .. } => "quota",
            Refusal::Rate { .. } => "rate",
        })),
        Ok(Admitted::Unknown) => Done::Told(Told::No("unknown")),
        Ok(Admitted::Closed { cause, unknown }) => closed(cause, unknown),
        Err(error) => closed(error.to_string(), false),
    }
}
