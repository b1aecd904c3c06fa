//! Who may do what: credentials of the functions and the policies that the template gives them.
//!
//! Only identity policies with `Action` and `Resource` are played. A statement that says more (`Condition`, `NotAction`,
//! a SAM policy template) is an error: silence would let a call pass here that AWS refuses.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::data_error::DataError;
use crate::template::Template;

/// The account that everything local belongs to.
pub const ACCOUNT: &str = "000000000000";
/// The region that everything local is in.
pub const REGION: &str = "us-east-1";

/// Managed policies that grant nothing but logs and traces, which are not kept here.
const LOGS_ONLY: [&str; 3] = ["AWSLambdaBasicExecutionRole", "AWSXRayDaemonWriteAccess", "AWSXrayWriteOnlyAccess"];

/// What a process needs to sign its requests.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Names the function at the DynamoDB front.
    pub access_key_id: String,
    /// Signs; signatures are not verified here.
    pub secret_access_key: String,
    /// Must come with every request.
    pub session_token: String,
}

/// The credentials of a function, the same at every start.
pub fn credentials(function: &str) -> Credentials {
    let (one, two) = (hash(function, 1), hash(function, 2));
    Credentials {
        access_key_id: format!("ASIALOCAL{:011X}", one & 0xFFF_FFFF_FFFF),
        secret_access_key: format!("local{one:016x}{two:016x}"),
        session_token: format!("session-{function}-{two:016x}"),
    }
}

/// The credentials of whoever operates the cloud: every action on every table.
pub fn operator() -> Credentials {
    Credentials {
        access_key_id: "ASIALOCALOPERATOR000".to_owned(),
        secret_access_key: "local-operator".to_owned(),
        session_token: "session-operator".to_owned(),
    }
}

/// FNV-1a.
fn hash(text: &str, salt: u64) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325 ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15), |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// One statement of a policy.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    allow: bool,
    actions: Vec<String>,
    resources: Vec<String>,
}

/// What the policies say of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

/// Everything that one identity may do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy(Vec<Statement>);

impl Policy {
    /// Reads one policy document.
    pub(crate) fn document(owner: &str, document: &Value) -> Result<Self, DataError> {
        let statements = list(document.get("Statement").unwrap_or(&Value::Null));
        statements.iter().map(|statement| read_statement(owner, statement)).collect::<Result<_, _>>().map(Self)
    }

    fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What this policy says of an action on a resource.
    pub(crate) fn check(&self, action: &str, resource: &str) -> Verdict {
        let mut verdict = Verdict::NotAllowed;
        for statement in &self.0 {
            let concerned = statement
                .actions
                .iter()
                .any(|a| matches_wildcard(&a.to_ascii_lowercase(), &action.to_ascii_lowercase()))
                && statement.resources.iter().any(|r| matches_wildcard(r, resource));
            match (concerned, statement.allow) {
                (true, true) => verdict = Verdict::Allowed,
                (true, false) => return Verdict::Denied,
                (false, _) => {}
            }
        }
        verdict
    }
}

/// The policies of all functions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies(BTreeMap<String, Policy>);

impl Policies {
    /// Reads the policies of every function of a template.
    pub(crate) fn read(template: &Template) -> Result<Self, DataError> {
        let mut policies = BTreeMap::new();
        for (id, resource) in &template.resources {
            if resource.kind == "AWS::Serverless::Function" {
                policies.insert(id.clone(), function_policy(template, id, &resource.properties)?);
            }
        }
        Ok(Self(policies))
    }

    /// The functions that have credentials.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What the policies say of a function's call.
    pub(crate) fn check(&self, function: &str, action: &str, resource: &str) -> Verdict {
        self.0.get(function).map_or(Verdict::NotAllowed, |policy| policy.check(action, resource))
    }
}

fn function_policy(template: &Template, id: &str, properties: &Value) -> Result<Policy, DataError> {
    // SAM makes no role of its own where one is stated, and then ignores `Policies`.
    if let Some(role) = properties.get("Role").and_then(Value::as_str) {
        return role_policy(template, id, role, "lambda.amazonaws.com");
    }
    let mut policy = Policy::default();
    for entry in list(properties.get("Policies").unwrap_or(&Value::Null)) {
        match &entry {
            Value::String(name) if LOGS_ONLY.iter().any(|known| name.ends_with(known)) => {}
            Value::Object(document) if document.contains_key("Statement") => policy.join(Policy::document(id, &entry)?),
            other => return Err(DataError::template(id, format!("this form of policy is not played: {other}"))),
        }
    }
    Ok(policy)
}

