//! What a program took that is measured in a process of its own, ours or a peer's: its last line says it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::figures::percentile;
use crate::sandbox::peak_bytes;

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From the first byte that is read to the result.
    pub time: Duration,
    /// The processor's time of the whole process.
    pub processor: Duration,
    /// The most memory that the process ever had.
    pub memory_bytes: u64,
}

impl Run {
    /// Runs a program that says what it took.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let run = said.lines().last().and_then(Self::parse).filter(|_| output.status.success());
        run.unwrap_or_else(|| panic!("{command:?}: {said}\n{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Of this very process, in which something took this time.
    pub fn own(time: Duration) -> Self {
        // Nanoseconds on a processor; the second is how long it waited for one.
        let processor = fs::read_to_string("/proc/self/schedstat").unwrap();
        let processor = processor.split(' ').next().and_then(|time| time.parse().ok()).unwrap();
        Self { time, processor: Duration::from_nanos(processor), memory_bytes: peak_bytes(std::process::id()) }
    }

    /// Says it, for [`Run::of`].
    pub fn say(&self) {
        dev::say(&format!("{} {} {}", self.time.as_nanos(), self.processor.as_nanos(), self.memory_bytes));
    }

    /// The median of each by itself.
    #[must_use]
    pub fn median(runs: &[Self]) -> Self {
        let of = |part: fn(&Self) -> Duration| percentile(&mut runs.iter().map(part).collect::<Vec<_>>(), 50);
        let memory = of(|run| Duration::from_nanos(run.memory_bytes));
        Self {
            time: of(|run| run.time),
            processor: of(|run| run.processor),
            memory_bytes: u64::try_from(memory.as_nanos()).unwrap(),
        }
    }

    /// Nanoseconds, nanoseconds of the processor, bytes.
    fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<f64>().ok());
        let mut next = || numbers.next().flatten();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "nanoseconds and bytes are far from the bounds"
        )]
        let run = Self {
            time: Duration::from_nanos(next()? as u64),
            processor: Duration::from_nanos(next()? as u64),
            memory_bytes: next()? as u64,
        };
        Some(run)
    }
}
