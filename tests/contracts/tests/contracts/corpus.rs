//! The public corpus of pairs, scored as its score card says: `../shared/corpus/changes` and `scoring.json` beside the repository.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use catalog::readers::{Files, protobuf};
use catalog::upload::{self, Hint};
use contracts::compare::{Settings, compare};
use contracts::finding::{Comparison, Finding};
use serde_json::Value;
use shared::surface::Surface;

/// The formats that are compared: their scores are asserted. Others are not looked at.
const FORMATS: [&str; 3] = ["openapi", "graphql", "protobuf"];

/// The pairs, where the folder with them is beside the repository's.
pub(super) fn corpus() -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus"));
    if !path.is_dir() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path.to_owned())
}

pub(super) fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn gather(folder: &Path, at: &Path, files: &mut Files) {
    for entry in std::fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(folder, &path, files);
        } else {
            files.add(path.strip_prefix(folder).unwrap().to_str().unwrap(), std::fs::read(&path).unwrap());
        }
    }
}

fn surface(path: &Path) -> Surface {
    if path.is_dir() {
        let mut files = Files::default();
        gather(path, path, &mut files);
        let roots: Vec<&str> =
            files.paths().filter(|path| path.rsplit_once('.').is_some_and(|(_, ending)| ending == "proto")).collect();
        return protobuf::read(&files, &roots).unwrap_or_else(|refused| panic!("{}: {refused:?}", path.display())).0;
    }
    let mut bytes = std::fs::read(path).unwrap();
    let mut name = path.file_name().unwrap().to_str().unwrap();
    if let Some(inner) = name.strip_suffix(".gz") {
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
        (bytes, name) = (unpacked, inner);
    }
    let hint = Hint { filename: Some(name), ..Hint::default() };
    upload::read(&bytes, hint).unwrap_or_else(|refused| panic!("{}: {refused:?}", path.display())).surface
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A pair that is scored, with what comes of it.
pub(super) struct Scored {
    /// As the manifest has it.
    pub(super) pair: Value,
    pub(super) before: Surface,
    pub(super) after: Surface,
    pub(super) compared: Comparison,
}

/// The pairs of a format that are scored.
pub(super) fn pairs(corpus: &Path, scoring: &Value, format: &str) -> Vec<Scored> {
    let manifest = json(&corpus.join("changes/manifest.json"));
    let of_format = manifest.as_array().unwrap().iter().filter(|pair| pair["format"] == format);
    let scored = of_format.filter(|pair| scoring["pairs"]["skip"].get(pair["id"].as_str().unwrap()).is_none());
    scored
        .map(|pair| {
            let side = |key: &str| surface(&corpus.join("changes").join(pair[key].as_str().unwrap()));
            let (before, after) = (side("before"), side("after"));
            let compared = compare(&before, &after, Settings::default());
            Scored { pair: pair.clone(), before, after, compared }
        })
        .collect()
}

#[test]
fn verdicts_are_those_of_the_reference_engines() {
    let Some(corpus) = corpus() else { return };
    let scoring = json(&corpus.join("scoring.json"));
    let (mut right, mut all, mut breaking, mut false_clean) = (0.0, 0.0, 0.0, 0.0);
    for format in FORMATS {
        let (mut right_here, mut all_here) = (0.0, 0.0);
        for Scored { pair, compared, .. } in pairs(&corpus, &scoring, format) {
            let (id, expected) = (pair["id"].as_str().unwrap(), pair["verdict"].as_str().unwrap());
            let own = strings(&scoring["pairs"]["accept"][id]["verdicts"]);
            let accepted = if own.is_empty() { strings(&scoring["default_accept"][expected]) } else { own };
            let got = compared.verdict.word();
            all_here += 1.0;
            breaking += f64::from(u8::from(expected == "breaking"));
            if accepted.contains(&got) {
                right_here += 1.0;
            } else {
                println!("{id}: expected {accepted:?}, got {got}");
                for found in &compared.findings {
                    println!("    {:?} {} {}", found.severity, found.rule, found.summary);
                }
            }
            if expected == "breaking" && matches!(got, "compatible" | "identical") && !accepted.contains(&got) {
                false_clean += 1.0;
            }
        }
        println!("{format}: {right_here} of {all_here}");
        assert!(all_here > 0.0 && right_here / all_here >= 0.9, "{format}: {right_here} of {all_here}");
        right += right_here;
        all += all_here;
    }
    assert!(right / all >= 0.95, "{right} of {all}");
    assert!(
        false_clean <= 0.01 * f64::max(breaking, 1.0),
        "{false_clean} of {breaking} breaking pairs are called clean"
    );
}

/// The rules of ours that say what a rule of buf says.
fn ours(kind: &str) -> &'static [&'static str] {
    match kind {
        "FIELD_SAME_TYPE" | "FIELD_WIRE_JSON_COMPATIBLE_TYPE" | "FIELD_WIRE_COMPATIBLE_TYPE" => {
            &["protobuf-field-type-changed"]
        }
        "FIELD_SAME_NAME" | "FIELD_SAME_JSON_NAME" => &["protobuf-field-renamed"],
        "FIELD_SAME_CARDINALITY" | "FIELD_WIRE_COMPATIBLE_CARDINALITY" | "FIELD_WIRE_JSON_COMPATIBLE_CARDINALITY" => {
            &["protobuf-field-cardinality-changed"]
        }
        "MESSAGE_SAME_REQUIRED_FIELDS" => {
            &["protobuf-required-field-added", "protobuf-field-cardinality-changed", "protobuf-field-removed"]
        }
        "FIELD_NO_DELETE" | "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED" | "FIELD_NO_DELETE_UNLESS_NAME_RESERVED" => {
            &["protobuf-field-removed"]
        }
        "ENUM_VALUE_NO_DELETE"
        | "ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED"
        | "ENUM_VALUE_NO_DELETE_UNLESS_NAME_RESERVED" => &["protobuf-enum-value-removed"],
        "ENUM_VALUE_SAME_NAME" => &["protobuf-enum-value-renamed"],
        "MESSAGE_SAME_JSON_FORMAT" | "ENUM_SAME_JSON_FORMAT" => &["protobuf-message-json-changed"],
        "SERVICE_NO_DELETE" => &["protobuf-service-removed", "protobuf-service-moved"],
        "RPC_NO_DELETE" => &["protobuf-rpc-removed"],
        "FILE_NO_DELETE" => &["protobuf-file-removed"],
        "FILE_SAME_SYNTAX" => &["protobuf-file-syntax-changed"],
        "FILE_SAME_GO_PACKAGE" => &["protobuf-file-option-changed"],
        other => panic!("no rule of ours for {other}"),
    }
}

