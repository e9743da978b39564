//! Running the built binary as a user would, with a configuration folder of its own.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use tempfile::TempDir;

/// Another id than any key of these tests has.
pub(crate) const OTHER_ID: &str = "LJkJe1cDe5x23Eur33HIrBm_oMk3jETvovlQA_da77-";

/// Somebody with a configuration folder.
pub(crate) struct User {
    home: TempDir,
}

impl User {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// A path in this user's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The file of this name among the user's configuration.
    pub(crate) fn config(&self, name: &str) -> PathBuf {
        self.home.path().join("tellask").join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        mode(&path, 0o600);
        path
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tellask"));
        command.args(args).env("XDG_CONFIG_HOME", self.home.path()).current_dir(self.home.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// Runs it to its end with this on standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: impl AsRef<[u8]>) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_ref()).unwrap();
        Ran::from(child.wait_with_output().unwrap())
    }

    /// This user's id; makes the key where there is none.
    pub(crate) fn id(&self) -> String {
        if !self.config("key.pem").exists() {
            self.run(&["key", "new"]).ok();
        }
        self.run(&["key", "show", "--json"]).json()[0]["id"].as_str().unwrap().to_owned()
    }

    /// Starts `tellask listen` and waits until it does.
    pub(crate) fn listen(&self, args: &[&str]) -> Listener {
        self.start("listen", args)
    }

    /// Starts `tellask serve` and waits until it does.
    pub(crate) fn serve(&self, args: &[&str]) -> Listener {
        self.start("serve", args)
    }

    /// Starts one of these two and waits until it listens, on the loopback unless a stack says where.
    pub(crate) fn start(&self, command: &str, args: &[&str]) -> Listener {
        self.id();
        let mut all = vec![command, "--json"];
        if !args.contains(&"--stack") {
            all.extend(["--on", "127.0.0.1:0"]);
        }
        all.extend(args);
        let mut child = self.command(&all).stderr(Stdio::inherit()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let listening: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(listening["event"], "listening");
        let addr = listening["addresses"][0].as_str().unwrap().to_owned();
        Listener { child, lines, addr }
    }
}

/// A `tellask listen --json`, or `serve`, that runs. Killed where it is not ended.
pub(crate) struct Listener {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// The address to dial.
    pub(crate) addr: String,
}

impl Listener {
    /// Its next line of this kind.
    pub(crate) fn next(&mut self, event: &str) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it ended before any {event}");
            let value: Value = serde_json::from_str(&line).unwrap();
            if value["event"] == event {
                return value;
            }
        }
    }

    /// Sends ctrl-C, and returns the exit code and the lines that were left.
    #[cfg(unix)]
    pub(crate) fn interrupt(mut self) -> (Option<i32>, Vec<Value>) {
        // The shell's own, so that no test needs unsafe code for it.
        let kill = format!("kill -INT {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let lines = (&mut self.lines).lines().map(|line| line.unwrap());
        let lines = lines.map(|line| serde_json::from_str(&line).unwrap()).collect();
        (self.child.wait().unwrap().code(), lines)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines of a process that runs on.
pub(crate) fn lines(out: ChildStdout) -> impl Iterator<Item = String> {
    BufReader::new(out).lines().map(|line| line.unwrap())
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// It worked.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It ended with this code and one line that says all of this, in lower case.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, says: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        let why = self.err.strip_prefix("tellask: ").expect("it does not say who speaks");
        assert!(!why.starts_with(char::is_uppercase), "{why}");
        for part in says {
            assert!(why.contains(part), "`{part}` is not said: {why}");
        }
        self
    }

    /// Its lines as JSON objects.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str::<Value>(line).unwrap();
        let lines: Vec<_> = self.out.lines().map(parse).collect();
        assert!(lines.iter().all(|line| line["event"].is_string()), "{self:?}");
        lines
    }
}

#[cfg(unix)]
pub(crate) fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
pub(crate) fn mode(_: &Path, _: u32) {}
