//! Where instructions go: callgrind's profile, told by crates.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Instructions by function, and who called whom.
#[derive(Debug, Default)]
pub struct Profile {
    /// Instructions in the function itself.
    own: HashMap<String, i64>,
    /// Instructions below a call, by caller and callee.
    below: HashMap<(String, String), i64>,
}

impl Profile {
    /// Reads callgrind's output.
    pub fn read(file: &Path) -> Self {
        Self::parse(&fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
    }

    /// The format is described at <https://valgrind.org/docs/manual/cl-format.html>.
    fn parse(text: &str) -> Self {
        let (mut profile, mut names) = (Self::default(), HashMap::new());
        let (mut function, mut callee) = (String::new(), String::new());
        let mut is_call = false;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                function = named(&mut names, name);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                callee = named(&mut names, name);
            } else if line.starts_with("calls=") {
                is_call = true;
            } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
                let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
                if std::mem::take(&mut is_call) {
                    *profile.below.entry((function.clone(), callee.clone())).or_default() += cost;
                } else {
                    *profile.own.entry(function.clone()).or_default() += cost;
                }
            }
        }
        profile
    }

    /// What this profile has more than another, by so many calls.
    #[must_use]
    pub fn since(mut self, before: &Self, calls: i64) -> Self {
        for (name, cost) in &before.own {
            *self.own.entry(name.clone()).or_default() -= cost;
        }
        for (edge, cost) in &before.below {
            *self.below.entry(edge.clone()).or_default() -= cost;
        }
        self.own.values_mut().chain(self.below.values_mut()).for_each(|cost| *cost /= calls);
        self
    }

    /// All instructions.
    pub fn total(&self) -> i64 {
        self.own.values().sum()
    }

    /// Instructions by part, most first. What the standard library and the allocator do is their callers'.
    pub fn parts(&self) -> Vec<(&'static str, i64)> {
        let mut callers: HashMap<&str, Vec<(&str, i64)>> = HashMap::new();
        for ((caller, callee), cost) in self.below.iter().filter(|(_, cost)| **cost > 0) {
            if caller != callee {
                callers.entry(callee).or_default().push((caller, *cost));
            }
        }
        let (mut settled, mut moving): (HashMap<&'static str, f64>, HashMap<&str, f64>) = Default::default();
        for (name, cost) in &self.own {
            #[expect(clippy::cast_precision_loss, reason = "instructions are far below 2^52")]
            moving.insert(name, *cost as f64);
        }
        // Library code calls library code: what is left after these rounds goes round in circles.
        for _ in 0..60 {
            let mut next: HashMap<&str, f64> = HashMap::new();
            for (name, cost) in moving {
                match (part(name), callers.get(name)) {
                    (None, Some(callers)) => {
                        let all: i64 = callers.iter().map(|(_, cost)| cost).sum();
                        for (caller, share) in callers {
                            #[expect(clippy::cast_precision_loss, reason = "instructions are far below 2^52")]
                            let share = *share as f64 / all as f64;
                            *next.entry(caller).or_default() += cost * share;
                        }
                    }
                    (part, _) => *settled.entry(part.unwrap_or("library, of nobody")).or_default() += cost,
                }
            }
            moving = next;
        }
        *settled.entry("library, of nobody").or_default() += moving.values().sum::<f64>();
        #[expect(clippy::cast_possible_truncation, reason = "instructions are far below 2^52")]
        let mut parts: Vec<_> = settled.into_iter().map(|(part, cost)| (part, cost.round() as i64)).collect();
        parts.sort_by_key(|(_, cost)| -cost);
        parts
    }

    /// The functions with the most instructions of their own.
    pub fn top(&self, count: usize) -> Vec<(&str, i64)> {
        let mut all: Vec<_> = self.own.iter().map(|(name, cost)| (name.as_str(), *cost)).collect();
        all.sort_by_key(|(_, cost)| -cost);
        all.truncate(count);
        all
    }
}

/// `(12) name` says it once, `(12)` again.
fn named(names: &mut HashMap<String, String>, text: &str) -> String {
    match text.split_once(' ') {
        Some((id, name)) => {
            // Recursion levels are told apart as `name'2`.
            let name = name.split('\'').next().unwrap_or(name).to_owned();
            names.insert(id.to_owned(), name.clone());
            name
        }
        None => names.get(text).cloned().unwrap_or_else(|| text.to_owned()),
    }
}

/// Which part of the program a function belongs to; none for what works for whoever calls it.
fn part(name: &str) -> Option<&'static str> {
    let crates =
        name.trim_start_matches(['<', '&', '(', '*', '[']).trim_start_matches("dyn ").trim_start_matches("mut ");
    let first = crates.split("::").next().unwrap_or(crates);
    Some(match first {
        "gateway" | "shared" | "floor" => "ours",
        "serde_dynamo" => "serde",
        _ if first.starts_with("aws_lambda_events") => "lambda_runtime",
        _ if first.starts_with("aws_") => "DynamoDB's SDK",
        _ if first.starts_with("serde") => "serde",
        "ryu" | "itoa" | "zmij" => "serde",
        _ if first.starts_with("ring") || first.starts_with("rustls") || first.starts_with("webpki") => {
            "TLS and hashes"
        }
        "hyper" | "hyper_util" | "hyper_rustls" | "http" | "http_body" | "http_body_util" | "httparse" | "want"
        | "tower" | "tower_service" | "tower_layer" | "atomic_waker" => "hyper",
        "lambda_runtime" | "lambda_http" | "lambda_runtime_api_client" => "lambda_runtime",
        "tokio" | "mio" | "tokio_util" | "futures_util" | "futures_channel" | "tokio_stream" | "socket2" => "tokio",
        "tracing" | "tracing_core" | "tracing_subscriber" | "sharded_slab" | "thread_local" => "tracing",
        "percent_encoding" | "base64" | "url" | "jiff" | "bytes" | "uuid" | "form_urlencoded" | "axum" => {
            "other crates"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
events: Ir
fn=(1) gateway::door::call
10 100
cfn=(2) malloc
calls=2 0
11 60
cfn=(3) <hyper::client as x>::send
calls=1 0
12 90
fn=(2)
5 80
fn=(3)
+1 70
cfn=(2)
calls=1 0
* 20
";

    #[test]
    fn what_the_library_does_is_its_callers() {
        let profile = Profile::parse(PROFILE);
        assert_eq!(profile.total(), 250);
        // malloc's 80: three quarters for us, a quarter for hyper.
        assert_eq!(profile.parts(), [("ours", 160), ("hyper", 90), ("library, of nobody", 0)]);
        let twice = Profile::parse(&PROFILE.replace("10 100", "10 300"));
        assert_eq!(twice.since(&profile, 2).top(1), [("gateway::door::call", 100)]);
    }
}
