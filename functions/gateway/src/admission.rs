//! Admitting a call, giving its units back, and settling leases: the loops around the one conditional write.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use shared::chassis::table::StoreError;
use shared::id::ApiId;
use shared::time::Time;

use crate::grant::{Beside, Call, Counted, Grant, Refusal, admission, counted, refusal, turns, voiding};
use crate::held::{Found, Held};
use crate::lease::{Lease, block};
use crate::sandbox::{Sandbox, Seen, TRIES_MAX};
use crate::settlement::{Settlement, settling};
use crate::store::{Store, Tried};

const BUDGET: Duration = Duration::from_secs(3);
const PAUSE_MS: u64 = 5;
/// How long a call waits for the block that another one of its sandbox takes: most writes take less.
const WAIT: Duration = Duration::from_millis(50);

/// What came of asking to be admitted.
#[derive(Debug)]
pub enum Admitted {
    /// Admitted and counted; the grant as it is now.
    Yes {
        /// The grant.
        seen: Box<Seen>,
        /// Where the call was counted.
        counted: Counted,
    },
    /// Refused; nothing was written.
    No(Refusal, Box<Seen>),
    /// There is no such grant, or its plan does not cover the API.
    Unknown,
    /// The call is refused although its terms allow it: the grant is too busy, or the truth about a write cannot be known.
    Closed {
        /// What happened.
        cause: String,
        /// Whether the call may have been counted all the same.
        unknown: bool,
    },
}

/// What a call wants, as far as terms judge it.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The API.
    pub api: ApiId,
    /// The operation's id.
    pub operation: &'a str,
}

/// One try of a call's write.
struct Try {
    counted: Counted,
    /// Units of the block that it takes.
    block: i64,
    /// Whether it settles the lease before.
    settles: bool,
}

/// What is known of a call that asks.
#[derive(Default)]
struct Asking<'a> {
    /// The lease that this sandbox had when the call came, until it is settled, and the place for the next.
    held: Held<'a>,
    /// By their numbers among those of the call.
    tries: Vec<Try>,
    /// The bucket of the last try whose answer was lost. A try before it is known not to have been applied, or is in the
    /// same bucket: see the condition.
    ambiguous: Option<u64>,
    /// The bucket of the last such try that settles the lease, until it is known not to have been applied.
    doubt: Option<u64>,
}

impl Asking<'_> {
    /// Which try left this number, if one of this call did.
    fn applied(&self, call: &Call, last: Option<u64>) -> Option<usize> {
        let number = usize::try_from(last?.checked_sub(call.sequence)?).ok()?;
        (number < self.tries.len()).then_some(number)
    }

    /// This try was applied: what it settled is settled, and its block is there.
    fn admitted(&mut self, seen: Seen, call: &Call, number: usize) -> Admitted {
        let Try { counted, block, settles } = self.tries.swap_remove(number);
        if settles {
            self.held.lease = None;
        }
        if block > 0 {
            self.held.took(Lease::new(call, counted.clone(), block, &seen.grant));
        }
        Admitted::Yes { seen: Box::new(Seen { held: block, ..seen }), counted }
    }

    /// What has to be settled, if the call's own write can do it.
    fn joined(&self, place: &Counted, turn: bool) -> Option<&Settlement> {
        self.held.lease.as_ref().map(|lease| &lease.open).filter(|open| !turn && open.counted == *place)
    }
}

