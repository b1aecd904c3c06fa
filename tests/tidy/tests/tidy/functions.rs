//! Every function has the same shape and says what it is.

use std::fs;

use tidy::{FUNCTIONS, logical_id, root, template};

use crate::none;

#[test]
fn every_function_has_a_readme_an_api_document_and_sample_events() {
    let mut findings = Vec::new();
    for name in FUNCTIONS {
        let folder = root().join("functions").join(name);
        for file in ["README.md", "openapi.json", "Cargo.toml", "src/main.rs", "src/lib.rs"] {
            if !folder.join(file).is_file() {
                findings.push(format!("functions/{name}/{file}"));
            }
        }
        let mut events = 0;
        for entry in fs::read_dir(folder.join("events")).into_iter().flatten().filter_map(Result::ok) {
            let text = fs::read(entry.path()).unwrap();
            assert!(
                serde_json::from_slice::<serde_json::Value>(&text).is_ok(),
                "{} is not JSON",
                entry.path().display()
            );
            events += 1;
        }
        if events == 0 {
            findings.push(format!("functions/{name}/events/*.json"));
        }
    }
    none("missing", &findings);
}

#[test]
fn main_is_thin() {
    let mut findings = Vec::new();
    for name in FUNCTIONS {
        let lines = fs::read_to_string(root().join("functions").join(name).join("src/main.rs"))
            .unwrap_or_default()
            .lines()
            .count();
        if lines > 25 {
            findings.push(format!("functions/{name}/src/main.rs: {lines} lines"));
        }
    }
    none("more than 25 lines", &findings);
}

#[test]
fn only_the_store_names_the_database() {
    let mut findings = Vec::new();
    for text in tidy::texts().unwrap() {
        let Some(inside) = text.path.strip_prefix("functions/").and_then(|path| path.split_once("/src/")) else {
            continue;
        };
        let is_store = inside.1 == "store.rs" || inside.1.starts_with("store/");
        if !is_store && text.content.contains("aws_sdk_dynamodb") {
            findings.push(text.path);
        }
    }
    none("the SDK belongs into src/store.rs", &findings);
}

#[test]
fn every_alarm_has_a_line_in_a_runbook() {
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let mut findings = Vec::new();
    for alarm in template::resources(&template).iter().filter(|resource| resource.kind == "AWS::CloudWatch::Alarm") {
        let owner = FUNCTIONS.iter().find(|name| alarm.id.starts_with(&logical_id(name)));
        let readme = owner.map_or_else(|| "README.md".to_owned(), |name| format!("functions/{name}/README.md"));
        let text = fs::read_to_string(root().join(&readme)).unwrap_or_default();
        if !text.contains(&alarm.id) {
            findings.push(format!("{readme} says nothing of `{}`", alarm.id));
        }
        if !alarm.lines.iter().any(|line| line.ends_with(&format!("Runbook in {readme}."))) {
            findings.push(format!("{} does not point to {readme}", alarm.id));
        }
    }
    none("an alarm that nobody can act upon", &findings);
}
