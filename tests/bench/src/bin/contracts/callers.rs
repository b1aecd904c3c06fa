//! Ten thousand callers, each of an organization of its own: what `usage` is told of a subscription, its key and its grant. It is told by copies of what the
//! functions told of the one that is real, so that its table has what it would have had, by its own code, without sixty thousand calls of other functions.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use dev::say;
use futures_util::future::join_all;
use journeys::{Organization, Platform};
use serde_json::{Value, json};
use shared::event::{Envelope, KeyState, RoutesState, State, SubscriptionState};
use shared::id::{AppId, KeyId, OrganizationId, SubscriptionId};
use shared::meter::{Counter, GRANT_SK, GrantImage};

/// Subscriptions with calls.
pub(crate) const CALLERS: usize = 10_000;
/// Operations that each calls.
pub(crate) const OPERATIONS_EACH: usize = 5;
/// Subscriptions that one invocation tells of.
const AT_ONCE: usize = 25;
/// Invocations at once.
const PROCESSES: usize = 4;

/// The newest state of each resource of this type that was told.
fn told<S: State>(platform: &Platform) -> Vec<S> {
    let events = platform.cloud().events().archived("BusArchive").unwrap();
    let details = events.into_iter().map(|mut event| event["detail"].take());
    let envelopes = details.map(|detail| serde_json::from_value::<Envelope>(detail).unwrap());
    envelopes
        .filter(|envelope| envelope.kind == S::TYPE)
        .map(|envelope| serde_json::from_str(&envelope.data).unwrap())
        .collect()
}

/// What all copies are made of.
struct Original {
    subscription: SubscriptionState,
    key: KeyState,
    /// A counter of the published version, whatever its operation.
    counter: Counter,
    /// Its operations' numbers.
    operations: Vec<u32>,
    /// The hour that runs.
    hour: i64,
}

/// Has all of them call; answers the operations' ids.
pub(crate) async fn call(platform: &Platform, provider: &Organization) -> Vec<String> {
    let parts = told::<RoutesState>(platform);
    let routes: BTreeMap<u32, &String> =
        parts.iter().flat_map(|part| &part.routes).map(|route| (route.n, &route.operation)).collect();
    let key = told::<KeyState>(platform).pop().unwrap();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let original = Original {
        subscription: told::<SubscriptionState>(platform).pop().unwrap(),
        counter: Counter { key: key.number, api: parts[0].api_number, version: parts[0].version_number, operation: 0 },
        key,
        operations: routes.keys().copied().collect(),
        hour: i64::try_from(seconds / 3_600).unwrap(),
    };
    assert_eq!(original.subscription.provider.slug.to_string(), provider.slug);
    for first in (0..CALLERS).step_by(AT_ONCE * PROCESSES) {
        let told = (first..first + AT_ONCE * PROCESSES).step_by(AT_ONCE).map(|first| {
            let payloads = original.payloads(first..first + AT_ONCE);
            async move {
                for payload in payloads {
                    let answer = platform.cloud().invoke("Usage", payload).await.unwrap();
                    assert_eq!(answer, json!({ "batchItemFailures": [] }));
                }
            }
        });
        join_all(told).await;
        if first % 1_000 == 0 {
            say(&format!("  {first} of {CALLERS} callers"));
        }
    }
    platform.settled().await;
    routes.into_values().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

impl Original {
    /// What the queue and what the stream brings of so many copies.
    fn payloads(&self, numbers: Range<usize>) -> [Value; 2] {
        let (mut events, mut records) = (Vec::new(), Vec::new());
        for number in numbers {
            let (subscription, key) = copy(&self.subscription, &self.key, number);
            let all = self.operations.len();
            // Some operations have many callers and most have few, as it is.
            let called = (0..OPERATIONS_EACH).map(|nth| (number / (1 << (4 * nth)) * 7 + nth * 131) % all);
            let calls = 1 + u64::try_from(number % 90).unwrap();
            let counts =
                distinct(called, all).into_iter().map(|at| Counter { operation: self.operations[at], ..self.counter });
            let c = counts.map(|counter| (counter.to_string(), calls)).collect();
            let (pk, bh) = (subscription.id.to_string(), self.hour);
            records.push(record(&GrantImage { pk, v: 2, b: 1, bh, bv: 1, pr: 1, c, ..GrantImage::default() }));
            events.push(message(&subscription));
            events.push(message(&key));
        }
        [json!({ "Records": events }), json!({ "Records": records })]
    }
}

/// As many places as there were, each once.
fn distinct(places: impl Iterator<Item = usize>, all: usize) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    for mut place in places {
        while !seen.insert(place) {
            place = (place + 1) % all;
        }
    }
    seen
}

/// Another organization's subscription, and its key.
fn copy(subscription: &SubscriptionState, key: &KeyState, number: usize) -> (SubscriptionState, KeyState) {
    let mut subscription = subscription.clone();
    subscription.id = SubscriptionId::new();
    subscription.organization.id = OrganizationId::new();
    subscription.organization.slug = format!("caller-{number}").parse().unwrap();
    subscription.app = AppId::new();
    let key = KeyState { id: KeyId::new(), subscription: subscription.id, ..key.clone() };
    (subscription, key)
}

/// An event as the queue brings it.
fn message<S: State>(state: &S) -> Value {
    let body = json!({ "detail-type": "doorway", "detail": Envelope::of(state).unwrap() }).to_string();
    json!({
        "messageId": state.id(), "receiptHandle": "handle", "body": body, "eventSource": "aws:sqs", "attributes": { "SentTimestamp": "1767952801000" },
        "messageAttributes": {}, "md5OfBody": "", "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:inbox", "awsRegion": "eu-central-1"
    })
}

/// A new grant as the gateway's stream brings it.
fn record(image: &GrantImage) -> Value {
    let mut item = attribute(&serde_json::to_value(image).unwrap())["M"].take();
    item["sk"] = json!({ "S": GRANT_SK });
    json!({
        "eventID": image.pk, "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "eu-central-1",
        "eventSourceARN": "arn:aws:dynamodb:eu-central-1:123456789012:table/gateway/stream/2026-01-01T00:00:00.000",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_767_952_801, "Keys": { "pk": item["pk"], "sk": item["sk"] }, "NewImage": item,
            "SequenceNumber": "101", "SizeBytes": 400, "StreamViewType": "NEW_AND_OLD_IMAGES"
        }
    })
}

/// A value as DynamoDB writes it.
fn attribute(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            json!({ "M": members.iter().map(|(name, value)| (name.clone(), attribute(value))).collect::<serde_json::Map<_, _>>() })
        }
        Value::String(text) => json!({ "S": text }),
        number => json!({ "N": number.to_string() }),
    }
}
