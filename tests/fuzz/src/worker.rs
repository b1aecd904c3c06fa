//! One process for one target: it changes, reads and keeps, until its time is over. Before each input is read it is written down, so that whoever watches
//! has it, however the process ends.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::features::Features;
use crate::mutate::{minimize, mutate};
use crate::random::Random;
use crate::target::Target;
use crate::{archive, seeds};

/// Seconds of processor time that one input may take: the slowest take hundredths. Generous, because a build without optimization is fuzzed too.
const INPUT_SECONDS_MAX: u64 = 20;
/// Bytes that the process may have. An input has 64 KB; what a reader takes for it is bounded by its limits on values.
const MEMORY_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Inputs that are kept, at most: then the oldest that was changed goes.
const POOL_MAX: usize = 4_000;

/// What a worker has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Inputs that were read.
    pub executions: u64,
    /// Features that were seen.
    pub features: usize,
    /// Inputs that were kept.
    pub pool: usize,
    /// The slowest input, in milliseconds of the clock.
    pub slowest_ms: u128,
}

impl Summary {
    /// As one line, for the process that watches.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {} {} {}", self.executions, self.features, self.pool, self.slowest_ms)
    }

    /// Reads the line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.split(' ');
        Some(Self {
            executions: numbers.next()?.parse().ok()?,
            features: numbers.next()?.parse().ok()?,
            pool: numbers.next()?.parse().ok()?,
            slowest_ms: numbers.next()?.parse().ok()?,
        })
    }
}

/// How a worker ends that found something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What was said.
    pub message: String,
    /// The input, made smaller where it could be.
    pub input: Vec<u8>,
}

/// Fuzzes a target for a time. `scratch` is where each input is written down before it is read.
///
/// # Errors
/// The first input that made the reader panic.
pub fn fuzz(target: Target, seed: u64, time: Duration, scratch: &Path) -> Result<Summary, Found> {
    let limit = Rlimit { current: Some(MEMORY_BYTES_MAX), ..getrlimit(Resource::As) };
    setrlimit(Resource::As, limit).expect("the limit of memory can be set");
    let said = listen();
    let started = Arc::new(AtomicU64::new(0));
    watch(Arc::clone(&started));
    let mut loop_ = Loop {
        target,
        noted: fs::File::create(scratch).expect("the place for inputs can be written"),
        said,
        started,
        seen: HashSet::new(),
        summary: Summary::default(),
    };
    let mut pool = Vec::new();
    let (words, mut random) = (seeds::words(target), Random::new(seed));
    let first = seeds::seeds(target);
    let documents = first.clone();
    for input in first {
        loop_.run(&input)?;
        pool.push(input);
    }
    let start = Instant::now();
    while start.elapsed() < time {
        let mut input = match target {
            Target::Archive if random.one_in(4) => archive::build(&documents, &mut random),
            _ => random.choose(&pool).clone(),
        };
        let other = random.choose(&pool).clone();
        mutate(&mut input, &other, &words, &mut random);
        if target == Target::Archive && !random.one_in(8) {
            archive::mend(&mut input);
        }
        if loop_.run(&input)? {
            if pool.len() >= POOL_MAX {
                pool.swap_remove(random.below(POOL_MAX));
            }
            pool.push(input);
        }
    }
    Ok(Summary { features: loop_.seen.len(), pool: pool.len(), ..loop_.summary })
}

struct Loop {
    target: Target,
    noted: fs::File,
    said: Arc<Mutex<String>>,
    started: Arc<AtomicU64>,
    seen: HashSet<u64>,
    summary: Summary,
}

impl Loop {
    /// Reads an input. Whether it showed something new.
    fn run(&mut self, input: &[u8]) -> Result<bool, Found> {
        self.noted
            .set_len(input.len() as u64)
            .and_then(|()| self.noted.write_all_at(input, 0))
            .expect("the input is noted");
        self.started.store(processor_ticks().max(1), Ordering::Relaxed);
        let clock = Instant::now();
        let features = self.read(input);
        self.started.store(0, Ordering::Relaxed);
        self.summary.executions += 1;
        self.summary.slowest_ms = self.summary.slowest_ms.max(clock.elapsed().as_millis());
        match features {
            Ok(features) => {
                let before = self.seen.len();
                self.seen.extend(features.0);
                Ok(self.seen.len() > before)
            }
            Err(message) => {
                let place = message.lines().next().unwrap_or_default().to_owned();
                let same = |input: &[u8]| self.read(input).is_err_and(|other| other.starts_with(&place));
                Err(Found { input: minimize(input, 2_000, same), message })
            }
        }
    }

    fn read(&self, input: &[u8]) -> Result<Features, String> {
        let target = self.target;
        catch_unwind(AssertUnwindSafe(|| target.run(input)))
            .map_err(|_| self.said.lock().map(|said| said.clone()).unwrap_or_default())
    }
}

/// Keeps what a panic says: its place first.
fn listen() -> Arc<Mutex<String>> {
    let said = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&said);
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        if let Ok(mut kept) = kept.lock() {
            *kept = format!("panicked at {place}\n{}", info.payload_as_str().unwrap_or_default());
        }
    }));
    said
}

/// The processor time of this process, in hundredths of a second: a busy machine makes nothing slower by it.
fn processor_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program may hold anything; what comes behind it is numbers. 11 and 12 of them are user and system time.
    let numbers = stat.rsplit_once(')').map_or("", |(_, numbers)| numbers);
    numbers.split_whitespace().skip(11).take(2).filter_map(|number| number.parse::<u64>().ok()).sum()
}

/// Ends the process if one input takes too long.
fn watch(started: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let since = started.load(Ordering::Relaxed);
            if since > 0 && processor_ticks().saturating_sub(since) > INPUT_SECONDS_MAX * 100 {
                dev::complain(&format!("an input took more than {INPUT_SECONDS_MAX} s of processor time"));
                std::process::exit(70);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read_as_it_was_written() {
        let summary = Summary { executions: 12_345, features: 67, pool: 8, slowest_ms: 9 };
        assert_eq!(Summary::parse(&summary.line()), Some(summary));
        assert_eq!(Summary::parse("thread panicked"), None);
    }
}
