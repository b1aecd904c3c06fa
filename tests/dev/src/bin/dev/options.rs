//! What the command line says.

use std::path::PathBuf;

/// How to use it.
pub(crate) const USAGE: &str = "\
cargo dev: the whole of Doorway on this machine, from template.yaml

  --port N      the port of 127.0.0.1 to listen on (8700; 0 takes any)
  --data DIR    where the data is kept (.doorway)
  --empty       without the demo
  --release     the functions as they are deployed: slower to build, faster to run";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) data: PathBuf,
    pub(crate) empty: bool,
    pub(crate) release: bool,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Run(Options),
    Help,
}

/// Reads the arguments, without the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut options = Options { port: 8700, data: PathBuf::from(".doorway"), empty: false, release: false };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (name, mut value) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        match name.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--empty" => options.empty = true,
            "--release" => options.release = true,
            "--port" => {
                let text = value.take().or_else(|| arguments.next()).ok_or("--port needs a number")?;
                options.port =
                    text.parse().map_err(|_| format!("--port {text}: a port is a number from 0 to 65535"))?;
            }
            "--data" => options.data = value.take().or_else(|| arguments.next()).ok_or("--data needs a folder")?.into(),
            _ => return Err(format!("{name} is not known here\n\n{USAGE}")),
        }
        if value.is_some() {
            return Err(format!("{name} takes no value"));
        }
    }
    Ok(Command::Run(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn defaults_and_every_option_are_read() {
        let defaults = Options { port: 8700, data: ".doorway".into(), empty: false, release: false };
        assert_eq!(of(""), Ok(Command::Run(defaults)));
        let all = Options { port: 0, data: "/a".into(), empty: true, release: true };
        assert_eq!(of("--port 0 --data=/a --empty --release"), Ok(Command::Run(all)));
        assert_eq!(of("--port 1 --help"), Ok(Command::Help));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(of("--port x").unwrap_err(), "--port x: a port is a number from 0 to 65535");
        assert_eq!(of("--port").unwrap_err(), "--port needs a number");
        assert_eq!(of("--empty=1").unwrap_err(), "--empty takes no value");
        assert!(of("--ports 1").unwrap_err().starts_with("--ports is not known here"));
    }
}
