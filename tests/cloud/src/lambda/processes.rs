//! Which process is which: signals go by instance name, never to a process id that may have been reused.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

/// The processes that live right now, by instance name (`Hello-17`).
#[derive(Debug, Default)]
pub(super) struct Processes(Mutex<BTreeMap<String, u32>>);

impl Processes {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, instance: &str, pid: u32) {
        self.entries().insert(instance.to_owned(), pid);
    }

    pub(super) fn remove(&self, instance: &str) {
        self.entries().remove(instance);
    }

    /// The process id of an instance, while it lives.
    pub(super) fn pid(&self, instance: &str) -> Option<u32> {
        self.entries().get(instance).copied()
    }

    /// Kills (`kill -9`) an instance; true if there was one.
    pub(super) fn kill(&self, instance: &str) -> bool {
        self.signal(instance, Signal::KILL)
    }

    /// Freezes an instance; true if there was one.
    pub(super) fn freeze(&self, instance: &str) -> bool {
        self.signal(instance, Signal::STOP)
    }

    /// Lets a frozen instance go on.
    pub(super) fn thaw(&self, instance: &str) -> bool {
        self.signal(instance, Signal::CONT)
    }

    pub(super) fn terminate(&self, instance: &str) -> bool {
        self.signal(instance, Signal::TERM)
    }

    /// Under the register's lock, so that the process cannot be reaped, and its id reused, in between.
    fn signal(&self, instance: &str, signal: Signal) -> bool {
        let entries = self.entries();
        let pid = entries.get(instance).and_then(|pid| i32::try_from(*pid).ok()).and_then(Pid::from_raw);
        pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
    }
}
