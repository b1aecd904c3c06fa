//! Every sample payload is one that its function takes.

use std::fs;

use dev::workspace;
use journeys::together;
use serde_json::Value;

#[test]
fn every_sample_event_is_taken_by_its_real_function() {
    together(async |platform| {
        for function in workspace::functions().unwrap() {
            let folder = workspace::root().join("functions").join(&function).join("events");
            let mut files: Vec<_> = fs::read_dir(&folder)
                .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
                .map(|entry| entry.unwrap().path())
                .collect();
            files.sort();
            assert!(
                files.iter().any(|file| file.file_name().unwrap().to_string_lossy().starts_with("http")),
                "{function} has no sample of an HTTP call"
            );
            for file in files {
                let payload: Value = serde_json::from_slice(&fs::read(&file).unwrap())
                    .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                let answer = platform
                    .cloud()
                    .invoke(&workspace::logical_id(&function), payload.clone())
                    .await
                    .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                assert_eq!(
                    answer["batchItemFailures"].as_array().map_or(0, Vec::len),
                    0,
                    "{}: {answer}",
                    file.display()
                );
                let status = answer["statusCode"].as_u64().unwrap_or(200);
                // A sample names a host that is not there, so a question to another function stays without an answer: 503.
                assert!(status != 500, "{}: {answer}", file.display());
            }
        }
    });
}