/// Admits a call: from the lease that this sandbox has, or with one conditional write, which a stale guess or a lost answer
/// repeats. The call's weight is set from the terms that it was admitted under.
///
/// Calls of one sandbox may ask at once. One of them takes the next block, and the others wait shortly for it.
pub async fn admit(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    mut seen: Seen,
    call: &mut Call,
    wish: Wish<'_>,
) -> Result<Admitted, StoreError> {
    if seen.plan.leased {
        sandbox.count(id, call.now);
    }
    let began = Instant::now();
    let held = loop {
        seen = sandbox.newest(id, seen);
        if !seen.plan.covers(wish.api) {
            break Held::default();
        }
        call.weight = seen.plan.weight(wish.operation);
        match sandbox.leases.find(id, &seen, call, sandbox.is_quick(id, call.now)) {
            Found::Spent(counted, held) => {
                return Ok(Admitted::Yes { seen: Box::new(Seen { held, ..seen }), counted });
            }
            Found::Held(held) => break held,
            Found::Out(block) => {
                if !block.taken(WAIT.saturating_sub(began.elapsed())).await {
                    break Held::default();
                }
            }
        }
    };
    let mut asking = Asking { held, ..Asking::default() };
    let admitted = match Box::pin(attempt(sandbox, store, id, seen, call, wish, &mut asking)).await {
        // What could not be read does not undo what may have been written.
        Err(error) if asking.ambiguous.is_some() => Ok(Admitted::Closed { cause: error.to_string(), unknown: true }),
        admitted => admitted,
    };
    let is_unknown = matches!(admitted, Ok(Admitted::Closed { unknown: true, .. }));
    if let Some(lease) = asking.held.lease.take_if(|_| is_unknown && asking.doubt.is_some()) {
        sandbox.leases.lose(id, &lease, "nobody knows whether it was settled");
    }
    asking.held.end();
    admitted
}