/// What a role of the template may do, provided that this service may assume it.
pub(crate) fn role_policy(template: &Template, user: &str, role: &str, service: &str) -> Result<Policy, DataError> {
    let name = role.rsplit('/').next().unwrap_or(role);
    let Some(resource) = template.resources.get(name).filter(|resource| resource.kind == "AWS::IAM::Role") else {
        return Err(DataError::template(user, format!("the role {role} is not in the template")));
    };
    let trust = list(resource.properties.pointer("/AssumeRolePolicyDocument/Statement").unwrap_or(&Value::Null));
    let trusted = trust.iter().any(|statement| {
        let services = list(statement.pointer("/Principal/Service").unwrap_or(&Value::Null));
        statement.get("Effect").and_then(Value::as_str) == Some("Allow") && services.iter().any(|name| name == service)
    });
    if !trusted {
        return Err(DataError::template(name, format!("{service} may not assume this role")));
    }
    let mut policy = Policy::default();
    for entry in list(resource.properties.get("Policies").unwrap_or(&Value::Null)) {
        let document = entry.get("PolicyDocument").unwrap_or(&Value::Null);
        policy.join(Policy::document(name, document)?);
    }
    Ok(policy)
}

fn read_statement(owner: &str, statement: &Value) -> Result<Statement, DataError> {
    let known = ["Sid", "Effect", "Action", "Resource"];
    for name in statement.as_object().into_iter().flat_map(|members| members.keys()) {
        if !known.contains(&name.as_str()) {
            return Err(DataError::template(owner, format!("a policy statement with {name} is not played")));
        }
    }
    let allow = match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err(DataError::template(owner, "a policy statement needs Effect: Allow or Deny")),
    };
    let (actions, resources) = (texts(statement.get("Action")), texts(statement.get("Resource")));
    if actions.is_empty() || resources.is_empty() {
        return Err(DataError::template(owner, "a policy statement needs Action and Resource"));
    }
    Ok(Statement { allow, actions, resources })
}

/// A value or a list of values, as a list.
pub(crate) fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    }
}

/// A text or a list of texts, as a list.
pub(crate) fn texts(value: Option<&Value>) -> Vec<String> {
    list(value.unwrap_or(&Value::Null)).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether a text fits a pattern in which `*` stands for any characters and `?` for one.
pub(crate) fn matches_wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || text.get(t) == Some(wanted) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, t));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|left| *left == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(document: &Value) -> Policy {
        Policy::document("f", document).unwrap()
    }

    #[test]
    fn an_index_is_a_resource_of_its_own() {
        let policy =
            policy(&json!({"Statement": [{"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"],
            "Resource": "arn:aws:dynamodb:us-east-1:000000000000:table/T"}]}));
        let table = "arn:aws:dynamodb:us-east-1:000000000000:table/T";
        assert_eq!(policy.check("dynamodb:Query", table), Verdict::Allowed);
        assert_eq!(policy.check("dynamodb:Query", &format!("{table}/index/gsi1")), Verdict::NotAllowed);
        assert_eq!(policy.check("dynamodb:PutItem", table), Verdict::NotAllowed);
    }

    #[test]
    fn a_denial_wins_whatever_its_place() {
        let policy = policy(&json!({"Statement": [
            {"Effect": "Deny", "Action": "dynamodb:Delete*", "Resource": "*"},
            {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}));
        assert_eq!(policy.check("dynamodb:DeleteItem", "x"), Verdict::Denied);
        assert_eq!(policy.check("dynamodb:PutItem", "x"), Verdict::Allowed);
    }

    #[test]
    fn a_statement_that_is_not_played_is_refused() {
        let document = json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}]});
        assert!(Policy::document("f", &document).unwrap_err().to_string().contains("Condition"));
    }

    #[test]
    fn wildcards() {
        for (pattern, text, fits) in [
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("*", "", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*/index/*", "t/index/x", true),
            ("a*b*c", "axxbyybzc", true),
        ] {
            assert_eq!(matches_wildcard(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn credentials_are_stable_and_differ() {
        assert!(credentials("Keys") == credentials("Keys"));
        assert!(credentials("Keys").access_key_id != credentials("Usage").access_key_id);
        assert_eq!(credentials("Keys").access_key_id.len(), 20);
    }
}
