//! `AWS::SecretsManager::Secret`, made once and kept in the data folder, and `{{resolve:secretsmanager:…}}`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};

use super::intrinsics::secret_arn;
use super::{Template, TemplateError};

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// Makes the template's secrets that the folder does not have yet, and puts their values into the functions'
/// environments. A secret stays the same over restarts, as in an account.
pub(crate) fn resolve(template: &mut Template, data: &Path) -> Result<(), TemplateError> {
    let secrets = load(template, &data.join("secrets.json"))?;
    for resource in template.resources.values_mut().filter(|r| r.kind == "AWS::Serverless::Function") {
        let Some(variables) = resource.properties.pointer_mut("/Environment/Variables").and_then(Value::as_object_mut)
        else {
            continue;
        };
        for (name, value) in variables {
            let at = || format!("{}.Properties.Environment.Variables.{name}", resource.logical_id);
            let text =
                super::intrinsics::plain(value).ok_or_else(|| TemplateError::new(at(), "a variable must be a text"))?;
            *value = Value::String(replace(&text, &secrets).map_err(|why| TemplateError::new(at(), why))?);
        }
    }
    Ok(())
}

/// Secrets by logical id; the file is readable by its owner only.
fn load(template: &Template, file: &Path) -> Result<BTreeMap<String, String>, TemplateError> {
    let failed = |e: &dyn std::fmt::Display| TemplateError::new("", format!("{}: {e}", file.display()));
    let mut secrets: BTreeMap<String, String> = match fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| failed(&e))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(e) => return Err(failed(&e)),
    };
    let before = secrets.len();
    for resource in template.of_kind("AWS::SecretsManager::Secret") {
        if let Some(text) = resource.properties.get("SecretString").and_then(Value::as_str) {
            secrets.insert(resource.logical_id.clone(), text.to_owned());
        } else if !secrets.contains_key(&resource.logical_id) {
            let how = resource.properties.get("GenerateSecretString").unwrap_or(&Value::Null);
            let secret = generate(how).map_err(|why| TemplateError::new(&resource.logical_id, why))?;
            secrets.insert(resource.logical_id.clone(), secret);
        }
    }
    if secrets.len() > before {
        let text = serde_json::to_vec_pretty(&secrets).map_err(|e| failed(&e))?;
        let mut out = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(file)
            .map_err(|e| failed(&e))?;
        out.write_all(&text).map_err(|e| failed(&e))?;
    }
    Ok(secrets)
}

/// `GenerateSecretString` with its defaults: 32 characters of four kinds, at least one of each.
fn generate(how: &Value) -> Result<String, String> {
    let flag = |name: &str| how.get(name).and_then(Value::as_bool);
    let excluded = how.get("ExcludeCharacters").and_then(Value::as_str).unwrap_or_default();
    let length = how
        .get("PasswordLength")
        .map_or(Some(32), Value::as_u64)
        .and_then(|n| usize::try_from(n).ok())
        .ok_or("PasswordLength is not a number")?;
    let kinds = [
        ("ExcludeLowercase", LOWER),
        ("ExcludeUppercase", UPPER),
        ("ExcludeNumbers", DIGITS),
        ("ExcludePunctuation", PUNCTUATION),
    ];
    let mut alphabets: Vec<Vec<char>> = kinds
        .iter()
        .filter(|(name, _)| flag(name) != Some(true))
        .map(|(_, letters)| letters.chars().filter(|c| !excluded.contains(*c)).collect())
        .filter(|letters: &Vec<char>| !letters.is_empty())
        .collect();
    if flag("IncludeSpace") == Some(true) {
        alphabets.push(vec![' ']);
    }
    let each = flag("RequireEachIncludedType") != Some(false);
    let all: Vec<char> = alphabets.concat();
    if all.is_empty() || length == 0 || (each && alphabets.len() > length) {
        return Err("GenerateSecretString leaves nothing to choose from".to_owned());
    }
    let secret = loop {
        let secret = (0..length).map(|_| pick(&all)).collect::<Result<String, String>>()?;
        if !each || alphabets.iter().all(|letters| secret.contains(letters.as_slice())) {
            break secret;
        }
    };
    let Some(key) = how.get("GenerateStringKey").and_then(Value::as_str) else {
        return Ok(secret);
    };
    let frame = how.get("SecretStringTemplate").and_then(Value::as_str).unwrap_or("{}");
    let mut object: serde_json::Map<String, Value> =
        serde_json::from_str(frame).map_err(|_| "SecretStringTemplate is not a JSON object".to_owned())?;
    object.insert(key.to_owned(), json!(secret));
    Ok(Value::Object(object).to_string())
}