async fn attempt(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    mut seen: Seen,
    call: &mut Call,
    wish: Wish<'_>,
    asking: &mut Asking<'_>,
) -> Result<Admitted, StoreError> {
    let started = Instant::now();
    let writer = sandbox.writer(id);
    writer.name.clone_into(&mut call.writer);
    call.sequence = sandbox.next_sequence();
    // The sequence that voids a try without an answer.
    let mut void = None;
    let mut fresh = false;
    let mut tries = 0;
    let mut wished = None;
    loop {
        // Each image may have other terms: what they cover and weigh is judged anew.
        if !seen.plan.covers(wish.api) {
            return Ok(Admitted::Unknown);
        }
        call.weight = seen.plan.weight(wish.operation);
        let turn = turns(&seen.grant, call, seen.bucket_seen_ms);
        let place = counted(&seen.grant, &seen.plan, call, turn);
        let refused = refusal(&seen.grant, &seen.plan, call);
        // A try without an answer may still be on its way, unless its bucket has passed.
        let is_pending = asking.ambiguous.is_some_and(|sent| seen.grant.b <= sent);
        // A lease of another place is settled by itself, and so is one whose call is refused: what comes back may admit it.
        let apart = refused.is_some() || asking.joined(&place, turn).is_none();
        if let Some(lease) = asking.held.lease.as_ref().filter(|_| apart && !is_pending) {
            let settled = settle(sandbox, store, id, Grant::clone(&seen.grant), &lease.open, &call.writer).await;
            // The place among the writers is a later one now.
            call.sequence = sandbox.next_sequence();
            (asking.tries, asking.ambiguous) = (Vec::new(), None);
            match settled {
                Ok(grant) => {
                    asking.held.lease = None;
                    seen = sandbox.see(store, id, grant, call.now).await?;
                    fresh = true;
                }
                Err(Unsettled::Not(error)) => return Err(error),
                Err(Unsettled::Never(error)) => {
                    sandbox.leases.lose(id, lease, &error.to_string());
                    asking.held.lease = None;
                }
            }
            continue;
        }
        if refused.is_some() && !fresh {
            // A refusal is believed from an image that the table gave for this call: what was kept may be out of date.
            let Some(grant) = store.grant(id).await? else { return Ok(Admitted::Unknown) };
            seen = sandbox.see(store, id, grant, call.now).await?;
            fresh = true;
            continue;
        }
        if let Some(refusal) = refused.filter(|_| !is_pending) {
            return Ok(Admitted::No(refusal, Box::new(seen)));
        }
        tries += 1;
        if tries > TRIES_MAX || started.elapsed() > BUDGET {
            let cause = "the grant is too busy".to_owned();
            return Ok(Admitted::Closed { cause, unknown: asking.ambiguous.is_some() });
        }
        let update = if refused.is_some() {
            voiding(&seen.grant, call, *void.get_or_insert_with(|| sandbox.next_sequence()))
        } else {
            let settled = asking.joined(&place, turn);
            // There is one place for a lease: while others have it in hand, or the lease there waits to be settled, no block is taken.
            let has_place = asking.held.has_place() && settled.is_some() == asking.held.lease.is_some();
            let block = if seen.plan.leased && has_place {
                let wished = *wished.get_or_insert_with(|| sandbox.wish(id, asking.held.lease.as_ref(), call));
                block(&seen.grant, &seen.plan, call, wished, settled.map_or(0, |settled| settled.unused))
            } else {
                0
            };
            let attempt = u64::try_from(asking.tries.len()).unwrap_or(u64::MAX);
            let update = admission(&seen.grant, &seen.plan, call, turn, &Beside { block, settled, attempt });
            let settles = settled.is_some();
            asking.tries.push(Try { counted: place, block, settles });
            update
        };
        match (store.update(id, &update).await, refused) {
            // The condition compared the terms' revision: the plan is the one at hand.
            (Tried::Applied(grant), None) => {
                let seen = sandbox.remember(id, *grant, seen.plan, call.now);
                return Ok(asking.admitted(seen, call, asking.tries.len() - 1));
            }
            (Tried::Applied(grant), Some(refusal)) => {
                let seen = sandbox.see(store, id, *grant, call.now).await?;
                return Ok(Admitted::No(refusal, Box::new(seen)));
            }
            (Tried::Unknown, _) => return Ok(Admitted::Unknown),
            (Tried::Broken(cause), _) => {
                return Ok(Admitted::Closed { cause, unknown: asking.ambiguous.is_some() });
            }
            (Tried::Stale(grant), _) => {
                let last = grant.last_of(&call.writer);
                if let Some(number) = asking.applied(call, last) {
                    // A try whose answer was lost had been applied.
                    let seen = sandbox.see(store, id, *grant, call.now).await?;
                    return Ok(asking.admitted(seen, call, number));
                }
                if let (Some(refusal), true) = (refused, void.is_some() && last == void) {
                    let seen = sandbox.see(store, id, *grant, call.now).await?;
                    return Ok(Admitted::No(refusal, Box::new(seen)));
                }
                if asking.ambiguous.is_some_and(|sent| grant.b >= sent + 2) {
                    // Two turns have passed: the entry that would tell may have been thrown away.
                    let cause = "two buckets have passed since a write without an answer".to_owned();
                    return Ok(Admitted::Closed { cause, unknown: true });
                }
                asking.doubt = asking.doubt.filter(|sent| grant.b <= *sent);
                seen = sandbox.see(store, id, *grant, call.now).await?;
                fresh = true;
            }
            (Tried::Busy(cause), _) => {
                tracing::warn!(cause, "grant is busy");
                tokio::time::sleep(Duration::from_millis(PAUSE_MS << tries)).await;
            }
            (Tried::Ambiguous(cause), _) => {
                tracing::warn!(cause, "no answer about an admission");
                if refused.is_none() {
                    asking.ambiguous = Some(seen.grant.b);
                    if asking.tries.last().is_some_and(|last| last.settles) {
                        asking.doubt = asking.ambiguous;
                    }
                }
                tokio::time::sleep(Duration::from_millis(PAUSE_MS << tries)).await;
            }
        }
    }
}

/// Gives a call's units back, once, unless its month is sealed already: to the lease that it was counted in or beside, or to the
/// grant. Answers the grant as it is then, as far as it is known.
pub async fn give_back(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    seen: &Seen,
    call: &Call,
    counted: &Counted,
) -> Result<Seen, StoreError> {
    let began = Instant::now();
    loop {
        if sandbox.leases.has_lost(id, call) {
            return Err(StoreError::Unavailable("its lease was left behind: it was not counted".to_owned()));
        }
        match sandbox.leases.take_back(id, call, counted) {
            Ok(held) => return Ok(Seen { held, ..seen.clone() }),
            // What was admitted from a lease is counted first: when the one in other hands is settled, or there again.
            Err(Some(block)) if call.lease.is_some() => {
                let left = BUDGET.saturating_sub(began.elapsed());
                if left.is_zero() {
                    return Err(StoreError::Unavailable("its lease takes too long to settle".to_owned()));
                }
                block.taken(left).await;
            }
            Err(_) => break,
        }
    }
    let (refund, writer) = (Settlement::refund(call, counted), sandbox.writer(id));
    let grant = settle(sandbox, store, id, Grant::clone(&seen.grant), &refund, &writer.name).await?;
    Ok(sandbox.remember(id, grant, seen.plan.clone(), call.now))
}

