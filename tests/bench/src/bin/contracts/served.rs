//! What measurements over HTTP have in common: the running system, calls that are timed, and the functions' memory.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bench::documents::{self, Edits, GITHUB_AFTER, GITHUB_BEFORE};
use bench::figures::megabytes;
use bench::generated;
use bench::sandbox::peak_bytes;
use dev::client::{Answer, Call};
use dev::say;
use journeys::{Platform, Settings};

use crate::Figure;

/// GitHub's pair, or, where it is absent, one of ours: its name, and both documents.
pub(crate) fn pair() -> (&'static str, [String; 2]) {
    if documents::are_there() {
        return ("GitHub's OpenAPI, 11 and 13 MB", [GITHUB_BEFORE, GITHUB_AFTER].map(documents::unpacked));
    }
    let before = generated::openapi(1_000);
    let after = Edits::default().of("openapi", &before);
    ("OpenAPI, 1,000 operations", [before, after])
}

pub(crate) fn settings(binaries: &Path) -> Settings {
    Settings { binaries: Some(binaries.to_owned()), ..Settings::default() }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn gunzip(answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    if answer.header("content-encoding") != "gzip" {
        return answer.body.to_vec();
    }
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&answer.body[..]), &mut bytes).unwrap();
    bytes
}

/// Makes a call once to warm everything up, and then so many times; each answer with what it took.
pub(crate) async fn timed(platform: &Platform, call: Call, status: u16, times: usize) -> Vec<(Duration, Answer)> {
    let mut answers = Vec::new();
    for round in 0..=times {
        let call = call.clone();
        let start = Instant::now();
        let answer = platform.send(call).await;
        let time = start.elapsed();
        assert_eq!(answer.status.as_u16(), status, "{}", answer.refused());
        say(&format!("  {:.3} s", time.as_secs_f64()));
        if round > 0 {
            answers.push((time, answer));
        }
    }
    answers
}

/// The most memory that any process of each function had, which must be below what the template gives it.
pub(crate) fn memory(platform: &Platform, what: &str, functions: &[&str]) -> Vec<Figure> {
    let of = |function: &&str| {
        let resource = &platform.cloud().template().resources[*function];
        let mib = resource.properties["MemorySize"].as_u64().unwrap();
        let pids = platform.cloud().processes(function);
        let most = pids.into_iter().map(peak_bytes).max().unwrap_or(0);
        assert!(most > 0, "{function} does not run");
        Figure::of_function(what, &function.to_lowercase(), most, megabytes(mib << 20))
    };
    functions.iter().map(of).collect()
}
