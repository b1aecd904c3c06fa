//! Installs the tools that are not Rust's into a folder of their own, while cargo is busy.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    thread::JoinHandle,
    time::Instant,
};

use dev::{say, tools, workspace};

use crate::report::Report;

const NAME: &str = "tools of Python";

/// The tools, ready for use.
#[derive(Debug)]
pub(crate) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// The folder of the programs.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of them, run at the repository's root, without telemetry and without an account.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command
            .current_dir(workspace::root())
            .env("SAM_CLI_TELEMETRY", "0")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }
}

/// An installation under way.
#[derive(Debug)]
pub(crate) struct Installation {
    started: Instant,
    thread: JoinHandle<Result<Tools, String>>,
}

impl Installation {
    /// Begins; returns at once.
    pub(crate) fn begin() -> Self {
        say(&format!("==> {NAME}: installing in the background"));
        Self { started: Instant::now(), thread: std::thread::spawn(install) }
    }

    /// Waits for the end. Without tools a developer's run goes on, one for others (`CI` is set) has failed.
    pub(crate) fn finish(self, report: &mut Report) -> Option<Tools> {
        let result = self.thread.join().unwrap_or_else(|_| Err("the installation crashed".to_owned()));
        match result {
            Ok(tools) => {
                report.record(NAME, self.started, Ok(()));
                Some(tools)
            }
            Err(reason) if env::var_os("CI").is_some() => {
                report.record(NAME, self.started, Err(reason));
                None
            }
            Err(reason) => {
                report.skip(NAME, &reason);
                None
            }
        }
    }
}

fn install() -> Result<Tools, String> {
    tools::python("tools", "tests/dev/requirements.txt").map(|folder| Tools { folder })
}

/// nginx, which the door is held against: Debian's own, of whatever version its release has.
pub(crate) fn nginx() -> Result<(), String> {
    tools::debian(&[("nginx", "nginx-light")])
}

/// The folder of the packages of Node, installed if they were not. Nothing of theirs runs while they are installed.
pub(crate) fn node_packages() -> Result<PathBuf, String> {
    tools::node("node", "tests/dev/node").map(|folder| folder.join("node_modules"))
}
