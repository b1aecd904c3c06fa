//! Where things are, and how the functions are built.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Names a folder that holds the functions' binaries already, so that nobody builds them again.
pub const BINARIES: &str = "DOORWAY_BINARIES";
/// Names the folder of the programs that `cargo ci` installed: `schemathesis`, `cfn-lint`, `sam`.
pub const TOOLS: &str = "DOORWAY_TOOLS";
/// Names the folder of the packages of Node that `cargo ci` installed, which the readers of documents are compared with.
pub const NODE_PACKAGES: &str = "DOORWAY_NODE_PACKAGES";

/// Which profile of cargo's the functions are built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Dev,
    /// As deployed.
    Release,
    /// As deployed, with the names of functions left in: for measurements.
    Symbols,
    /// Quick to run, and built in a tenth of the time: what stands around something that is measured.
    Local,
}

impl Profile {
    /// The name that cargo knows it by.
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
            Self::Symbols => "symbols",
            Self::Local => "local",
        }
    }

    /// Its folder among what cargo builds.
    #[must_use]
    pub fn folder(self) -> PathBuf {
        target().join(if self == Self::Dev { "debug" } else { self.name() })
    }
}

/// Why there are no binaries.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The repository's folders or cargo itself could not be used.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Cargo said why.
    #[error("the functions could not be built: cargo ended with {0}")]
    Cargo(std::process::ExitStatus),
}

/// The repository's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The names of all functions, sorted: the folders of `functions/`.
///
/// # Errors
/// The folder cannot be read.
pub fn functions() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("functions"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The logical id of a function's resource in the template: its name with a capital.
#[must_use]
pub fn logical_id(function: &str) -> String {
    let (first, rest) = function.split_at(function.len().min(1));
    first.to_uppercase() + rest
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The cargo that runs this program.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root());
    // What cargo tells the program that it runs is not meant for the cargo that the program runs: it would see changed
    // variables and build anew.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text == "CARGO_CRATE_NAME"
            || text == "CARGO_BIN_NAME"
        {
            command.env_remove(&name);
        }
    }
    command
}

/// The arguments that build every function's binary, with the features of the whole workspace.
///
/// # Errors
/// The folder of functions cannot be read.
pub fn build_arguments(profile: Profile) -> io::Result<Vec<String>> {
    Ok(arguments(profile, functions()?))
}

fn arguments(profile: Profile, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut arguments: Vec<String> = ["build", "--workspace", "--profile", profile.name()].map(str::to_owned).to_vec();
    for name in names {
        arguments.extend(["--bin".to_owned(), name]);
    }
    arguments
}

/// Builds the functions, with cargo's own progress on the terminal, and says where the binaries are.
///
/// # Errors
/// Cargo could not be run, or the code does not compile.
pub fn build(profile: Profile) -> Result<PathBuf, BuildError> {
    build_some(profile, functions()?)
}

/// Builds these binaries of the workspace only; like [`build`].
///
/// # Errors
/// Cargo could not be run, or the code does not compile.
pub fn build_some(profile: Profile, names: impl IntoIterator<Item = String>) -> Result<PathBuf, BuildError> {
    if let Some(folder) = env::var_os(BINARIES) {
        return Ok(PathBuf::from(folder));
    }
    let status = cargo().args(arguments(profile, names)).stdin(Stdio::null()).status()?;
    if !status.success() {
        return Err(BuildError::Cargo(status));
    }
    Ok(profile.folder())
}

/// The binaries for a test: built once per test program, by the profile for development.
///
/// # Errors
/// The words of [`BuildError`].
pub fn binaries() -> Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| build(Profile::Dev).map_err(|error| error.to_string())).clone()
}