/// One letter, every letter equally likely.
fn pick(letters: &[char]) -> Result<char, String> {
    let count = u8::try_from(letters.len()).map_err(|_| "too many letters".to_owned())?;
    let even = u8::MAX - u8::MAX % count;
    loop {
        let mut byte = [0_u8];
        SystemRandom::new().fill(&mut byte).map_err(|_| "no randomness".to_owned())?;
        let [byte] = byte;
        if let Some(letter) = letters.get(usize::from(byte % count)).filter(|_| byte < even) {
            return Ok(*letter);
        }
    }
}

fn replace(text: &str, secrets: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{resolve:") {
        let (reference, tail) = after.split_once("}}").ok_or("an open {{resolve")?;
        out.push_str(before);
        out.push_str(&look_up(reference, secrets)?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn look_up(reference: &str, secrets: &BTreeMap<String, String>) -> Result<String, String> {
    let name = reference
        .strip_prefix("secretsmanager:")
        .ok_or_else(|| format!("{{{{resolve:{reference}}}}} is not played"))?;
    let (id, rest) = secrets
        .keys()
        .find_map(|id| {
            let rest = name.strip_prefix(secret_arn(id).as_str()).or_else(|| name.strip_prefix(id.as_str()))?;
            (rest.is_empty() || rest.starts_with(':')).then_some((id, rest))
        })
        .ok_or_else(|| format!("no secret for {name}"))?;
    let secret = secrets.get(id).map(String::as_str).unwrap_or_default();
    let mut parts = rest.split(':').skip(1);
    match parts.next() {
        None | Some("" | "SecretString") => {}
        Some(other) => return Err(format!("{other} is not SecretString")),
    }
    match parts.next() {
        None | Some("") => Ok(secret.to_owned()),
        Some(key) => {
            let object: Value = serde_json::from_str(secret).map_err(|_| format!("secret {id} is not JSON"))?;
            object
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(|| format!("secret {id} has no {key}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_secrets_keep_their_rules() {
        let secret =
            generate(&json!({"PasswordLength": 40, "ExcludePunctuation": true, "ExcludeCharacters": "abc"})).unwrap();
        assert_eq!(secret.len(), 40);
        assert!(secret.chars().all(|c| c.is_ascii_alphanumeric() && !"abc".contains(c)));
        assert!(secret.chars().any(|c| c.is_ascii_digit()) && secret.chars().any(|c| c.is_ascii_uppercase()));
        let object =
            generate(&json!({"SecretStringTemplate": "{\"user\":\"u\"}", "GenerateStringKey": "key"})).unwrap();
        let object: Value = serde_json::from_str(&object).unwrap();
        assert_eq!(object["user"], "u");
        assert_eq!(object["key"].as_str().unwrap().len(), 32);
    }

    #[test]
    fn references_by_name_arn_and_key() {
        let secrets =
            BTreeMap::from([("S".to_owned(), "{\"k\":\"v\"}".to_owned()), ("Plain".to_owned(), "p".to_owned())]);
        assert_eq!(replace("a-{{resolve:secretsmanager:Plain}}-b", &secrets).unwrap(), "a-p-b");
        assert_eq!(
            replace(&format!("{{{{resolve:secretsmanager:{}:SecretString:k}}}}", secret_arn("S")), &secrets).unwrap(),
            "v"
        );
        assert_eq!(replace("{{resolve:secretsmanager:S:SecretString:x}}", &secrets).unwrap_err(), "secret S has no x");
        assert!(replace("{{resolve:ssm:S}}", &secrets).is_err());
    }
}
