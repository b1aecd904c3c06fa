//! The processes of one function and the invocations that wait for one: one request at a time each, or as many as the template
//! says of one on managed instances; more processes as the queue grows, up to the limit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use super::function::Function;
use super::{InvokeError, Processes, Settings, process};
use crate::faults::{Faults, Point};
use crate::policy::credentials;
use crate::template::REGION;

/// How long an invocation waits for a process before it is throttled.
const QUEUED_MAX: Duration = Duration::from_secs(30);
/// How long a process has between SIGTERM and SIGKILL, as on Lambda.
const GRACE: Duration = Duration::from_millis(500);

type Answer = Result<Bytes, InvokeError>;

pub(super) struct Pool {
    pub(super) function: Function,
    pub(super) settings: Arc<Settings>,
    processes: Processes,
    faults: Faults,
    state: Mutex<State>,
    exits: Notify,
}

#[derive(Default)]
struct State {
    counter: u64,
    queue: VecDeque<Pending>,
    idle: Vec<Poller>,
    live: BTreeMap<u64, Instance>,
    stopped: bool,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
struct Instance {
    /// How often it has asked for an invocation.
    polls: usize,
    retiring: bool,
    ending: bool,
    extension: bool,
    frozen: bool,
    running: Vec<Running>,
    /// Holds the long polls open while the process is told to go.
    parked: Vec<oneshot::Sender<Invocation>>,
    last_words: Option<String>,
}

impl Instance {
    /// No longer works on this.
    fn take(&mut self, request_id: &str) -> Option<Running> {
        let index = self.running.iter().position(|running| running.request_id == request_id)?;
        Some(self.running.swap_remove(index))
    }
}

struct Pending {
    ticket: u64,
    payload: Bytes,
    trace: Option<String>,
    reply: oneshot::Sender<Answer>,
}

struct Poller {
    instance: u64,
    since: Instant,
    give: oneshot::Sender<Invocation>,
}

struct Running {
    request_id: String,
    reply: oneshot::Sender<Answer>,
    timer: AbortHandle,
}

/// What `GET …/invocation/next` answers.
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) deadline_ms: u128,
    pub(super) trace: String,
    pub(super) payload: Bytes,
}

impl Pool {
    pub(super) fn new(function: Function, settings: Arc<Settings>, processes: Processes, faults: Faults) -> Arc<Pool> {
        Arc::new(Pool { function, settings, processes, faults, state: Mutex::default(), exits: Notify::new() })
    }

