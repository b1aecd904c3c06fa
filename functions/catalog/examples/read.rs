//! Reads a document and says what that takes: `cargo run --release -p catalog --example read -- openapi.json`.
#![allow(clippy::print_stdout, clippy::unwrap_used)] // A tool for people.

use std::time::Instant;

use catalog::upload::{Hint, read};

fn main() {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.rsplit('/').next();
        let started = Instant::now();
        match read(&bytes, Hint { filename: name, ..Hint::default() }) {
            Err(refused) => println!("{path}: refused: {refused}"),
            Ok(document) => {
                let reading = started.elapsed();
                let started = Instant::now();
                let packed = document.surface.pack();
                let surface = &document.surface;
                println!(
                    "{path}: {} bytes in {reading:?}; {} operations, {} types, {} elements, {} warnings; packed {} bytes ({} per mille) in {:?}; {}",
                    bytes.len(),
                    surface.operations.len(),
                    surface.types.len(),
                    surface.positions.len(),
                    document.warnings.len(),
                    packed.len(),
                    packed.len() * 1_000 / bytes.len().max(1),
                    started.elapsed(),
                    surface.digest,
                );
            }
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
}
