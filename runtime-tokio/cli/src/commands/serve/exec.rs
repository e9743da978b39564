//! A command that answers: the request on its standard input, the answer on its standard output.
//!
//! Its environment says who asks: `TELLASK_PEER` has the peer's id, proven, and `TELLASK_CHANNEL` the
//! channel. At the deadline it is killed, with everything that it started in its process group.

use crate::node::Spot;
use crate::output::Time;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tellask::Bytes;
use tellask::swarm::Refusal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// The command failed, or could not be run.
const FAILED: u32 = 1;
/// It took too long.
const LATE: u32 = 2;
/// It wrote more than an answer has.
const TOO_LARGE: u32 = 3;

/// So much earlier than the asker gives up, so that it hears why.
const HEADWAY: Duration = Duration::from_millis(250);

/// A command line for the shell, and its bounds.
#[derive(Debug)]
pub(super) struct Exec {
    pub(super) line: String,
    pub(super) within: Duration,
    pub(super) max_output: usize,
}

impl Exec {
    /// What the command makes of a request whose asker waits for `remaining`.
    pub(super) async fn answer(
        &self,
        src: &Spot,
        request: Bytes,
        remaining: Duration,
    ) -> Result<Vec<u8>, Refusal> {
        let headway = HEADWAY.min(remaining / 10);
        let within = self.within.min(remaining - headway);
        let child = self.start(src).map_err(|error| {
            Refusal::new(FAILED, format!("the command could not be started: {error}"))
        })?;
        let mut running = Running { child };
        let done = tokio::time::timeout(within, running.talk(request, self.max_output)).await;
        let Ok(done) = done else {
            let why = format!("the command was not done within {} and was killed", Time(within));
            return Err(Refusal::new(LATE, why));
        };
        let (status, output) = done.map_err(|error| {
            Refusal::new(FAILED, format!("the command could not be run: {error}"))
        })?;
        match status {
            None => {
                let limit = self.max_output;
                let why = format!("the command's output is over the limit of {limit} bytes");
                Err(Refusal::new(TOO_LARGE, why))
            }
            Some(status) if status.success() => Ok(output),
            Some(status) => Err(Refusal::new(FAILED, format!("the command failed: {status}"))),
        }
    }

    fn start(&self, src: &Spot) -> io::Result<Child> {
        let mut command = shell(&self.line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        command.env("TELLASK_PEER", src.addr.id.to_string());
        command.env("TELLASK_CHANNEL", src.key.as_str());
        command.spawn()
    }
}

#[cfg(unix)]
fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line).process_group(0);
    command
}

#[cfg(not(unix))]
fn shell(line: &str) -> Command {
    let mut command = Command::new("cmd");
    command.arg("/C").arg(line);
    command
}

/// A command that runs; killed with its group where it is dropped before its end was seen.
struct Running {
    child: Child,
}

impl Running {
    /// Hands over the request and takes what is written, up to `max` bytes. There is no status where
    /// it is more.
    async fn talk(
        &mut self,
        request: Bytes,
        max: usize,
    ) -> io::Result<(Option<ExitStatus>, Vec<u8>)> {
        if let Some(mut stdin) = self.child.stdin.take() {
            // Beside the reading, or each would wait for the other. A command need not read it.
            tokio::spawn(async move { stdin.write_all(&request).await });
        }
        let mut output = Vec::new();
        if let Some(stdout) = self.child.stdout.take() {
            stdout.take(max as u64 + 1).read_to_end(&mut output).await?;
        }
        if output.len() > max {
            return Ok((None, output));
        }
        let status = self.child.wait().await?;
        Ok((Some(status), output))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // There is no id once its end was seen: the number may be another's by then.
        #[cfg(unix)]
        if let Some(id) = self.child.id()
            && let Some(group) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw)
        {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}
