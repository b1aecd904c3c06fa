//! Backstage's files: what becomes of their entities, and that importing is safe to repeat.

use house::Who;
use serde_json::{Value, json};
use shared::principal::Role;

use crate::{House, member, new};

const HARBOUR: &str = include_str!("harbour.yaml");
const PATH: &str = "/v1/catalog/imports/backstage";

async fn import(house: &House, who: Who<'_>, query: &str, file: &str) -> Value {
    let headers = [("content-type", "application/yaml")];
    house.call(who, &format!("POST {PATH}{query}"), &headers, file.as_bytes()).await.is(200)
}

fn counts(report: &Value) -> Value {
    json!([report["created"], report["updated"], report["unchanged"], report["skipped"]])
}

fn notes(entity: &str, report: &Value) -> Vec<String> {
    let entities = report["entities"].as_array().unwrap();
    let entity = entities.iter().find(|found| found["entity"] == entity).unwrap();
    entity["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn components_become_services_and_apis_become_apis_with_drafts() {
    let house = new().await;
    let who = member("acme", Role::Publisher);
    let report = import(&house, who, "", HARBOUR).await;
    assert_eq!((&report["dry_run"], counts(&report)), (&json!(false), json!([3, 0, 0, 1])), "{report}");
    let told: Vec<Value> = report["entities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entity| {
            let mut entity = entity.clone();
            entity.as_object_mut().unwrap().remove("notes");
            entity
        })
        .collect();
    assert_eq!(
        json!(told),
        json!([
            {"entity": "domain:default/navigation", "line": 2, "result": "read"},
            {"entity": "system:default/pilotage", "line": 7, "result": "read"},
            {"entity": "component:default/berth_planner", "line": 15, "result": "created", "service": "berth-planner"},
            {"entity": "api:default/berths", "line": 39, "result": "created", "api": "berths", "version": {"version": "1.0.0", "result": "created"}},
            {"entity": "api:default/signals", "line": 56, "result": "created", "api": "signals"},
            {"entity": "group:default/pilots", "line": 66, "result": "read"},
            {"entity": "resource:default/berths-db", "line": 71, "result": "skipped",
                "reason": "Entities of the kind `resource` have no counterpart here."},
        ])
    );
    assert_eq!(
        notes("component:default/berth_planner", &report),
        [
            "Its slug is `berth-planner`: a slug has lower-case letters, digits and single hyphens.",
            "`consumesApis` is not kept: who calls which API comes from its traffic.",
            "The link to `javascript:alert(1)` is not kept: only plain http and https addresses are.",
            "It provides `tides`, which is neither in the file nor in the catalog: import the API, then this file again.",
        ]
    );
    assert_eq!(
        notes("api:default/signals", &report),
        [
            "No component of the file provides it: its owner is not kept, because an API's owner is that of its service.",
            "The definition is not imported, because nothing is fetched (`$text: http://169.254.169.254/signals.yaml`): upload the document to `/v1/catalog/apis/signals/versions`.",
        ]
    );
    let service = house.get(who, "/v1/catalog/services/berth-planner").await.is(200);
    for (field, value) in [
        ("name", json!("Berth planner")),
        ("description", json!("Says which ship lies where.\nAnd until when.")),
        ("owner", json!("pilots")),
        ("domain", json!("navigation")),
        ("repository", json!("https://git.example/harbour/berths")),
        ("lifecycle", json!("experimental")),
        (
            "links",
            json!([{"title": "Dashboard", "url": "https://grafana.example/d/1?ship=a"}, {"title": "runbooks.example", "url": "https://runbooks.example"}]),
        ),
    ] {
        assert_eq!(service[field], value, "{field}");
    }
    let api = house.get(who, "/v1/catalog/apis/berths").await.is(200);
    assert_eq!(
        (&api["service"]["slug"], &api["visibility"], &api["name"]),
        (&json!("berth-planner"), &json!("private"), &json!("Berths"))
    );
    let version = house.get(who, "/v1/catalog/apis/berths/versions/1.0.0").await.is(200);
    assert_eq!((&version["state"], &version["operations"]), (&json!("draft"), &json!(1)));
    let document = house.get(who, "/v1/catalog/apis/berths/versions/1.0.0/document").await;
    assert!(document.bytes.starts_with(b"openapi: 3.1.0\ninfo:"), "{document:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn importing_again_changes_nothing_and_a_changed_file_changes_what_it_says() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    import(&house, who, "", HARBOUR).await;
    let told = house.outbox("").await.len();
    let again = import(&house, who, "", HARBOUR).await;
    assert_eq!(counts(&again), json!([0, 0, 3, 1]), "{again}");
    assert_eq!(again["entities"][3]["version"], json!({"version": "1.0.0", "result": "unchanged"}));
    assert_eq!(house.outbox("").await.len(), told, "nothing is told when nothing changed");

    // Changed by hand: what the file does not name stays, what it names is as the file has it.
    let by_hand = Some(json!({"name": "By hand", "lifecycle": "production"}));
    let line = "PATCH /v1/catalog/services/berth-planner";
    house.call(who, line, &[("if-match", "\"1\"")], by_hand).await.is(200);
    let changed = HARBOUR
        .replace("  lifecycle: experimental\n", "")
        .replace("listBerths", "allBerths")
        .replace("title: Berths\n", "title: All berths\n");
    let report = import(&house, who, "", &changed).await;
    assert_eq!(counts(&report), json!([0, 2, 1, 1]), "{report}");
    let service = house.get(who, "/v1/catalog/services/berth-planner").await.is(200);
    assert_eq!(
        (&service["name"], &service["lifecycle"], &service["revision"]),
        (&json!("Berth planner"), &json!("production"), &json!(3))
    );
    assert_eq!(house.get(who, "/v1/catalog/apis/berths").await.is(200)["name"], "All berths");
    let versions = house.all(who, "/v1/catalog/apis/berths/versions", 50).await;
    let names: Vec<&str> = versions.iter().map(|version| version["version"].as_str().unwrap()).collect();
    let sha256 = versions[1]["document_sha256"].as_str().unwrap();
    assert_eq!(
        names,
        ["1.0.0", &format!("1.0.0-{}", &sha256[..8])],
        "a version never changes: another document is another version"
    );
    let again = import(&house, who, "", &changed).await;
    assert_eq!(
        (counts(&again), &again["entities"][3]["version"]["result"]),
        (json!([0, 0, 3, 1]), &json!("unchanged"))
    );
    import(&house, who, "", HARBOUR).await;
    assert_eq!(house.all(who, "/v1/catalog/apis/berths/versions", 50).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_of_another_file_is_taken_by_its_component_unless_it_has_a_service() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    house.post(who, "/v1/catalog/apis", &json!({"slug": "tides", "name": "Tides"})).await.is(201);
    let report = import(&house, who, "", HARBOUR).await;
    let last = notes("component:default/berth_planner", &report).pop();
    assert_eq!(last.as_deref(), Some("It offers the API `tides`, which was in the catalog already."));
    assert_eq!(house.get(who, "/v1/catalog/apis/tides").await.is(200)["service"]["slug"], "berth-planner");
    let other =
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: other}\nspec: {providesApis: [tides]}\n";
    let report = import(&house, who, "", other).await;
    assert_eq!(
        notes("component:default/other", &report),
        ["The API `tides` stays with the service `berth-planner`, which offers it already."]
    );
    assert_eq!(counts(&import(&house, who, "", HARBOUR).await), json!([0, 0, 3, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    let dry = import(&house, who, "?dry_run=true", HARBOUR).await;
    assert_eq!(house.all(who, "/v1/catalog/services", 50).await, [Value::Null; 0]);
    assert_eq!(house.all(who, "/v1/catalog/apis", 50).await, [Value::Null; 0]);
    assert_eq!(house.outbox("").await, []);
    let mut done = import(&house, who, "?dry_run=false", HARBOUR).await;
    done["dry_run"] = json!(true);
    assert_eq!(dry, done);
    let changed = HARBOUR.replace("listBerths", "allBerths").replace("experimental", "deprecated");
    let dry = import(&house, who, "?dry_run=true", &changed).await;
    assert_eq!(house.get(who, "/v1/catalog/services/berth-planner").await.is(200)["lifecycle"], "experimental");
    assert_eq!(house.all(who, "/v1/catalog/apis/berths/versions", 50).await.len(), 1);
    let mut done = import(&house, who, "", &changed).await;
    assert_eq!(counts(&done), json!([0, 2, 1, 1]));
    done["dry_run"] = json!(true);
    assert_eq!(dry, done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_cannot_be_read_is_told_with_its_line_and_its_api_is_made() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    let file = |kind: &str, definition: &str| {
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {{name: berths}}\nspec:\n  type: {kind}\n  definition: {definition}\n"
        )
    };
    for (kind, definition, said) in [
        ("openapi", "\"openapi: 3.1.0\\ninfo: [\\n\"", "The definition is not imported: line "),
        ("asyncapi", "'asyncapi: 3.0.0'", "The definition is not imported: "),
        ("graphql", "'type Query { a: }'", "The definition is not imported: line 1 of it: "),
        ("openapi", "[a]", "The definition is not imported, because it is not a text"),
        ("trpc", "'x'", "The definition is not imported: "),
    ] {
        let report = import(&house, who, "", &file(kind, definition)).await;
        let notes = notes("api:default/berths", &report);
        assert!(notes.len() == 1 && notes[0].starts_with(said), "{kind} {definition}: {notes:?}");
    }
    let report = import(&house, who, "", &file("graphql", "'type Query { ship: String }'")).await;
    let version = &report["entities"][0]["version"];
    assert_eq!((version["result"].as_str(), version["version"].as_str().map(str::len)), (Some("created"), Some(12)));
    assert_eq!(house.all(who, "/v1/catalog/apis/berths/versions", 50).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_imported_by_who_may_change_the_catalog_and_into_no_other_organization() {
    let house = new().await;
    let import_by = async |who| house.call(who, &format!("POST {PATH}"), &[], HARBOUR.as_bytes()).await;
    assert_eq!(import_by(Who::Anyone).await.kind(), (401, "unauthenticated"));
    for role in [Role::Developer, Role::Viewer, Role::Billing] {
        assert_eq!(import_by(member("acme", role)).await.kind(), (403, "forbidden"), "{role:?}");
    }
    import_by(member("acme", Role::Owner)).await.is(200);
    let stranger = member("other", Role::Owner);
    assert_eq!(house.get(stranger, "/v1/catalog/services/berth-planner").await.status, 404);
    assert_eq!(house.all(stranger, "/v1/catalog/apis", 50).await, [Value::Null; 0]);
    let own = import_by(stranger).await.is(200);
    assert_eq!(counts(&own), json!([3, 0, 0, 1]), "what another organization has is nothing to this one");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_of_backstage_is_refused() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    let send = async |query: &str, body: &[u8]| house.call(who, &format!("POST {PATH}{query}"), &[], body).await;
    assert_eq!(
        send("?dry_run=perhaps", HARBOUR.as_bytes()).await.problem(),
        (400, "invalid-parameter", "/query/dry_run")
    );
    assert_eq!(send("?x=1", HARBOUR.as_bytes()).await.problem(), (400, "invalid-parameter", "/query/x"));
    assert_eq!(send("", b"").await.kind(), (422, "document-invalid"));
    let broken = send("", b"a: 1\nb: [\n").await;
    assert_eq!(broken.kind(), (422, "document-invalid"));
    assert!(broken.body["errors"][0]["line"].as_u64().is_some(), "{broken:?}");
    assert_eq!(send("", b"a: \xff\n").await.kind(), (422, "document-invalid"));
    assert_eq!(send("", &vec![b'#'; 1_000_001]).await.kind(), (413, "too-large"));
    let many = "a: 1\n---\n".repeat(501);
    let refused = send("", many.as_bytes()).await;
    assert_eq!((refused.kind(), &refused.body["errors"][0]["line"]), ((422, "document-invalid"), &json!(1_000)));
    assert_eq!(house.all(who, "/v1/catalog/services", 50).await, [Value::Null; 0]);
}
