//! Which function a request goes to: the most specific route, as HTTP APIs select it.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::template::{Template, TemplateError};

/// The longest that an HTTP API waits for a function.
const INTEGRATION_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Variable(String),
    Greedy(String),
}

/// One route and what stands behind it.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// `GET /a/{b}`, `ANY /a/{proxy+}` or `$default`.
    pub(super) key: String,
    method: Option<String>,
    segments: Vec<Segment>,
    pub(super) function: String,
    pub(super) authorizer: Option<String>,
    pub(super) timeout: Duration,
}

/// All routes of the API.
#[derive(Debug, Default)]
pub(super) struct Routes {
    routes: Vec<Route>,
    default: Option<Route>,
}

impl Routes {
    /// Collects the `HttpApi` events of all functions.
    pub(super) fn read(
        template: &Template,
        api: &str,
        default_authorizer: Option<&str>,
    ) -> Result<Routes, TemplateError> {
        let mut routes = Routes::default();
        for function in template.of_kind("AWS::Serverless::Function") {
            for (name, event) in function.properties.get("Events").and_then(Value::as_object).into_iter().flatten() {
                if event.get("Type").and_then(Value::as_str) != Some("HttpApi") {
                    continue;
                }
                let at = |what: &str, message: &str| {
                    TemplateError::new(
                        format!("{}.Properties.Events.{name}.Properties.{what}", function.logical_id),
                        message,
                    )
                };
                let property = |path: &str| event.pointer(&format!("/Properties/{path}"));
                let text = |path: &str| property(path).and_then(Value::as_str);
                if text("ApiId").is_some_and(|id| id != api) {
                    return Err(at("ApiId", "the local cloud plays one HTTP API"));
                }
                if text("PayloadFormatVersion").is_some_and(|version| version != "2.0") {
                    return Err(at("PayloadFormatVersion", "the local cloud plays payload 2.0"));
                }
                let wait = property("TimeoutInMillis").map_or(Some(30_000), Value::as_u64).map(Duration::from_millis);
                let authorizer = match text("Auth/Authorizer") {
                    Some("NONE") => None,
                    other => other.or(default_authorizer).map(str::to_owned),
                };
                let path = text("Path").unwrap_or("$default");
                let method =
                    text("Method").unwrap_or("ANY").to_uppercase().replace("X-AMAZON-APIGATEWAY-ANY-METHOD", "ANY");
                let route = Route {
                    key: if path == "$default" { path.to_owned() } else { format!("{method} {path}") },
                    method: (method != "ANY").then_some(method),
                    segments: if path == "$default" {
                        Vec::new()
                    } else {
                        segments(path).map_err(|why| at("Path", &why))?
                    },
                    function: function.logical_id.clone(),
                    authorizer,
                    timeout: wait
                        .filter(|wait| *wait <= INTEGRATION_MAX)
                        .ok_or_else(|| at("TimeoutInMillis", "is more than an HTTP API waits"))?,
                };
                if path == "$default" {
                    routes.default = Some(route);
                } else if routes.routes.iter().any(|other| other.key == route.key) {
                    return Err(at("Path", "another event has this route"));
                } else {
                    routes.routes.push(route);
                }
            }
        }
        Ok(routes)
    }

    /// The route of a request and its path parameters. `path` is decoded.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<(&Route, BTreeMap<String, String>)> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let matching = self.routes.iter().filter(|route| route.method.as_deref().is_none_or(|m| m == method));
        matching
            .filter_map(|route| parameters(&route.segments, &parts).map(|found| (route, found)))
            .max_by_key(|(route, _)| (rank(&route.segments), route.method.is_some()))
            .or_else(|| self.default.as_ref().map(|route| (route, BTreeMap::new())))
    }
}

