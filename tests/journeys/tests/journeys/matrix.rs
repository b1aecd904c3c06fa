//! Every route of the control plane, tried by everybody. What is expected is computed from the functions' own API documents: who has the permission that a route
//! names may use it. What the documents do not say, whose a thing is and who else may see it, stands in [`entries::TABLE`], and a route that does not is a failure.

mod entries;
mod scene;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use journeys::{Answer, Call, Platform, together};
use serde_json::Value;
use shared::principal::{Permission, Role};

use crate::problem;
use entries::{Entry, Home, Sight, TABLE};
use scene::Scene;

/// So many routes are tried at once.
const AT_ONCE: usize = 4;

/// A route, as its document has it.
struct Route {
    method: String,
    path: String,
    /// Alternatives of permissions; an empty one means anyone.
    security: Vec<Vec<Permission>>,
}

impl Route {
    fn is_public(&self) -> bool {
        self.security.iter().any(Vec::is_empty)
    }

    fn allows(&self, role: Role) -> bool {
        self.security.iter().any(|permissions| permissions.iter().all(|permission| permission.is_of(role)))
    }
}

fn permission(text: &str) -> Permission {
    *Permission::ALL
        .iter()
        .find(|permission| permission.as_str() == text)
        .unwrap_or_else(|| panic!("{text} is no permission"))
}

/// All operations of all documents, by id.
async fn routes(platform: &Platform) -> BTreeMap<String, Route> {
    let mut routes = BTreeMap::new();
    let list = platform.expect(Call::get("/v1/openapi.json"), 200).await;
    let documents = list["documents"].as_array().unwrap();
    assert_eq!(documents.len(), dev::workspace::functions().unwrap().len(), "a document for every function");
    for document in documents {
        let document = platform.expect(Call::get(document["path"].as_str().unwrap()), 200).await;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in
                item.as_object().unwrap().iter().filter(|(_, operation)| operation["responses"].is_object())
            {
                let id = operation["operationId"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{method} {path} has no operationId"))
                    .to_owned();
                let security =
                    operation["security"].as_array().unwrap_or_else(|| panic!("{id} says nothing of security"));
                let alternative = |alternative: &Value| match alternative.get("token") {
                    Some(scopes) => scopes
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|scope| permission(scope.as_str().unwrap()))
                        .collect::<Vec<_>>(),
                    None => Vec::new(),
                };
                let security: Vec<_> = security.iter().map(alternative).collect();
                assert!(!security.is_empty(), "{id} names neither a permission nor everybody");
                let earlier =
                    routes.insert(id.clone(), Route { method: method.to_uppercase(), path: path.clone(), security });
                assert!(earlier.is_none(), "two operations are called {id}");
            }
        }
    }
    routes
}

/// What went otherwise than expected.
struct Findings(Vec<String>);

impl Findings {
    fn check(&mut self, who: &str, entry: &Entry, answer: &Answer, statuses: &[u16], kind: Option<&str>) {
        let right = statuses.contains(&answer.status.as_u16()) && kind.is_none_or(|kind| problem(answer) == kind);
        if !right {
            self.0.push(format!(
                "{} as {who}: expected {statuses:?} {}: {}",
                entry.operation,
                kind.unwrap_or_default(),
                answer.refused()
            ));
        }
    }
}

/// One route, tried by everybody.
async fn attempt(platform: &Platform, scene: &Scene, entry: &Entry, route: &Route) -> Vec<String> {
    let mut findings = Findings(Vec::new());
    let as_whom = |token: Option<&str>, ids: &scene::Ids| {
        let call = (entry.request)(ids);
        platform.send(match token {
            Some(token) => call.bearer(token),
            None => call,
        })
    };
    let refused =
        |token, kind| if route.is_public() { (token, entry.done, None) } else { (token, &[401_u16][..], Some(kind)) };
    let home = match entry.home {
        Home::Provider => &scene.provider,
        Home::Consumer => &scene.consumer,
    };
    let (none, statuses, kind) = refused(None, "unauthenticated");
    findings.check("nobody", entry, &as_whom(none, &scene.ids).await, statuses, kind);
    for (who, token, kind) in
        [("an expired token", &home.expired, "token-expired"), ("a revoked token", &home.revoked, "token-invalid")]
    {
        let (token, statuses, kind) = refused(Some(token.as_str()), kind);
        findings.check(who, entry, &as_whom(token, &scene.ids).await, statuses, kind);
    }

    let other = match entry.home {
        Home::Provider => &scene.consumer,
        Home::Consumer => &scene.provider,
    };
    for (who, token, sight) in
        [("a stranger", &scene.stranger, entry.stranger), ("the other side", &other.owner, entry.other)]
    {
        let answer = as_whom(Some(token), &scene.ids).await;
        match sight {
            Sight::Nothing => {
                findings.check(who, entry, &answer, &[404], Some("not-found"));
                let ghost = as_whom(Some(token), &scene.ghosts).await;
                if (answer.status, &answer.body, answer.header("content-type"))
                    != (ghost.status, &ghost.body, ghost.header("content-type"))
                {
                    findings.0.push(format!(
                        "{} as {who}: {} differs from what is not there: {}",
                        entry.operation,
                        answer.refused(),
                        ghost.refused()
                    ));
                }
            }
            Sight::Unnamed => {
                findings.check(who, entry, &answer, &[422], Some("validation-failed"));
                let ghost = as_whom(Some(token), &scene.ghosts).await;
                let without_instance = |answer: &Answer| {
                    let mut json = answer.json().unwrap_or_default();
                    json["instance"].take();
                    json
                };
                if without_instance(&answer) != without_instance(&ghost) {
                    findings.0.push(format!(
                        "{} as {who}: {} differs from what is not there: {}",
                        entry.operation,
                        answer.refused(),
                        ghost.refused()
                    ));
                }
            }
            Sight::Same => findings.check(who, entry, &answer, entry.done, None),
            Sight::Refused => findings.check(who, entry, &answer, &[403], Some("forbidden")),
        }
    }

    // Those with the fewest rights first: whoever may, changes something.
    for role in Role::ALL.iter().rev() {
        let token = home.roles.iter().find(|(own, _)| own == role).map(|(_, token)| token.as_str());
        let answer = as_whom(token, &scene.ids).await;
        let allowed = route.allows(*role) && entry.side_needs.is_none_or(|permission| permission.is_of(*role));
        let (statuses, kind) = if allowed { (entry.done, None) } else { (&[403][..], Some("forbidden")) };
        findings.check(&format!("{role:?}"), entry, &answer, statuses, kind);
    }
    findings.0
}

#[test]
fn every_route_answers_everybody_as_its_document_says() {
    together(async |platform| {
        let routes = routes(platform).await;
        let have: BTreeSet<&str> = routes.keys().map(String::as_str).collect();
        let know: BTreeSet<&str> = TABLE.iter().map(|entry| entry.operation).collect();
        assert_eq!(know.len(), TABLE.len(), "an operation has two entries");
        let unknown: Vec<String> =
            have.difference(&know).map(|id| format!("{id}: {} {}", routes[*id].method, routes[*id].path)).collect();
        assert!(unknown.is_empty(), "routes without an entry: {unknown:#?}");
        assert_eq!(know.difference(&have).collect::<Vec<_>>(), Vec::<&&str>::new(), "entries without a route");

        let scene = Scene::set(platform).await;
        let findings: Vec<String> =
            stream::iter(TABLE.iter().map(|entry| attempt(platform, &scene, entry, &routes[entry.operation])))
                .buffer_unordered(AT_ONCE)
                .flat_map(stream::iter)
                .collect()
                .await;
        assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    });
}
