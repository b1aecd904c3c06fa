//! What cargo knows of the workspace and its dependencies.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, io,
    process::Command,
};

use serde_json::Value;

/// A package in the resolved graph.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence expression, if it says one.
    pub licence: Option<String>,
    /// Where it comes from; `None` for a crate of ours.
    pub source: Option<String>,
    /// The folder of a crate of ours, from the root: `functions/keys`.
    pub folder: Option<String>,
    /// The ids of what it depends on when built: normal and build dependencies.
    pub depends: Vec<String>,
    /// The ids of what its tests depend on.
    pub tests_depend: Vec<String>,
}

/// The resolved graph for this machine's platform, by id.
#[derive(Debug)]
pub struct Graph {
    packages: BTreeMap<String, Package>,
}

impl Graph {
    /// Asks cargo, without the network.
    ///
    /// # Errors
    /// Cargo cannot be run, or says something unexpected.
    pub fn load() -> io::Result<Self> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let platform = format!("{}-unknown-linux-gnu", env::consts::ARCH);
        let output = Command::new(cargo)
            .current_dir(super::root())
            .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", &platform])
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let said: Value = serde_json::from_slice(&output.stdout)?;
        let root = super::root();
        let described: BTreeMap<&str, &Value> =
            list(&said, "/packages").filter_map(|package| Some((text(package, "id")?, package))).collect();
        let mut packages = BTreeMap::new();
        for node in list(&said, "/resolve/nodes") {
            let Some((id, package)) = text(node, "id").and_then(|id| Some((id, *described.get(id)?))) else {
                continue;
            };
            let source = text(package, "source").map(str::to_owned);
            let folder = text(package, "manifest_path").filter(|_| source.is_none()).and_then(|manifest| {
                manifest.strip_prefix(root.to_str()?)?.strip_prefix('/')?.strip_suffix("/Cargo.toml")
            });
            packages.insert(
                id.to_owned(),
                Package {
                    name: text(package, "name").unwrap_or_default().to_owned(),
                    version: text(package, "version").unwrap_or_default().to_owned(),
                    licence: text(package, "license").map(str::to_owned),
                    folder: folder.map(str::to_owned),
                    source,
                    depends: edges(node, |kind| kind != Some("dev")),
                    tests_depend: edges(node, |kind| kind == Some("dev")),
                },
            );
        }
        Ok(Self { packages })
    }

    /// Every package.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// The crates of ours, with their folder.
    pub fn ours(&self) -> impl Iterator<Item = (&str, &Package)> {
        self.packages().filter_map(|package| Some((package.folder.as_deref()?, package)))
    }

    /// The package of an id.
    pub fn get(&self, id: &str) -> Option<&Package> {
        self.packages.get(id)
    }

    /// What is in the binaries of some packages of ours, themselves included.
    pub fn reach(&self, start: impl Fn(&str) -> bool) -> Vec<&Package> {
        let mut open: Vec<&str> = self
            .packages
            .iter()
            .filter(|(_, package)| package.folder.as_deref().is_some_and(&start))
            .map(|(id, _)| id.as_str())
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if seen.insert(id)
                && let Some(package) = self.packages.get(id)
            {
                open.extend(package.depends.iter().map(String::as_str));
            }
        }
        seen.into_iter().filter_map(|id| self.packages.get(id)).collect()
    }
}

fn edges(node: &Value, wanted: impl Fn(Option<&str>) -> bool) -> Vec<String> {
    list(node, "/deps")
        .filter(|edge| list(edge, "/dep_kinds").any(|kind| wanted(text(kind, "kind"))))
        .filter_map(|edge| text(edge, "pkg").map(str::to_owned))
        .collect()
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}
