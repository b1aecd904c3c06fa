//! Event source mappings: what Lambda reads for a function.

pub(crate) mod queue;
pub(crate) mod stream;

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;

use crate::events::Failure;
use crate::policy::texts;

/// How a batch went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// These items failed.
    Partly(BTreeSet<String>),
    /// All of it failed; the reason.
    Failed(String),
}

/// Whether a mapping's function reports the items that failed.
pub(crate) fn reports_items(properties: &Value) -> bool {
    texts(properties.get("FunctionResponseTypes")).iter().any(|kind| kind == "ReportBatchItemFailures")
}

/// Reads an answer as Lambda does: an empty list is a success, an item that was not in the batch fails all of it.
pub(crate) fn outcome(answer: Result<Bytes, Failure>, reports: bool, known: &[&str]) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return Outcome::Failed(failure.to_string()),
    };
    if !reports || answer.is_empty() {
        return Outcome::Done;
    }
    let Ok(answer) = serde_json::from_slice::<Value>(&answer) else {
        return Outcome::Failed("the answer is not JSON".to_owned());
    };
    let failures = match answer.get("batchItemFailures") {
        None | Some(Value::Null) => return Outcome::Done,
        Some(Value::Array(failures)) => failures,
        Some(other) => return Outcome::Failed(format!("batchItemFailures is not a list: {other}")),
    };
    let mut items = BTreeSet::new();
    for failure in failures {
        match failure.get("itemIdentifier").and_then(Value::as_str).filter(|item| known.contains(item)) {
            Some(item) => drop(items.insert(item.to_owned())),
            None => return Outcome::Failed(format!("an item failed that was not in the batch: {failure}")),
        }
    }
    if items.is_empty() { Outcome::Done } else { Outcome::Partly(items) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answer: &str) -> Outcome {
        outcome(Ok(Bytes::from(answer.to_owned())), true, &["a", "b"])
    }

    #[test]
    fn answers_mean_what_lambda_says() {
        for success in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            assert_eq!(of(success), Outcome::Done, "{success}");
        }
        assert_eq!(
            of(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#),
            Outcome::Partly(BTreeSet::from(["b".to_owned()]))
        );
        for failure in [
            r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{}]}"#,
        ] {
            assert!(matches!(of(failure), Outcome::Failed(_)), "{failure}");
        }
        assert!(matches!(outcome(Err(Failure::Throttled), true, &[]), Outcome::Failed(_)));
        assert_eq!(
            outcome(Ok(Bytes::from_static(br#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#)), false, &["b"]),
            Outcome::Done
        );
    }
}
