//! Installs what is not Rust's into folders of its own below the target folder, at pinned versions, once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::workspace;

/// Installs packages of Python as a `requirements.txt` (below the repository's root) pins them, into an environment of this name; answers the folder of its programs.
///
/// # Errors
/// What a command said that failed.
pub fn python(name: &str, requirements: &str) -> Result<PathBuf, String> {
    let wanted = workspace::root().join(requirements);
    let folder = workspace::target().join(name);
    let programs = folder.join("bin");
    once(&folder, &[&wanted], || {
        environment(&folder)?;
        let mut pip = Command::new(programs.join("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"])
            .arg(&wanted);
        run(&mut pip)
    })?;
    Ok(programs)
}

/// Installs packages of Node as a folder's `package-lock.json` (below the repository's root) pins them, beside copies of the folder's files; answers where.
///
/// # Errors
/// What a command said that failed.
pub fn node(name: &str, source: &str) -> Result<PathBuf, String> {
    let from = workspace::root().join(source);
    let folder = workspace::target().join(name);
    let files = ["package.json", "package-lock.json"].map(|file| from.join(file));
    once(&folder, &[&files[0], &files[1]], || {
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for file in &files {
            let to = folder.join(file.file_name().unwrap_or_default());
            fs::copy(file, to).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        run(Command::new("npm")
            .args(["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(&folder))
    })?;
    Ok(folder)
}

/// Sees to it that programs of Debian are there: as root they are installed, if they are not.
///
/// # Errors
/// One is not there, and cannot be installed.
pub fn debian(programs: &[(&str, &str)]) -> Result<(), String> {
    let missing: Vec<&str> =
        programs.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !(root && Path::new("/usr/bin/apt-get").exists()) {
        return Err(format!("install {}", missing.join(", ")));
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(apt().args(["update", "-q"]))?;
    run(apt().args(["install", "-y", "-q", "--no-install-recommends"]).args(missing))
}

fn is_there(program: &str) -> bool {
    ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"].iter().any(|folder| Path::new(folder).join(program).exists())
}

/// Runs an installation unless the same files were installed before.
fn once(folder: &Path, files: &[&Path], install: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let mut pins = String::new();
    for file in files {
        pins += &fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(());
    }
    let _nothing = fs::remove_dir_all(folder);
    install()?;
    fs::write(&stamp, pins).map_err(|error| format!("{}: {error}", stamp.display()))
}

/// Debian's Python comes without venv: as root it is installed.
fn environment(folder: &Path) -> Result<(), String> {
    let venv = || run(Command::new("python3").args(["-m", "venv"]).arg(folder));
    let Err(reason) = venv() else { return Ok(()) };
    debian(&[("no program of venv's own", "python3-venv")])
        .map_err(|error| format!("python3 -m venv does not work here: {reason}: {error}"))?;
    let _nothing = fs::remove_dir_all(folder);
    venv()
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
