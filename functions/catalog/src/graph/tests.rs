use serde_json::json;
use shared::event::Visibility;
use shared::id::OrganizationId;
use shared::principal::Party;

use super::*;
use crate::domain::ServiceRef;

const WEATHER: &str = "api_01h455vb4pex5vsknk084sn02q";
const TIDES: &str = "api_01h455vb4pex5vsknk084sn02t";
const MAPS: &str = "api_01h455vb4pex5vsknk084sn02m";
const APP: &str = "app_01h455vb4pex5vsknk084sn02a";
const OTHER_APP: &str = "app_01h455vb4pex5vsknk084sn02b";

fn party() -> Party {
    Party { id: OrganizationId::new(), slug: "acme".parse().unwrap() }
}

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn service(slug: &str, name: &str, owner: Option<&str>) -> Service {
    Service {
        id: ServiceId::new(),
        revision: 1,
        organization: party(),
        slug: slug.parse().unwrap(),
        name: name.parse().unwrap(),
        description: None,
        owner: owner.map(|owner| owner.parse().unwrap()),
        domain: None,
        repository: None,
        links: Vec::new(),
        lifecycle: Lifecycle::Production,
        created_at: at("2026-01-01T00:00:00Z"),
        updated_at: at("2026-01-01T00:00:00Z"),
    }
}

fn api(id: &str, slug: &str, service: Option<&Service>) -> Api {
    Api {
        id: id.parse().unwrap(),
        revision: 1,
        organization: party(),
        slug: slug.parse().unwrap(),
        number: 1,
        name: slug.parse().unwrap(),
        visibility: Visibility::Private,
        partners: Vec::new(),
        service: service.map(|service| ServiceRef { id: service.id, slug: service.slug.clone() }),
        upstream_url: None,
        cors: None,
        current: None,
        created_at: at("2026-01-01T00:00:00Z"),
        updated_at: at("2026-01-01T00:00:00Z"),
    }
}

fn subscribed(value: serde_json::Value) -> Vec<Subscribed> {
    serde_json::from_value(value).unwrap()
}

fn called(api: &str, slug: &str, calls: u64, hour: u32) -> serde_json::Value {
    json!({"number": 1, "api": api, "slug": slug, "calls": calls, "last_seen": format!("2026-01-09T{hour:02}:00:00Z")})
}

fn told() -> Vec<Subscribed> {
    subscribed(json!([
        {"subscription": "sub_1", "organization": "acme", "provider": "acme", "app": APP, "app_name": "Planner", "service": "planner",
            "apis": [called(WEATHER, "weather", 3, 10)], "complete_to": "2026-01-09T11:00:00Z"},
        {"subscription": "sub_2", "organization": "acme", "provider": "acme", "app": APP, "app_name": "Planner", "service": "planner",
            "apis": [called(WEATHER, "weather", 4, 9)], "complete_to": "2026-01-09T11:00:00Z"},
        {"subscription": "sub_3", "organization": "acme", "provider": "globe", "app": APP, "app_name": "Planner", "service": "planner",
            "apis": [called(MAPS, "maps", 1, 9)], "complete_to": "2026-01-09T11:00:00Z"},
        {"subscription": "sub_4", "organization": "beta", "provider": "acme", "app": OTHER_APP, "app_name": "\"]; click n0 href \"javascript:alert(1)",
            "apis": [called(WEATHER, "weather", 9, 8)], "complete_to": "2026-01-09T11:00:00Z"},
    ]))
}

#[test]
fn apps_that_are_one_service_are_one_caller_and_others_are_seen_by_app() {
    let forecasting = service("forecasting", "Forecasting", Some("Team Sky"));
    let services = [forecasting.clone(), service("planner", "Planner", None)];
    let apis =
        [api(WEATHER, "weather", Some(&forecasting)), api(TIDES, "tides", Some(&services[1])), api(MAPS, "old", None)];
    let graph = assemble(&"acme".parse().unwrap(), &services, &apis, &told(), Vec::new());
    let graph = serde_json::to_value(graph).unwrap();
    assert_eq!(
        graph["calls"],
        json!([
            {"app": OTHER_APP, "app_name": "\"]; click n0 href \"javascript:alert(1)", "organization": "beta", "api": WEATHER,
                "api_slug": "weather", "calls": 9, "last_called_at": "2026-01-09T08:00:00.000Z"},
            {"service": "planner", "api": WEATHER, "api_slug": "weather", "calls": 7, "last_called_at": "2026-01-09T10:00:00.000Z"},
            {"service": "planner", "provider": "globe", "api": MAPS, "api_slug": "maps", "calls": 1, "last_called_at": "2026-01-09T09:00:00.000Z"},
        ])
    );
    assert_eq!(graph["without_owner"], json!(["tides", "old"]));
    assert_eq!((&graph["complete"], graph.get("missing")), (&json!(true), None));
}

#[test]
fn a_foreign_organizations_word_for_its_service_is_not_taken() {
    let mut foreign = told().pop().unwrap();
    foreign.service = Some("forecasting".parse().unwrap());
    let services = [service("forecasting", "Forecasting", None)];
    let graph = assemble(&"acme".parse().unwrap(), &services, &[], &[foreign], Vec::new());
    assert_eq!(graph.calls[0].service, None);
    assert_eq!(graph.calls[0].app.map(|app| app.to_string()).as_deref(), Some(OTHER_APP));
}

#[test]
fn what_is_left_out_is_said() {
    let nameless = subscribed(json!([{"organization": "acme", "provider": "globe", "app": APP, "app_name": "P",
        "apis": [{"number": 7, "calls": 1, "last_seen": "2026-01-09T08:00:00Z"}]}]));
    let graph = assemble(&"acme".parse().unwrap(), &[], &[], &nameless, Vec::new());
    assert!(!graph.complete && graph.calls.is_empty() && graph.missing.len() == 1, "{graph:?}");
    let graph = assemble(&"acme".parse().unwrap(), &[], &[], &[], vec!["So.".to_owned()]);
    assert!(!graph.complete);
    assert!(mermaid(&graph).contains("%% not complete"));
}

#[test]
fn a_diagram_names_everything_by_numbers_and_keeps_foreign_texts_in_their_quotes() {
    let forecasting = service("forecasting", "Forecasting <b>&lt;\"x\"", Some("Team | Sky"));
    let apis = [api(WEATHER, "weather", Some(&forecasting))];
    let services = [forecasting, service("planner", "Planner", None)];
    let graph = assemble(&"acme".parse().unwrap(), &services, &apis, &told(), Vec::new());
    assert_eq!(
        mermaid(&graph),
        "flowchart LR
  n0[\"Forecasting  b  lt  x  - Team   Sky\"]
  n1[\"Planner\"]
  n2([\"weather\"])
  n3{{\"beta:     click n0 href  javascript:alert 1\"}}
  n4([\"globe: maps\"])
  n0 -->|offers| n2
  n3 -.->|9 calls| n2
  n1 -.->|7 calls| n2
  n1 -.->|1 calls| n4
"
    );
}

#[test]
fn a_diagram_is_bounded() {
    let many: Vec<_> = (0..600)
        .map(|n| json!({"organization": "beta", "provider": "acme", "app": AppId::new(), "app_name": format!("A{n}"), "apis": [called(WEATHER, "weather", 1, 1)]}))
        .collect();
    let graph = assemble(&"acme".parse().unwrap(), &[], &[], &subscribed(json!(many)), Vec::new());
    let diagram = mermaid(&graph);
    assert_eq!(diagram.matches("-.->").count(), 500);
    assert!(diagram.ends_with("  %% and 100 more lines\n"), "{diagram}");
}