/// Whether a message or enumeration that buf calls deleted is covered by what is said of it, of what it stands in, or, for the entry of a map, of the field.
fn covers_deleted(found: &Finding, name: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace('_', "");
    let pointer = plain(found.before.as_ref().map_or("", |at| &at.pointer));
    let ends = |name: &str| format!(".{pointer}").ends_with(&format!(".{}", plain(name)));
    let removed = ["protobuf-message-removed", "protobuf-enum-removed", "protobuf-type-moved"];
    let outers = std::iter::successors(Some(name), |name| name.rsplit_once('.').map(|(outer, _)| outer));
    let is_field = found.rule.starts_with("protobuf-field-") && name.strip_suffix("Entry").is_some_and(ends);
    is_field || (removed.contains(&found.rule) && outers.into_iter().any(ends))
}

/// What an expected finding is about: the words between quotes of its text that name something, without letters that a map's entry does not share.
fn covers(found: &Finding, expected: &Value) -> bool {
    let text = expected["text"].as_str().unwrap();
    let quoted: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
    if matches!(expected["kind"].as_str(), Some("MESSAGE_NO_DELETE" | "ENUM_NO_DELETE")) {
        return covers_deleted(found, quoted[0]);
    }
    let after = |word: &str| text.split_once(word).and_then(|(_, rest)| rest.split('"').next()).map(str::to_owned);
    let plain = |text: &str| text.to_lowercase().replace('_', "");
    let places = [&found.before, &found.after].into_iter().flatten().map(|at| format!("{} {}", at.pointer, at.file));
    let told = plain(&format!("{} {}", found.summary, places.collect::<Vec<_>>().join(" ")));
    let mut names: Vec<String> = ["on message \"", "with name \"", "on enum \"", "on service \""]
        .iter()
        .filter_map(|word| after(word))
        .collect();
    if let Some(of_map) = names.iter().find_map(|name| name.strip_suffix("Entry")).map(str::to_owned) {
        names = vec![of_map];
    } else if names.is_empty() && !text.starts_with("File") {
        names.extend(quoted.first().map(|name| (*name).to_owned()));
    }
    ours(expected["kind"].as_str().unwrap()).contains(&found.rule)
        && names.iter().all(|name| told.contains(&plain(name)))
}

#[test]
fn every_finding_of_buf_is_covered_by_one_of_ours() {
    let Some(corpus) = corpus() else { return };
    let mut missed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut all = 0;
    for Scored { pair, compared, .. } in pairs(&corpus, &json(&corpus.join("scoring.json")), "protobuf") {
        for expected in pair["expected"].as_array().unwrap() {
            all += 1;
            if !compared.findings.iter().any(|found| covers(found, expected)) {
                let text = format!("{} {} {}", expected["kind"], expected["location"], expected["text"]);
                missed.entry(pair["id"].to_string()).or_default().push(text);
            }
        }
    }
    assert!(all > 100);
    assert!(missed.is_empty(), "{missed:#?}");
}