/// Settles leases from which nothing is admitted any more at this time, so many at most; with no time, all there are: the
/// sandbox ends. Only what is certainly not settled, and may be later, is kept.
pub async fn settle_leases(sandbox: &Sandbox, store: &Store, over_at: Option<Time>, most: usize) {
    let leases = sandbox.leases.take_over(over_at.map(Time::ms), most);
    join_all(leases.into_iter().map(async |(id, mut held)| {
        let Some(lease) = &held.lease else { return };
        let writer = sandbox.writer(&id);
        let settled = match sandbox.known_grant(&id) {
            Some(grant) => settle(sandbox, store, &id, grant, &lease.open, &writer.name).await,
            None => match store.grant(&id).await {
                Ok(Some(grant)) => settle(sandbox, store, &id, grant, &lease.open, &writer.name).await,
                Ok(None) => Err(Unsettled::Never(gone())),
                Err(error) => Err(Unsettled::Not(error)),
            },
        };
        match settled {
            Ok(grant) => {
                held.lease = None;
                sandbox.renew(&id, grant);
            }
            Err(Unsettled::Not(error)) if over_at.is_some() => {
                tracing::warn!(%error, grant = id, "a lease is not settled yet");
            }
            Err(unsettled) => {
                sandbox.leases.lose(&id, lease, &StoreError::from(unsettled).to_string());
                held.lease = None;
            }
        }
        held.end();
    }))
    .await;
}

/// Why something was not settled.
enum Unsettled {
    /// Certainly not yet: it may be tried again.
    Not(StoreError),
    /// Nobody knows, or it cannot be any more.
    Never(StoreError),
}

impl From<Unsettled> for StoreError {
    fn from(unsettled: Unsettled) -> Self {
        match unsettled {
            Unsettled::Not(error) | Unsettled::Never(error) => error,
        }
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("the grant is gone".to_owned())
}

/// Settles something, once. Answers the grant as it is then.
async fn settle(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    mut image: Grant,
    settled: &Settlement,
    writer: &str,
) -> Result<Grant, Unsettled> {
    let never = |cause: &str| Err(Unsettled::Never(StoreError::Unavailable(cause.to_owned())));
    let started = Instant::now();
    let sequence = sandbox.next_sequence();
    let mut ambiguous: Option<u64> = None;
    loop {
        match store.update(id, &settling(&image, settled, writer, sequence)).await {
            Tried::Applied(grant) => return Ok(*grant),
            Tried::Stale(grant) if grant.last_of(writer) == Some(sequence) => return Ok(*grant),
            Tried::Stale(grant) if ambiguous.is_some_and(|sent| grant.b >= sent + 2) => {
                return never("two buckets have passed since a settling write without an answer");
            }
            Tried::Stale(grant) if !settled.counts.is_empty() && !grant.p.contains_key(&settled.counted.period) => {
                return never("the calls' month is sealed");
            }
            Tried::Stale(grant) => image = *grant,
            Tried::Unknown => return Err(Unsettled::Never(gone())),
            Tried::Broken(cause) if ambiguous.is_some() => return never(&cause),
            Tried::Broken(cause) => return Err(Unsettled::Not(StoreError::Unavailable(cause))),
            Tried::Busy(_) => tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await,
            Tried::Ambiguous(_) => {
                ambiguous = Some(image.b);
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
        }
        if started.elapsed() > BUDGET {
            let error = StoreError::Unavailable("the grant is too busy to settle".to_owned());
            return Err(if ambiguous.is_some() { Unsettled::Never(error) } else { Unsettled::Not(error) });
        }
    }
}
