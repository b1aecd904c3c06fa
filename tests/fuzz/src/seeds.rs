//! What the fuzzer begins with: small documents of ours, and those of the corpora where they are there.

use std::path::Path;

use catalog::readers::{Files, graphql, openapi, protobuf};
use dev::workspace;

use crate::archive;
use crate::mutate::INPUT_BYTES_MAX;
use crate::random::Random;
use crate::target::Target;

/// The words of a format: what its reader looks for.
#[must_use]
pub fn words(target: Target) -> Vec<&'static str> {
    let listed = match target {
        Target::OpenApi => include_str!("../seeds/openapi.words"),
        Target::Yaml => concat!(include_str!("../seeds/openapi.words"), include_str!("../seeds/yaml.words")),
        Target::GraphQl => include_str!("../seeds/graphql.words"),
        Target::Protobuf => include_str!("../seeds/protobuf.words"),
        Target::Archive => "PK\u{3}\u{4}\nPK\u{1}\u{2}\nPK\u{5}\u{6}\nustar\n../\n/\nopenapi\nx",
        Target::Unpack => {
            "[\n]\n,\n[]\n[[]]\n0\n1\n2\n5\n11\n4294967295\n18446744073709551615\n\"v\":1\n\"texts\":[\n\"tables\":"
        }
    };
    listed.lines().filter(|line| !line.is_empty()).collect()
}

/// The first inputs of a target.
#[must_use]
pub fn seeds(target: Target) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = match target {
        Target::OpenApi => split(include_bytes!("../seeds/openapi.txt")),
        Target::Yaml => split(include_bytes!("../seeds/yaml.txt")),
        Target::GraphQl => split(include_bytes!("../seeds/graphql.txt")),
        Target::Protobuf => split(include_bytes!("../seeds/protobuf.txt")),
        Target::Archive => return archives(),
        Target::Unpack => return packed(),
    };
    seeds.extend(corpus(target.ending()));
    seeds
}

/// Seeds stand one after another, with a line of `====` between.
fn split(text: &[u8]) -> Vec<Vec<u8>> {
    String::from_utf8_lossy(text).split("====\n").map(|seed| seed.as_bytes().to_vec()).collect()
}

/// The small documents of the corpora, by the ending of their names.
fn corpus(ending: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut folders = vec![workspace::root().join("../shared/corpus")];
    while let Some(folder) = folders.pop() {
        let mut paths: Vec<_> =
            std::fs::read_dir(&folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort_unstable();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if is_named(&path, ending)
                && let Ok(bytes) = std::fs::read(&path)
                && bytes.len() <= INPUT_BYTES_MAX / 4
            {
                found.push(bytes);
            }
        }
    }
    found
}

fn is_named(path: &Path, ending: &str) -> bool {
    let found = path.extension().and_then(|found| found.to_str()).unwrap_or_default();
    match ending {
        "yaml" => matches!(found, "yaml" | "yml"),
        "graphql" => matches!(found, "graphql" | "graphqls"),
        ending => found == ending,
    }
}

fn archives() -> Vec<Vec<u8>> {
    let documents: Vec<Vec<u8>> = [Target::OpenApi, Target::Yaml, Target::GraphQl, Target::Protobuf]
        .into_iter()
        .flat_map(seeds)
        .take(60)
        .collect();
    let mut random = Random::new(1);
    let mut seeds: Vec<Vec<u8>> = (0..60).map(|_| archive::build(&documents, &mut random)).collect();
    seeds.extend(documents.into_iter().take(20));
    seeds
}

fn packed() -> Vec<Vec<u8>> {
    let mut packed = Vec::new();
    for target in [Target::OpenApi, Target::GraphQl, Target::Protobuf] {
        let path = format!("a.{}", target.ending());
        for seed in seeds(target).into_iter().filter(|seed| seed.len() < 4_000).take(40) {
            let files = Files::one(&path, seed);
            let read = match target {
                Target::GraphQl => graphql::read(&files, &[&path]),
                Target::Protobuf => protobuf::read(&files, &[&path]),
                _ => openapi::read(&files, &[&path]),
            };
            packed.extend(read.ok().map(|(surface, _)| surface.pack()));
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds_that_are_read_and_words() {
        for target in Target::ALL {
            assert!(words(target).len() > 5, "{}", target.name());
            let most = seeds(target).iter().map(|seed| target.run(seed).0.len()).max();
            assert!(most > Some(15), "{}: {most:?}", target.name());
        }
    }
}