    /// What a process knows of its account: the template's variables, credentials of its own, and where the services are.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let credentials = credentials(&self.function.name);
        let mut environment = self.function.variables().clone();
        environment.extend(
            [
                ("AWS_REGION", REGION),
                ("AWS_ACCESS_KEY_ID", &credentials.access_key_id),
                ("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key),
                ("AWS_SESSION_TOKEN", &credentials.session_token),
                ("AWS_ENDPOINT_URL_DYNAMODB", &self.settings.dynamodb_endpoint),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        environment.extend(self.settings.environment.clone());
        environment
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn instance_name(&self, id: u64) -> String {
        format!("{}-{id}", self.function.name)
    }

    pub(super) async fn invoke(self: &Arc<Self>, payload: Bytes, trace: Option<String>) -> Answer {
        let (reply, mut answer) = oneshot::channel();
        let ticket = {
            let mut state = self.state();
            if state.stopped || self.function.limit == 0 {
                return Err(InvokeError::Throttled);
            }
            state.counter += 1;
            let ticket = state.counter;
            state.queue.push_back(Pending { ticket, payload, trace, reply });
            self.dispatch(&mut state);
            ticket
        };
        let gone = |_| Err(InvokeError::Crashed("the local cloud stopped".to_owned()));
        if let Ok(answer) = tokio::time::timeout(QUEUED_MAX, &mut answer).await {
            return answer.unwrap_or_else(gone);
        }
        {
            let mut state = self.state();
            if let Some(index) = state.queue.iter().position(|p| p.ticket == ticket) {
                state.queue.remove(index);
                return Err(InvokeError::Throttled);
            }
        }
        answer.await.unwrap_or_else(gone)
    }

    /// Hands waiting invocations to waiting processes, the most recently used first, and starts what is missing.
    fn dispatch(self: &Arc<Self>, state: &mut State) {
        while let Some(pending) = state.queue.pop_front() {
            if pending.reply.is_closed() {
                continue;
            }
            let poller = loop {
                match state.idle.pop() {
                    Some(poller) if poller.give.is_closed() => {}
                    other => break other,
                }
            };
            let (Some(poller), true) = (poller, !state.stopped) else {
                state.queue.push_front(pending);
                break;
            };
            self.hand_over(state, poller, pending);
        }
        // A process that starts asks once for each event that it can work on.
        let seats = self.function.seats();
        let starting: usize =
            state.live.values().filter(|i| !i.retiring).map(|instance| seats.saturating_sub(instance.polls)).sum();
        let missing = state.queue.len().saturating_sub(starting).div_ceil(seats);
        let missing = missing.min(self.function.limit.saturating_sub(state.live.len()));
        for _ in 0..if state.stopped { 0 } else { missing } {
            state.counter += 1;
            state.live.insert(state.counter, Instance::default());
            tokio::spawn(process::run(Arc::clone(self), state.counter));
        }
    }

    fn hand_over(self: &Arc<Self>, state: &mut State, poller: Poller, pending: Pending) {
        let request_id = uuid::Uuid::new_v4().to_string();
        let deadline = SystemTime::now() + self.function.timeout;
        let invocation = Invocation {
            request_id: request_id.clone(),
            deadline_ms: deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
            trace: pending.trace.clone().unwrap_or_else(super::trace_id),
            payload: pending.payload.clone(),
        };
        self.thaw(state, poller.instance);
        match (poller.give.send(invocation), state.live.get_mut(&poller.instance)) {
            (Ok(()), Some(instance)) => {
                let timer = tokio::spawn(Arc::clone(self).time_out(poller.instance, request_id.clone())).abort_handle();
                instance.running.push(Running { request_id, reply: pending.reply, timer });
            }
            _ => state.queue.push_front(pending),
        }
    }

    async fn time_out(self: Arc<Self>, id: u64, request_id: String) {
        tokio::time::sleep(self.function.timeout).await;
        let running = self.state().live.get_mut(&id).and_then(|instance| instance.take(&request_id));
        if let Some(running) = running {
            // On managed instances the others that the process works on have time-outs of their own: it lives.
            // <https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances-execution-environment.html>
            if self.function.at_once.is_none() {
                self.processes.kill(&self.instance_name(id));
            }
            self.faults.note(&self.function.name, "timed out");
            let _ = running.reply.send(Err(InvokeError::TimedOut));
        }
    }

    /// A process asks for work; it gets it through the receiver.
    pub(super) fn poll(self: &Arc<Self>, id: u64) -> oneshot::Receiver<Invocation> {
        let (give, receive) = oneshot::channel();
        let mut state = self.state();
        let Some(instance) = state.live.get_mut(&id) else {
            return receive;
        };
        instance.polls += 1;
        // Of several that it works on, nobody knows which one it forgot: that one times out.
        if self.function.seats() == 1
            && let Some(forgotten) = instance.running.pop()
        {
            forgotten.timer.abort();
            let _ = forgotten
                .reply
                .send(Err(InvokeError::Crashed("the function asked for more before it answered".to_owned())));
        }
        if instance.retiring {
            self.park(id, instance, give);
        } else {
            state.idle.push(Poller { instance: id, since: Instant::now(), give });
            self.dispatch(&mut state);
            self.freeze(&mut state, id);
        }
        receive
    }

    /// Freezes a process that waits for work, where that fault is on.
    fn freeze(&self, state: &mut State, id: u64) {
        let waits = state.idle.iter().any(|poller| poller.instance == id);
        if waits
            && self.faults.freezes(&self.function.name)
            && let Some(instance) = state.live.get_mut(&id).filter(|instance| instance.running.is_empty())
        {
            instance.frozen = self.processes.freeze(&self.instance_name(id));
            self.faults.note(&self.function.name, "frozen while idle");
        }
    }

    fn thaw(&self, state: &mut State, id: u64) {
        if let Some(instance) = state.live.get_mut(&id).filter(|instance| instance.frozen) {
            instance.frozen = false;
            self.processes.thaw(&self.instance_name(id));
        }
    }

    /// A process has answered. False: it is not (any more) working on that request.
    pub(super) fn finish(&self, id: u64, request_id: &str, answer: Answer) -> bool {
        let mut state = self.state();
        let Some(instance) = state.live.get_mut(&id) else {
            return false;
        };
        if instance.running.iter().all(|r| r.request_id != request_id) {
            return false;
        }
        let name = self.instance_name(id);
        if self.faults.take_kill(&self.function.name, Point::BeforeResponse) {
            return self.processes.kill(&name);
        }
        let after = self.faults.take_kill(&self.function.name, Point::AfterResponse);
        if let Some(running) = instance.take(request_id) {
            running.timer.abort();
            if after {
                self.processes.kill(&name);
            }
            let _ = running.reply.send(answer);
        }
        true
    }

    pub(super) fn register_extension(&self, id: u64) {
        if let Some(instance) = self.state().live.get_mut(&id) {
            instance.extension = true;
        }
    }

    /// What a process says about why it cannot start.
    pub(super) fn init_failed(&self, id: u64, words: String) {
        if let Some(instance) = self.state().live.get_mut(&id) {
            instance.last_words = Some(words);
        }
    }

    /// True while the process has not asked for its first invocation.
    pub(super) fn is_starting(&self, id: u64) -> bool {
        self.state().live.get(&id).is_some_and(|i| i.polls == 0)
    }

    pub(super) fn spawned(self: &Arc<Self>, id: u64, pid: u32) {
        self.processes.insert(&self.instance_name(id), pid);
        if self.state().stopped {
            self.processes.kill(&self.instance_name(id));
        }
    }

    /// A process is gone: from here on nobody signals it.
    pub(super) fn exited(self: &Arc<Self>, id: u64, why: &str) {
        let mut state = self.state();
        self.processes.remove(&self.instance_name(id));
        state.idle.retain(|p| p.instance != id);
        if let Some(instance) = state.live.remove(&id) {
            let words = instance.last_words.unwrap_or_else(|| why.to_owned());
            for running in instance.running {
                running.timer.abort();
                let _ = running.reply.send(Err(InvokeError::Crashed(words.clone())));
            }
            if instance.polls == 0
                && !instance.retiring
                && let Some(first) = state.queue.pop_front()
            {
                // Somebody waited for this start; starting again and again would keep them waiting for nothing.
                let _ = first.reply.send(Err(InvokeError::Crashed(words)));
            }
        }
        self.dispatch(&mut state);
        drop(state);
        self.exits.notify_waiters();
    }

    /// SIGTERM, then SIGKILL: to a process without an extension at once, as on Lambda.
    async fn terminate(self: Arc<Self>, id: u64) {
        let name = self.instance_name(id);
        let extension = {
            let mut state = self.state();
            self.thaw(&mut state, id);
            state.live.get(&id).is_some_and(|i| i.extension)
        };
        if extension && self.processes.terminate(&name) {
            let _ = tokio::time::timeout(GRACE, self.gone(&[id])).await;
        }
        self.processes.kill(&name);
    }

    async fn gone(&self, ids: &[u64]) {
        loop {
            let exit = self.exits.notified();
            if !ids.iter().any(|id| self.state().live.contains_key(id)) {
                return;
            }
            exit.await;
        }
    }

    /// Lets go of processes that have been idle for longer than this.
    pub(super) fn reap(self: &Arc<Self>, longest: Duration) {
        let mut state = self.state();
        // One that works on anything is not idle.
        let State { idle, live, .. } = &mut *state;
        let is_busy = |id| live.get(&id).is_some_and(|instance| !instance.running.is_empty());
        let young: BTreeSet<u64> =
            idle.iter().filter(|p| p.since.elapsed() <= longest || is_busy(p.instance)).map(|p| p.instance).collect();
        let (young, old) = idle.drain(..).partition(|p| young.contains(&p.instance));
        *idle = young;
        self.retire(&mut state, old);
    }

    fn retire(self: &Arc<Self>, state: &mut State, pollers: Vec<Poller>) {
        for poller in pollers {
            if let Some(instance) = state.live.get_mut(&poller.instance) {
                instance.retiring = true;
                self.park(poller.instance, instance, poller.give);
            }
        }
    }

    /// Keeps a process that is to go from working. It ends when it works on nothing any more.
    fn park(self: &Arc<Self>, id: u64, instance: &mut Instance, give: oneshot::Sender<Invocation>) {
        instance.parked.push(give);
        if instance.running.is_empty() && !std::mem::replace(&mut instance.ending, true) {
            tokio::spawn(Arc::clone(self).terminate(id));
        }
    }

    /// Lets every process end: the idle ones now, the busy ones after their invocation.
    pub(super) async fn recycle(self: &Arc<Self>) {
        let ids: Vec<u64> = {
            let mut state = self.state();
            let idle = std::mem::take(&mut state.idle);
            for instance in state.live.values_mut() {
                instance.retiring = true;
            }
            self.retire(&mut state, idle);
            self.dispatch(&mut state);
            state.live.keys().copied().collect()
        };
        let patience = self.function.timeout + GRACE;
        if tokio::time::timeout(patience, self.gone(&ids)).await.is_err() {
            for id in &ids {
                self.processes.kill(&self.instance_name(*id));
            }
            self.gone(&ids).await;
        }
    }

    /// `kill -9` for every process; what they were doing is lost.
    pub(super) async fn kill(self: &Arc<Self>) {
        let ids: Vec<u64> = {
            let mut state = self.state();
            state.idle.clear();
            state.live.keys().copied().collect()
        };
        for id in &ids {
            self.processes.kill(&self.instance_name(*id));
        }
        self.gone(&ids).await;
    }

    /// `kill -9` for one process, chosen by this number.
    pub(super) fn kill_one(&self, choice: u64) -> bool {
        let ids: Vec<u64> = self.state().live.keys().copied().collect();
        let count = u64::try_from(ids.len()).unwrap_or(0);
        let chosen = choice.checked_rem(count).and_then(|index| ids.get(usize::try_from(index).ok()?).copied());
        let killed = chosen.is_some_and(|id| self.processes.kill(&self.instance_name(id)));
        if killed {
            self.faults.note(&self.function.name, "killed at any moment");
        }
        killed
    }

    /// Refuses new work, lets the running work end, and ends the processes.
    pub(super) async fn stop(self: &Arc<Self>) {
        self.state().stopped = true;
        self.recycle().await;
        self.state().queue.clear();
    }

    /// The process ids that live right now.
    pub(super) fn pids(&self) -> Vec<u32> {
        let ids: Vec<u64> = self.state().live.keys().copied().collect();
        ids.iter().filter_map(|id| self.processes.pid(&self.instance_name(*id))).collect()
    }
}
