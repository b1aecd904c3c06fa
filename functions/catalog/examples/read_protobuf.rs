//! Reads a folder of `.proto` files and says what that takes: `cargo run --release -p catalog --example read_protobuf -- folder [root …]`.
#![allow(clippy::print_stdout, clippy::unwrap_used)] // A tool for people.

use std::path::Path;
use std::time::Instant;

use catalog::readers::{Files, protobuf};

fn gather(folder: &Path, base: &Path, files: &mut Files) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, base, files);
        } else if path.extension().is_some_and(|ending| ending == "proto") {
            files.add(path.strip_prefix(base).unwrap().to_str().unwrap(), std::fs::read(&path).unwrap());
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, roots) = arguments.split_first().unwrap();
    let mut files = Files::default();
    gather(Path::new(folder), Path::new(folder), &mut files);
    let mut roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    if roots.is_empty() {
        roots = files.paths().collect();
    }
    let started = Instant::now();
    match protobuf::read(&files, &roots) {
        Err(refused) => println!("refused: {refused} {:?}:{:?}", refused.file, refused.line),
        Ok((surface, warnings)) => {
            let reading = started.elapsed();
            let bytes: usize = files.paths().filter_map(|path| files.get(path)).map(<[u8]>::len).sum();
            let packed = surface.pack();
            for warning in warnings.finish() {
                println!("{}:{}: {}: {}", warning.file, warning.line, warning.code, warning.message);
            }
            println!(
                "{} files, {bytes} bytes in {reading:?}; {} operations, {} types, {} elements; packed {} bytes; {}",
                files.len(),
                surface.operations.len(),
                surface.types.len(),
                surface.positions.len(),
                packed.len(),
                surface.digest,
            );
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
}
