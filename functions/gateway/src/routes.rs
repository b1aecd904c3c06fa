//! The compiled routes of a version: which operation a call is.

use std::collections::{BTreeSet, HashMap};

use percent_encoding::percent_decode_str;
use shared::event::Route;

/// The routes of one version. Immutable, so it is kept as long as the sandbox lives.
#[derive(Debug, Default)]
pub struct Routes {
    by_length: HashMap<usize, Vec<Compiled>>,
}

#[derive(Debug)]
struct Compiled {
    segments: Vec<Segment>,
    route: Route,
}

/// A segment of a path template: literal texts with parameters between them.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    /// `{a}`, `v{a}.json`, `{a}:{b}`: the texts around the parameters.
    Pattern(Vec<String>),
}

/// What a call matches.
#[derive(Debug)]
pub enum Match<'a> {
    /// An operation.
    Operation(&'a Route),
    /// The path is known, with other methods.
    Methods(BTreeSet<&'a str>),
    /// Nothing.
    Nothing,
}

impl Routes {
    /// Compiles routes.
    #[must_use]
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut by_length: HashMap<usize, Vec<Compiled>> = HashMap::new();
        // Root fields of GraphQL have a name in the place of a path: no path leads to them.
        for route in routes.into_iter().filter(|route| route.path.starts_with('/')) {
            let segments: Vec<_> = split(&route.path).map(Segment::parse).collect();
            by_length.entry(segments.len()).or_default().push(Compiled { segments, route });
        }
        // Concrete paths come before templated ones (OpenAPI, "Path Templating Matching"): literals sort first.
        for candidates in by_length.values_mut() {
            candidates.sort_by(|a, b| a.segments.cmp(&b.segments));
        }
        Self { by_length }
    }

    /// Finds the operation of a call. `path` is percent-encoded and begins with `/`.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Match<'_> {
        let segments: Vec<_> = split(path).map(|segment| percent_decode_str(segment).decode_utf8_lossy()).collect();
        // An upstream may resolve these, some after they cut off `;…` or read `\\` as `/`: what would be matched is not what
        // would be called.
        let dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
        if segments.iter().any(|segment| dots(segment) || segment.contains(['/', '\\', '\0'])) {
            return Match::Nothing;
        }
        let mut methods = BTreeSet::new();
        for candidate in self.by_length.get(&segments.len()).into_iter().flatten() {
            if candidate.segments.iter().zip(&segments).all(|(template, segment)| template.matches(segment)) {
                if candidate.route.method == method {
                    return Match::Operation(&candidate.route);
                }
                methods.insert(candidate.route.method.as_str());
            }
        }
        if methods.is_empty() { Match::Nothing } else { Match::Methods(methods) }
    }
}

fn split(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

impl Segment {
    fn parse(text: &str) -> Self {
        let mut texts = vec![String::new()];
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((_, behind)) = after.split_once('}') else { break };
            if let Some(last) = texts.last_mut() {
                last.push_str(before);
            }
            texts.push(String::new());
            rest = behind;
        }
        if let Some(last) = texts.last_mut() {
            last.push_str(rest);
        }
        if texts.len() == 1 { Self::Literal(texts.swap_remove(0)) } else { Self::Pattern(texts) }
    }

    fn matches(&self, segment: &str) -> bool {
        match self {
            Self::Literal(text) => text == segment,
            Self::Pattern(texts) => {
                let Some((first, others)) = texts.split_first() else { return false };
                let Some(mut rest) = segment.strip_prefix(first.as_str()) else { return false };
                let Some((last, middle)) = others.split_last() else { return false };
                for text in middle {
                    // Every parameter takes at least one character.
                    let mut characters = rest.chars();
                    if characters.next().is_none() {
                        return false;
                    }
                    let Some(at) = characters.as_str().find(text.as_str()) else { return false };
                    rest = characters.as_str().get(at + text.len()..).unwrap_or_default();
                }
                rest.len() > last.len() && rest.ends_with(last.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn routes(paths: &[&str]) -> Routes {
        Routes::new(paths.iter().enumerate().map(|(n, path)| {
            let (method, path) = path.split_once(' ').unwrap();
            Route {
                n: u32::try_from(n).unwrap(),
                method: method.into(),
                path: path.into(),
                operation: (*path).into(),
                deprecated: false,
            }
        }))
    }

    fn found(routes: &Routes, method: &str, path: &str) -> String {
        match routes.find(method, path) {
            Match::Operation(route) => route.operation.clone(),
            Match::Methods(methods) => methods.into_iter().collect::<Vec<_>>().join(","),
            Match::Nothing => "-".into(),
        }
    }

    #[test]
    fn no_path_leads_to_a_root_field_of_graphql() {
        let routes = routes(&["QUERY users", "QUERY /me"]);
        assert_eq!(found(&routes, "QUERY", "/users"), "-");
        assert_eq!(found(&routes, "QUERY", "/me"), "/me");
    }

    #[test]
    fn concrete_paths_come_before_templated_ones() {
        let routes = routes(&[
            "GET /users/{id}",
            "GET /users/me",
            "POST /users",
            "GET /",
            "GET /files/{name}.json",
            "GET /repos/{a}...{b}",
            "GET /x/{id}:cancel",
        ]);
        for (path, expected) in [
            ("/users/me", "/users/me"),
            ("/users/7", "/users/{id}"),
            ("/users/a%20b", "/users/{id}"),
            ("/users/%2e%2e", "-"),
            ("/users/..", "-"),
            ("/users/..;x", "-"),
            ("/users/..%5Cadmin", "-"),
            ("/users/a;v=1", "/users/{id}"),
            ("/users/", "-"),
            ("/users", "POST"),
            ("/", "/"),
            ("/files/a.json", "/files/{name}.json"),
            ("/files/.json", "-"),
            ("/repos/v1...v2", "/repos/{a}...{b}"),
            ("/repos/v1..v2", "-"),
            ("/x/1:cancel", "/x/{id}:cancel"),
            ("/users/7/", "-"),
            ("/nothing", "-"),
        ] {
            assert_eq!(found(&routes, "GET", path), expected, "{path}");
        }
        assert_eq!(found(&routes, "DELETE", "/users/7"), "GET");
    }

    proptest! {
        #[test]
        fn no_path_breaks_it(path in "/[ -~äöü/%{}.]{0,40}", template in "/[a-c/{}.:]{0,20}") {
            let routes = routes(&[&format!("GET {template}")]);
            let _ = routes.find("GET", &path);
        }
    }
}
