//! A version is published when a check of its document against the current one has passed.

use house::{Answer, Who, party};
use serde_json::{Value, json};
use shared::event::{CheckMode, CheckPhase, CheckState, Envelope, PolicyState, State};
use shared::id::{CheckId, OrganizationId, VersionId};
use shared::principal::Role;
use shared::time::Time;

use crate::{House, WEATHER, member, new, upload};

const OWNER: Who<'static> = Who::Member("acme", Role::Owner);
const MINUTE_MS: i64 = 60_000;

/// A message of the queue with these events.
fn message(events: &[Envelope]) -> Value {
    let records = events.iter().zip(0..).map(|(event, number)| {
        let (body, attributes) = (json!({"detail": event}).to_string(), json!({"SentTimestamp": "1800000000000"}));
        json!({"messageId": format!("m{number}"), "eventSource": "aws:sqs", "body": body, "attributes": attributes})
    });
    json!({"Records": records.collect::<Vec<_>>()})
}

/// Tells the catalog a state, as `contracts` does.
pub(crate) async fn tell<S: State>(house: &House, state: &S) {
    let taken = house.send(&message(&[Envelope::of(state).unwrap()])).await;
    assert_eq!(taken, json!({"batchItemFailures": []}));
}

/// Says whether an API of `acme` needs checks.
pub(crate) async fn set(house: &House, api: &str, revision: u64, check: CheckMode) {
    tell(house, &policy(house, api, revision, check).await).await;
}

async fn policy(house: &House, api: &str, revision: u64, check: CheckMode) -> PolicyState {
    let id = house.get(OWNER, &format!("/v1/catalog/apis/{api}")).await.text("/id").parse().unwrap();
    PolicyState { id, revision, organization: party("acme").id, check }
}

/// The check of a version of `weather` against another one.
async fn check(house: &House, version: &str, base: Option<&str>, state: CheckPhase) -> CheckState {
    let shown = async |version: &str| {
        let answer = house.get(OWNER, &format!("/v1/catalog/apis/weather/versions/{version}")).await;
        answer.is(200)
    };
    let version = shown(version).await;
    let base: Option<VersionId> = match base {
        Some(base) => Some(shown(base).await["id"].as_str().unwrap().parse().unwrap()),
        None => None,
    };
    CheckState {
        id: CheckId::new(),
        revision: if state == CheckPhase::Pending { 1 } else { 2 },
        organization: party("acme").id,
        api: version["api"].as_str().unwrap().parse().unwrap(),
        base,
        document_sha256: version["document_sha256"].as_str().unwrap().to_owned(),
        root: String::new(),
        state,
        verdict: (state != CheckPhase::Pending).then(|| "compatible".into()),
        created_at: Time::from_ms(house.now_ms - MINUTE_MS),
        valid_until: None,
    }
}

async fn tell_check(house: &House, version: &str, base: &str, state: CheckPhase) -> CheckState {
    let check = check(house, version, Some(base), state).await;
    tell(house, &check).await;
    check
}

async fn publish(house: &House, version: &str) -> Answer {
    house.post(OWNER, &format!("/v1/catalog/apis/weather/versions/{version}/publish"), &json!({})).await
}

async fn current(house: &House) -> String {
    house.get(OWNER, "/v1/catalog/apis/weather").await.text("/current/version")
}