fn segments(path: &str) -> Result<Vec<Segment>, String> {
    let rest = path.strip_prefix('/').ok_or("a path begins with /")?;
    let list: Vec<Segment> = rest
        .split('/')
        .map(|part| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            Some(name) => name
                .strip_suffix('+')
                .map_or_else(|| Segment::Variable(name.to_owned()), |n| Segment::Greedy(n.to_owned())),
            None => Segment::Literal(part.to_owned()),
        })
        .collect();
    match list.iter().position(|s| matches!(s, Segment::Greedy(_))) {
        Some(index) if index + 1 != list.len() => Err("a greedy variable stands last".to_owned()),
        _ => Ok(list),
    }
}

fn parameters(segments: &[Segment], parts: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut parts = parts.iter();
    for segment in segments {
        match segment {
            Segment::Literal(text) => (parts.next()? == text).then_some(())?,
            Segment::Variable(name) => {
                let part = parts.next().filter(|part| !part.is_empty())?;
                found.insert(name.clone(), (*part).to_owned());
            }
            Segment::Greedy(name) => {
                let rest = parts.as_slice().join("/");
                if rest.is_empty() {
                    return None;
                }
                found.insert(name.clone(), rest);
                return Some(found);
            }
        }
    }
    parts.next().is_none().then_some(found)
}

/// Literals before variables before greedy ones, from left to right.
fn rank(segments: &[Segment]) -> Vec<u8> {
    segments
        .iter()
        .map(|segment| match segment {
            Segment::Literal(_) => 3,
            Segment::Variable(_) => 2,
            Segment::Greedy(_) => 1,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Routes {
        let text = r#"
Resources:
  Api: {Type: AWS::Serverless::HttpApi}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        A: {Type: HttpApi, Properties: {Path: /pets/dog/1, Method: GET}}
        B: {Type: HttpApi, Properties: {Path: "/pets/dog/{id}", Method: get}}
        C: {Type: HttpApi, Properties: {Path: "/pets/{proxy+}", Method: GET}}
        D: {Type: HttpApi, Properties: {Path: "/{proxy+}", Method: ANY}}
        E: {Type: HttpApi, Properties: {Path: /pets/dog/1, Method: ANY, Auth: {Authorizer: NONE}}}
        F: {Type: HttpApi, Properties: {Path: "/cats/{proxy+}", Method: ANY}}
        G: {Type: HttpApi, Properties: {Path: "/cats/public/{proxy+}", Method: GET}}
"#;
        Routes::read(&Template::parse(text, &BTreeMap::new()).unwrap(), "Api", Some("x")).unwrap()
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = table();
        let key = |method: &str, path: &str| routes.find(method, path).map(|(route, _)| route.key.as_str());
        assert_eq!(key("GET", "/pets/dog/1"), Some("GET /pets/dog/1"));
        assert_eq!(key("PUT", "/pets/dog/1"), Some("ANY /pets/dog/1"));
        assert_eq!(key("GET", "/pets/dog/2"), Some("GET /pets/dog/{id}"));
        assert_eq!(key("GET", "/pets/cat/1"), Some("GET /pets/{proxy+}"));
        assert_eq!(key("POST", "/test/5"), Some("ANY /{proxy+}"));
        assert_eq!(key("GET", "/cats/public/acme/x"), Some("GET /cats/public/{proxy+}"));
        assert_eq!(key("HEAD", "/cats/public/acme/x"), Some("ANY /cats/{proxy+}"));
        assert_eq!(key("GET", "/cats/mine"), Some("ANY /cats/{proxy+}"));
        assert_eq!(key("GET", "/"), None, "a greedy variable takes one segment at least");
    }

    #[test]
    fn parameters_are_named() {
        let routes = table();
        let found = |path: &str| routes.find("GET", path).unwrap().1;
        assert_eq!(found("/pets/dog/7"), BTreeMap::from([("id".to_owned(), "7".to_owned())]));
        assert_eq!(found("/pets/a/b c/d/"), BTreeMap::from([("proxy".to_owned(), "a/b c/d/".to_owned())]));
    }

    #[test]
    fn an_event_may_leave_the_default_authorizer() {
        let routes = table();
        assert_eq!(routes.find("GET", "/x").unwrap().0.authorizer.as_deref(), Some("x"));
        assert_eq!(routes.find("PUT", "/pets/dog/1").unwrap().0.authorizer, None);
    }
}
