//! Installs the tools that are not Rust's into a folder of their own, while cargo is busy.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::JoinHandle,
    time::Instant,
};

use dev::{say, workspace};

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
    let wanted = workspace::root().join("tests/dev/requirements.txt");
    let pins = fs::read_to_string(&wanted).map_err(|error| format!("{}: {error}", wanted.display()))?;
    let folder = workspace::target().join("tools");
    let tools = Tools { folder: folder.join("bin") };
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(tools);
    }
    let _nothing = fs::remove_dir_all(&folder);
    environment(&folder)?;
    let mut pip = Command::new(tools.folder.join("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"])
        .arg(&wanted);
    run(&mut pip)?;
    fs::write(&stamp, pins).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(tools)
}

/// Debian's Python comes without venv: as root it is installed.
fn environment(folder: &Path) -> Result<(), String> {
    let venv = || run(Command::new("python3").args(["-m", "venv"]).arg(folder));
    let Err(reason) = venv() else { return Ok(()) };
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let debian = Path::new("/usr/bin/apt-get").exists();
    if !(root && debian) {
        return Err(format!("python3 -m venv does not work here, install python3-venv: {reason}"));
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(apt().args(["update", "-q"]))?;
    run(apt().args(["install", "-y", "-q", "--no-install-recommends", "python3-venv"]))?;
    let _nothing = fs::remove_dir_all(folder);
    venv()
}

/// The folder of the packages of Node, installed if they were not. Nothing of theirs runs while they are installed.
pub(crate) fn node_packages() -> Result<PathBuf, String> {
    let wanted = workspace::root().join("tests/dev/node");
    let folder = workspace::target().join("node");
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let (packages, stamp) = (folder.join("node_modules"), folder.join("installed.txt"));
    let lock = read(&wanted.join("package-lock.json"))?;
    if read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(packages);
    }
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(wanted.join(name), folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(&folder);
    run(&mut npm)?;
    fs::write(&stamp, lock).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(packages)
}

/// Runs a command quietly; its output is the reason of a failure.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(format!("{}: {}", command.get_program().to_string_lossy(), String::from_utf8_lossy(&text).trim()))
}