/// `weather` with `1.0.0`, which is published, and the drafts `2.0.0`, `3.0.0`, each with another document.
async fn weather() -> House {
    let house = new().await;
    house.post(OWNER, "/v1/catalog/apis", &json!({"slug": "weather", "name": "Weather"})).await.is(201);
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        let document = WEATHER.replace("1.0.0", version);
        upload(&house, OWNER, "weather", version, document.as_bytes()).await.is(201);
    }
    publish(&house, "1.0.0").await.is(200);
    house.door.heard();
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn another_document_is_published_only_after_a_check_that_passed() {
    let house = weather().await;
    let nothing_changed = async |house: &House| {
        assert_eq!(current(house).await, "1.0.0");
        let version = house.get(OWNER, "/v1/catalog/apis/weather/versions/2.0.0").await.is(200);
        assert_eq!((&version["state"], &version["revision"]), (&json!("draft"), &json!(1)));
        assert_eq!(house.door.heard(), [], "the door is told nothing");
    };
    let hint = "`POST /v1/contracts/checks?api=weather&version=2.0.0`";
    let refused = publish(&house, "2.0.0").await;
    assert_eq!(refused.problem(), (409, "check-required", "/path/version"));
    assert!(refused.text("/detail").contains(hint), "{refused:?}");
    assert_eq!(refused.text("/errors/0/detail"), refused.text("/detail"));
    assert_eq!(refused.headers.get("retry-after"), None);
    nothing_changed(&house).await;

    let mut check = tell_check(&house, "2.0.0", "1.0.0", CheckPhase::Pending).await;
    let report = format!("`GET /v1/contracts/checks/{}`", check.id);
    let refused = publish(&house, "2.0.0").await;
    assert_eq!(refused.problem(), (409, "check-pending", "/path/version"));
    assert_eq!(refused.headers["retry-after"], "1");
    assert!(refused.text("/detail").contains(hint) && refused.text("/detail").contains(&report), "{refused:?}");
    nothing_changed(&house).await;

    (check.revision, check.state, check.verdict) = (2, CheckPhase::Failed, Some("breaking".into()));
    tell(&house, &check).await;
    let refused = publish(&house, "2.0.0").await;
    assert_eq!(refused.problem(), (409, "check-failed", "/path/version"));
    assert!(refused.text("/detail").contains(hint) && refused.text("/detail").contains(&report), "{refused:?}");
    assert_eq!(refused.headers.get("retry-after"), None);
    nothing_changed(&house).await;

    let mut approved = self::check(&house, "2.0.0", Some("1.0.0"), CheckPhase::Passed).await;
    approved.created_at = check.created_at.plus_ms(1);
    tell(&house, &approved).await;
    publish(&house, "2.0.0").await.is(200);
    assert_eq!(current(&house).await, "2.0.0");
    assert!(!house.door.heard().is_empty());
    house.tells_all_again().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_another_document_against_another_version_or_of_another_organization_does_not_count() {
    let house = weather().await;
    tell_check(&house, "3.0.0", "1.0.0", CheckPhase::Passed).await;
    tell_check(&house, "2.0.0", "3.0.0", CheckPhase::Passed).await;
    tell(&house, &check(&house, "2.0.0", None, CheckPhase::Passed).await).await;
    let foreign = check(&house, "2.0.0", Some("1.0.0"), CheckPhase::Passed).await;
    tell(&house, &CheckState { organization: party("globex").id, ..foreign.clone() }).await;
    assert_eq!(publish(&house, "2.0.0").await.kind(), (409, "check-required"));
    // Nor does the policy of somebody else.
    let policy = policy(&house, "weather", 1, CheckMode::Off).await;
    tell(&house, &PolicyState { organization: OrganizationId::new(), ..policy }).await;
    assert_eq!(publish(&house, "2.0.0").await.kind(), (409, "check-required"));
    assert_eq!(house.get(OWNER, "/v1/catalog/apis/weather").await.text("/check"), "required");
    assert_eq!(current(&house).await, "1.0.0");
    // An API of the same name with the same documents, in an organization of its own.
    let globex = member("globex", Role::Owner);
    house.post(globex, "/v1/catalog/apis", &json!({"slug": "weather", "name": "Weather"})).await.is(201);
    for version in ["1.0.0", "2.0.0"] {
        let document = WEATHER.replace("1.0.0", version);
        upload(&house, globex, "weather", version, document.as_bytes()).await.is(201);
    }
    tell_check(&house, "2.0.0", "1.0.0", CheckPhase::Passed).await;
    let theirs = async |version: &str| {
        house.post(globex, &format!("/v1/catalog/apis/weather/versions/{version}/publish"), &json!({})).await
    };
    theirs("1.0.0").await.is(200);
    assert_eq!(theirs("2.0.0").await.kind(), (409, "check-required"));
    let line = "POST /v1/catalog/apis/weather/versions/2.0.0/publish";
    let stranger = house.call(member("other", Role::Owner), line, &[], None).await;
    assert_eq!(stranger.kind(), (404, "not-found"), "a stranger learns nothing of checks");
    let viewer = house.call(member("acme", Role::Viewer), line, &[], None).await;
    assert_eq!(viewer.kind(), (403, "forbidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_counts_against_the_version_that_it_was_made_for() {
    let house = weather().await;
    tell_check(&house, "2.0.0", "1.0.0", CheckPhase::Passed).await;
    tell_check(&house, "3.0.0", "1.0.0", CheckPhase::Passed).await;
    publish(&house, "3.0.0").await.is(200);
    let refused = publish(&house, "2.0.0").await;
    assert_eq!(refused.kind(), (409, "check-required"));
    assert!(refused.text("/detail").contains("`2.0.0` against the published version `3.0.0`"), "{refused:?}");
    assert_eq!(current(&house).await, "3.0.0");
    // Back to the older one needs a check too; what is current is published once more without any.
    assert_eq!(publish(&house, "1.0.0").await.kind(), (409, "check-required"));
    publish(&house, "3.0.0").await.is(200);
    tell_check(&house, "1.0.0", "3.0.0", CheckPhase::Passed).await;
    publish(&house, "1.0.0").await.is(200);
    assert_eq!(current(&house).await, "1.0.0");
    publish(&house, "2.0.0").await.is(200);
    assert_eq!(current(&house).await, "2.0.0", "the check against 1.0.0 counts again");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_versions_that_were_checked_against_the_same_one_only_the_first_is_published() {
    for _ in 0..8 {
        let house = weather().await;
        tell_check(&house, "2.0.0", "1.0.0", CheckPhase::Passed).await;
        tell_check(&house, "3.0.0", "1.0.0", CheckPhase::Passed).await;
        let (one, other) = tokio::join!(publish(&house, "2.0.0"), publish(&house, "3.0.0"));
        let (published, refused) = if one.status == 200 { (one, other) } else { (other, one) };
        assert_eq!(published.is(200)["version"], current(&house).await);
        assert_eq!(refused.kind(), (409, "check-required"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_current_document_under_another_name_needs_no_check() {
    let house = weather().await;
    upload(&house, OWNER, "weather", "1.0.1", WEATHER.as_bytes()).await.is(201);
    publish(&house, "1.0.1").await.is(200);
    assert_eq!(current(&house).await, "1.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_retires_gives_way_to_the_one_before_without_a_check() {
    let house = weather().await;
    tell_check(&house, "2.0.0", "1.0.0", CheckPhase::Passed).await;
    publish(&house, "2.0.0").await.is(200);
    let sunset = json!({"sunset_at": "2027-06-01T00:00:00Z"});
    house.post(OWNER, "/v1/catalog/apis/weather/versions/2.0.0/deprecate", &sunset).await.is(200);
    house.post(OWNER, "/v1/catalog/apis/weather/versions/2.0.0/retire", &json!({})).await.is(200);
    assert_eq!(current(&house).await, "1.0.0");
    assert_eq!(publish(&house, "2.0.0").await.kind(), (409, "state-conflict"), "what is retired stays so");
}

#[tokio::test(flavor = "multi_thread")]
async fn order_and_repetition_of_events_change_nothing() {
    let house = weather().await;
    let at = |mut check: CheckState, ms: i64| {
        check.created_at = Time::from_ms(house.now_ms - MINUTE_MS + ms);
        check
    };
    // The oldest passed, the next failed, the newest passed: and each of them began.
    let mut events = Vec::new();
    for (state, ms) in [(CheckPhase::Passed, 0), (CheckPhase::Failed, 1), (CheckPhase::Passed, 2)] {
        let complete = at(check(&house, "2.0.0", Some("1.0.0"), state).await, ms);
        let began = CheckState { revision: 1, state: CheckPhase::Pending, verdict: None, ..complete.clone() };
        events.extend([Envelope::of(&began).unwrap(), Envelope::of(&complete).unwrap()]);
    }
    let newest = |check: &CheckState| {
        let kept = events.iter().map(|event| event.state::<CheckState>().unwrap().unwrap());
        kept.filter(|other| (other.state == CheckPhase::Pending) == (check.state == CheckPhase::Pending))
            .max_by_key(|other| other.created_at)
            .unwrap()
    };
    let api = events[0].state::<CheckState>().unwrap().unwrap().api.to_string();
    // Some of all orders, each of them twice over and in messages of two.
    for step in [1, 5, 7, 11] {
        let rows = house.table.list::<CheckState>(&api, "CHECK#", None, 10).await.unwrap().rows;
        for row in rows {
            let phase = if row.state == CheckPhase::Pending { "PENDING" } else { "COMPLETE" };
            let sk = format!("CHECK#{}#{}#{phase}", row.document_sha256, row.base.unwrap());
            let mut transaction = house.table.transaction();
            transaction.delete("row", &api, sk, None).unwrap();
            transaction.commit().await.unwrap();
        }
        let shuffled: Vec<Envelope> = (0..12).map(|n| events[(n * step + step) % 6].clone()).collect();
        for pair in shuffled.chunks(2) {
            assert_eq!(house.send(&message(pair)).await, json!({"batchItemFailures": []}));
        }
        let rows = house.table.list::<CheckState>(&api, "CHECK#", None, 10).await.unwrap().rows;
        assert_eq!(rows.len(), 2, "one for what is complete, one for what is not");
        for row in rows {
            assert_eq!(row, newest(&row), "step {step}");
        }
    }
    publish(&house, "2.0.0").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_broken_off_hides_an_older_one_for_ten_minutes_only() {
    let mut house = weather().await;
    tell_check(&house, "2.0.0", "1.0.0", CheckPhase::Passed).await;
    let mut pending = check(&house, "2.0.0", Some("1.0.0"), CheckPhase::Pending).await;
    pending.created_at = Time::from_ms(house.now_ms);
    tell(&house, &pending).await;
    assert_eq!(publish(&house, "2.0.0").await.kind(), (409, "check-pending"));
    house.now_ms += 10 * MINUTE_MS - 1;
    assert_eq!(publish(&house, "2.0.0").await.kind(), (409, "check-pending"));
    house.now_ms += 1;
    publish(&house, "2.0.0").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_passed_by_approvals_ends_with_them() {
    let mut house = weather().await;
    let mut passed = check(&house, "2.0.0", Some("1.0.0"), CheckPhase::Passed).await;
    passed.valid_until = Some(Time::from_ms(house.now_ms + 1));
    tell(&house, &passed).await;
    house.now_ms += 1;
    let refused = publish(&house, "2.0.0").await;
    assert_eq!(refused.problem(), (409, "check-required", "/path/version"));
    assert!(refused.text("/detail").contains("an approval that ended at 2027-01-15T08:00:00.001Z"), "{refused:?}");
    house.now_ms -= 1;
    publish(&house, "2.0.0").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_lifts_the_check_and_brings_it_back() {
    let house = weather().await;
    let shown = async || house.get(OWNER, "/v1/catalog/apis/weather").await.text("/check");
    assert_eq!(shown().await, "required");
    set(&house, "weather", 1, CheckMode::Off).await;
    assert_eq!(shown().await, "off");
    let change = json!({"name": "Sky"}).to_string();
    let changed = house.call(OWNER, "PATCH /v1/catalog/apis/weather", &[("if-match", "\"2\"")], &change).await;
    assert_eq!(changed.is(200), house.get(OWNER, "/v1/catalog/apis/weather").await.is(200));
    publish(&house, "2.0.0").await.is(200);
    set(&house, "weather", 2, CheckMode::Required).await;
    // The older one comes once more.
    set(&house, "weather", 1, CheckMode::Off).await;
    assert_eq!(shown().await, "required");
    assert_eq!(publish(&house, "3.0.0").await.kind(), (409, "check-required"));
    assert_eq!(current(&house).await, "2.0.0");
    let list = house.get(OWNER, "/v1/catalog/apis").await.is(200);
    assert_eq!(list["items"][0].get("check"), None, "a list does not look it up");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_of_its_own_is_not_taken_and_the_samples_are() {
    let house = new().await;
    let failures = json!({"batchItemFailures": [{"itemIdentifier": "m0"}]});
    let sample = |name: &str| -> Value {
        let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    for name in ["queue-check", "queue-policy"] {
        assert_eq!(house.send(&sample(name)).await, json!({"batchItemFailures": []}), "{name}");
    }
    let body: Value = serde_json::from_str(sample("queue-check")["Records"][0]["body"].as_str().unwrap()).unwrap();
    let event: Envelope = serde_json::from_value(body["detail"].clone()).unwrap();
    let mut digest = event.state::<CheckState>().unwrap().unwrap();
    digest.document_sha256 = "A".repeat(64);
    for (what, event) in [
        ("another type", Envelope { kind: "contracts.notice".into(), ..event.clone() }),
        ("no state", Envelope { data: "{}".into(), ..event.clone() }),
        ("a digest that is none", Envelope::of(&digest).unwrap()),
    ] {
        assert_eq!(house.send(&message(&[event])).await, failures, "{what}");
    }
    let gone = Envelope::tombstone::<CheckState>(event.id, 3);
    assert_eq!(house.send(&message(&[gone])).await, json!({"batchItemFailures": []}));
}
