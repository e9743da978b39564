//! What may stand on the command line, with its help.

use crate::address::{Name, Peer, Target, Who};
use crate::failure::Failure;
use crate::key::{KeyArgs, PassphraseArgs};
use crate::output::Output;
use crate::stack::{HearArgs, SpeakArgs};
use crate::watch::WatchArgs;
use clap::{Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::num::{IntErrorKind, ParseIntError};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

const GUIDE: &str = "\
Try it:
  tellask demo                          two nodes on this machine, step by step
  tellask listen --echo                 wait for messages; prints the address to dial
  tellask ping ADDR                     in another terminal: is it there, how far
  tellask tell ADDR 'hello'             and send it a message
  tellask serve --exec 'tr a-z A-Z'     answer requests, here with what a command makes of them
  tellask ask ADDR 'hello'              ask for an answer
  tellask serve --dir FOLDER            and: tellask get ADDR FILE --out FILE
  tellask peer add bob ADDR             from now on `bob` will do for ADDR

An ADDR reads <peer id>@<host>:<port>, or is a name you gave. The id is a hash of the
peer's key: whoever answers there has proven that key, or gets no message.
Your key and the names are in $XDG_CONFIG_HOME/tellask, or else ~/.config/tellask
(%APPDATA%\\tellask on Windows).

Exit codes: 0 done; 1 it failed (a time-out, a peer that is not there or not who it
should be); 2 bad usage or bad input (an address, a file, a name, a port);
130 ended by ctrl-C and 143 by a request to end, both after closing cleanly.
With --json each line of output is one JSON object with a member `event`.";

/// Secure messages between peers, named by their keys.
#[derive(Debug, Parser)]
#[command(name = "tellask", version, after_help = GUIDE, max_term_width = 100)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    /// Print one JSON object a line, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say on standard error what happens, never what anybody says
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log: Option<LogLevel>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How much is said of what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// Who came and who went
    Info,
    /// And what was rejected or dropped, and why: as much as strangers send
    Debug,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Listen(ListenArgs),
    Tell(TellArgs),
    Ask(AskArgs),
    Serve(ServeArgs),
    Get(GetArgs),
    Ping(PingArgs),
    /// Make, show or import the key that you are known by
    #[command(subcommand, arg_required_else_help = true)]
    Key(KeyCommand),
    /// Give names to peers, to use wherever an address is taken
    #[command(subcommand, arg_required_else_help = true)]
    Peer(PeerCommand),
    Bench(BenchArgs),
}

/// Show in a few seconds what this does: two nodes, two sockets, one machine
///
/// Two nodes in this process, each with a key and a UDP socket on the loopback, find out who the
/// other is, tell each other messages, ask and answer, refuse a wrong key, and go as fast as they can for half a
/// second. Each step is said, with what it took. Fails if any step does.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  tellask demo
  tellask demo --json
  tellask demo --key FILE      the first node is you

Exit codes: 0 every step worked; 1 a step failed; 2 bad usage or bad input."
)]
pub(crate) struct DemoArgs {
    /// The first node's secret key [default: a fresh one]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// Wait for messages and print them
///
/// Prints the addresses by which this node can be dialled, then a line for each message and for
/// each peer that comes or goes. A message that is not text is printed in hexadecimal; control
/// characters in a text are escaped. Ends with ctrl-C.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  tellask listen
  tellask listen --on 0.0.0.0:7000 --allow bob --allow carol
  tellask listen --on '[::1]:0' --echo --json
  tellask listen --stack 'udp://0.0.0.0:7000 | p2pke'
  tellask listen --stats=10 --metrics 127.0.0.1:9464

Exit codes: 2 bad usage or bad input (a port in use, an unknown name); 130 ended by ctrl-C."
)]
pub(crate) struct ListenArgs {
    /// Let in this peer, by id or by name, and no others but those also allowed; may be repeated
    #[arg(long, value_name = "ID_OR_NAME", allow_hyphen_values = true)]
    pub(crate) allow: Vec<Who>,
    /// Tell every message back to whoever sent it
    #[arg(long)]
    pub(crate) echo: bool,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) hear: HearArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

/// Send messages to a peer
///
/// Sends one message and waits until it was handed to the network, after the peer has proven its
/// key. Whether the peer read it nobody can say: telling is fire and forget. Without TEXT, or
/// with -, every line of standard input is a message. A message has up to 256 KiB.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  tellask tell bob 'hello'
  tellask tell 'LJkJe1cDe5x23Eur33HIrBm_oMk3jETvovlQA_da77-@192.0.2.1:7000' hello
  uptime | tellask tell bob -
  tellask tell bob --file picture.png --channel pictures
  tar c notes | tellask tell bob --whole -

Exit codes: 0 handed to the network; 1 the peer is not there, or not who it should be;
2 bad usage or bad input, such as a message above the limit; 130 ended by ctrl-C."
)]
pub(crate) struct TellArgs {
    /// The peer: <peer id>@<host>:<port>, or its name
    // An id may begin with a hyphen; what is no address is refused all the same.
    #[arg(value_name = "ADDR", allow_hyphen_values = true)]
    pub(crate) to: Target,
    /// The message; - for standard input. After -- it may begin with a hyphen
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// Send all of FILE as one message, whatever bytes it has
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "whole"])]
    pub(crate) file: Option<PathBuf>,
    /// Send all of standard input as one message, whatever bytes it has
    #[arg(long)]
    pub(crate) whole: bool,
    /// Give up when the peer has not answered for this long
    #[arg(long, value_name = "SECONDS", default_value = "15", allow_negative_numbers = true, value_parser = patience)]
    pub(crate) timeout: Duration,
    /// Say what was sent
    #[arg(short, long)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) speak: SpeakArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

/// Ask a peer and print its answer
///
/// Sends one request and waits for its answer, which goes to standard output byte for byte; on a
/// terminal its control characters are escaped. Requests and answers have up to 2 MiB. Without
/// TEXT, or with -, the request is all of standard input. The peer runs it once at the most.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  tellask ask bob 'how are you?'
  tellask ask bob --file picture.png --channel scaler --out small.png
  echo 2+3 | tellask ask bob --timeout 2 --json

Exit codes: 0 answered; 1 the peer refused (it says why), does not serve, is not there, or not who
it should be; 2 bad usage or bad input, such as a request above the limit; 130 ended by ctrl-C."
)]
pub(crate) struct AskArgs {
    /// The peer: <peer id>@<host>:<port>, or its name
    // An id may begin with a hyphen; what is no address is refused all the same.
    #[arg(value_name = "ADDR", allow_hyphen_values = true)]
    pub(crate) to: Target,
    /// The request; - for standard input. After -- it may begin with a hyphen
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// Ask with all of FILE
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
    /// Write the answer to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Give up when there is no answer after this long
    #[arg(long, value_name = "SECONDS", default_value = "15", allow_negative_numbers = true, value_parser = patience)]
    pub(crate) timeout: Duration,
    /// Say how long it took
    #[arg(short, long)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) speak: SpeakArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

/// Answer what others ask
///
/// Prints the addresses by which this node can be dialled, then a line for each answer. What
/// answers is a command of yours, a folder, or an echo. Whoever can reach this node and has any
/// key may ask, unless --allow says who may. Ends with ctrl-C.
///
/// With --exec each request is on the standard input of CMD, which the shell runs, and its output
/// is the answer; TELLASK_PEER has the id of who asks. Where CMD fails the asker is told so. It
/// is killed when the asker gives up. With --dir files are served by their path in the folder
/// (tellask get), and nothing outside of it.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  tellask serve --exec 'tr a-z A-Z'
  tellask serve --dir ~/public --on 0.0.0.0:7000 --allow bob
  tellask serve --echo --json

Exit codes: 2 bad usage or bad input (a port in use, no such folder); 130 ended by ctrl-C."
)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) what: ServeWhat,
    /// Let in this peer, by id or by name, and no others but those also allowed; may be repeated
    #[arg(long, value_name = "ID_OR_NAME", allow_hyphen_values = true)]
    pub(crate) allow: Vec<Who>,
    /// Answer this many requests at a time; others wait
    #[arg(long, value_name = "N", default_value_t = 8, allow_negative_numbers = true, value_parser = whole::<u16>)]
    pub(crate) at_most: u16,
    /// Kill CMD after this long, if the asker has not given up before
    #[arg(long, value_name = "SECONDS", default_value = "60", allow_negative_numbers = true, value_parser = patience)]
    pub(crate) within: Duration,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) hear: HearArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

/// What answers.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ServeWhat {
    /// Answer with what CMD writes, given the request
    #[arg(long, value_name = "CMD")]
    pub(crate) exec: Option<String>,
    /// Answer with the files of this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
    /// Answer with the request itself
    #[arg(long)]
    pub(crate) echo: bool,
}

/// Fetch a file from a peer that serves it
///
/// The peer runs tellask serve --dir; NAME is a path in its folder. A file of any size comes in
/// parts, several at a time. One that changes meanwhile is noticed, and FILE is replaced only
/// once all of it is here.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  tellask get bob photos/cat.jpg --out cat.jpg
  tellask get bob notes.tar | tar t

Exit codes: 0 all of it is here; 1 the peer refused (it says why), does not serve files, is not
there, or the file changed; 2 bad usage or bad input; 130 ended by ctrl-C."
)]
pub(crate) struct GetArgs {
    /// The peer: <peer id>@<host>:<port>, or its name
    // An id may begin with a hyphen; what is no address is refused all the same.
    #[arg(value_name = "ADDR", allow_hyphen_values = true)]
    pub(crate) from: Target,
    /// The file's path in the folder that is served, with / between its parts
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Write the file here [default: to standard output, if that is no terminal]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Give up when nothing of the file has come for this long
    #[arg(long, value_name = "SECONDS", default_value = "15", allow_negative_numbers = true, value_parser = patience)]
    pub(crate) timeout: Duration,
    /// Say how long it took
    #[arg(short, long)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) speak: SpeakArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

/// See whether a peer is there, and how far away
///
/// Measures the handshake, in which the peer proves its key, and then how long messages take to
/// the peer and back where it echoes (tellask listen --echo). Says so where it does not.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  tellask ping bob
  tellask ping bob -c 100 -i 0.1

Exit codes: 0 the peer is there, whether or not it echoes; 1 it is not there, or not who it
should be; 2 bad usage or bad input; 130 ended by ctrl-C."
)]
pub(crate) struct PingArgs {
    /// The peer: <peer id>@<host>:<port>, or its name
    // An id may begin with a hyphen; what is no address is refused all the same.
    #[arg(value_name = "ADDR", allow_hyphen_values = true)]
    pub(crate) to: Target,
    /// How many messages to send; 0 for the handshake alone
    #[arg(short, long, value_name = "N", default_value_t = 4, allow_negative_numbers = true, value_parser = whole::<u32>)]
    pub(crate) count: u32,
    /// Time between two messages
    #[arg(short, long, value_name = "SECONDS", default_value = "0.5", allow_negative_numbers = true, value_parser = seconds)]
    pub(crate) interval: Duration,
    /// How long to wait for an echo
    #[arg(short, long, value_name = "SECONDS", default_value = "1", allow_negative_numbers = true, value_parser = seconds)]
    pub(crate) wait: Duration,
    /// Give up when the peer has not proven its key for this long
    #[arg(long, value_name = "SECONDS", default_value = "15", allow_negative_numbers = true, value_parser = patience)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) speak: SpeakArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    New(KeyNewArgs),
    Show(KeyShowArgs),
    Import(KeyImportArgs),
}

/// Make a new secret key and print its id
///
/// The file is readable by you only, and nothing is ever overwritten.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  tellask key new
  tellask key new --out work.pem
  tellask key new --out work --format openssh --passphrase

Exit codes: 0 made; 2 bad usage or bad input, such as a file that exists."
)]
pub(crate) struct KeyNewArgs {
    #[command(flatten)]
    pub(crate) out: NewFileArgs,
}

/// Print the id of a key, and its public half
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tellask key show
  tellask key show --key work.pem --json

Exit codes: 0 shown; 2 bad usage or bad input, such as a file that is no key.")]
pub(crate) struct KeyShowArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

/// Read a secret key of another tool and write it down as your own
///
/// Reads PKCS#8 (openssl genpkey -algorithm ed25519), OpenSSH (ssh-keygen -t ed25519) and, only
/// where it is named, the key file of go-p2p, which cannot be told from a public key.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  tellask key import ~/.ssh/id_ed25519
  tellask key import node.key --format go-p2p --out node.pem

Exit codes: 0 imported; 2 bad usage or bad input, such as a file that is no key."
)]
pub(crate) struct KeyImportArgs {
    /// The file to read
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Its format [default: PKCS#8 and OpenSSH are told apart by their first line]
    #[arg(long)]
    pub(crate) format: Option<ReadFormat>,
    /// Where to write the key [default: key.pem in your configuration folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The format to write; [default: pkcs8; openssh, under the same passphrase, where it has one]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) out_format: Option<WriteFormat>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// A secret key file that is to be made.
#[derive(Debug, clap::Args)]
pub(crate) struct NewFileArgs {
    /// Where to write the key [default: key.pem in your configuration folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// How to write it [default: pkcs8; openssh with a passphrase]
    #[arg(long)]
    pub(crate) format: Option<WriteFormat>,
    /// Ask for a passphrase to encrypt it with (openssh)
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) passphrase: bool,
    /// Encrypt it with the passphrase in the first line of FILE (openssh)
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// Formats that keys are read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReadFormat {
    /// PEM `PRIVATE KEY`, as openssl writes it
    Pkcs8,
    /// PEM `OPENSSH PRIVATE KEY`, as ssh-keygen writes it
    Openssh,
    /// The key file of go-p2p
    GoP2p,
}

/// Formats that keys are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WriteFormat {
    /// PEM `PRIVATE KEY`, as openssl writes it
    Pkcs8,
    /// PEM `OPENSSH PRIVATE KEY`, as ssh-keygen writes it
    Openssh,
}

/// What to do with names.
#[derive(Debug, Subcommand)]
pub(crate) enum PeerCommand {
    /// Give a name to a peer
    #[command(after_help = "Examples:
  tellask peer add bob 'LJkJe1cDe5x23Eur33HIrBm_oMk3jETvovlQA_da77-@example.net:7000'

Exit codes: 0 done; 2 bad usage or bad input, such as a name that another peer has.")]
    Add {
        /// Letters, digits, `-`, `_` and `.`
        name: Name,
        /// <peer id>@<host>:<port>
        #[arg(value_name = "ADDR", allow_hyphen_values = true)]
        peer: Peer,
        /// Take the name from the peer that has it
        #[arg(long)]
        replace: bool,
    },
    /// Print the names that you gave
    #[command(after_help = "Examples:
  tellask peer list
  tellask peer list --json

Exit codes: 0 done; 2 bad usage, or a peers file that cannot be read.")]
    List,
    /// Forget a name
    #[command(after_help = "Examples:
  tellask peer remove bob

Exit codes: 0 done; 2 bad usage or bad input, such as an unknown name.")]
    Remove {
        /// The name
        name: Name,
    },
}

/// Measure how fast this machine tells and asks
///
/// Two nodes on the loopback: secure tells per second for each size, beside a plain UDP socket and
/// beside the cipher alone, and asks per second with 64 in flight, answered with as many bytes,
/// all in the same run. The cipher has one core, where tells may use
/// several: a ratio above one is no mistake. Ratios travel between machines better than figures
/// do. A size above what one datagram of a socket takes is refused.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  tellask bench
  tellask bench --seconds 5 --sizes 64,1200
  tellask bench --json

Exit codes: 0 measured; 1 it failed; 2 bad usage or bad input; 130 ended by ctrl-C."
)]
pub(crate) struct BenchArgs {
    /// How long to measure each size, in each of four ways
    #[arg(long, value_name = "SECONDS", default_value = "1", allow_negative_numbers = true, value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Bytes of a message; several with commas between [default: 64,1200,16384]
    #[arg(long, value_name = "BYTES", value_delimiter = ',', allow_negative_numbers = true, value_parser = whole::<usize>)]
    pub(crate) sizes: Vec<usize>,
}

/// Reads the command line.
///
/// # Errors
/// The exit code, where the line is wrong (said in one line on standard error) or asks for help or
/// the version (printed).
pub(crate) fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Args, ExitCode> {
    use clap::error::ErrorKind;
    let line: Vec<_> = line.into_iter().collect();
    // Before the line is understood: a program that reads the output reads this failure as well.
    let json = line.iter().any(|word| word == "--json");
    Args::try_parse_from(line).map_err(|error| {
        let kind = error.kind();
        let answer = matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        let left_out = kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        if answer || (left_out && !json) {
            // Help that nobody reads any more is no reason to fail.
            let _ = error.print();
            return if answer { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
        let why = if left_out {
            "a command is missing; see: tellask --help".to_owned()
        } else {
            one_line(&error)
        };
        Output::new(json).failure(&Failure::bad_input(why))
    })
}

/// What is wrong with the line and, where that is known, what would be right.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let first = lines.next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let rest = lines.filter(|line| !line.is_empty() && !line.starts_with("For more"));
    let rest = rest.map(|line| line.strip_prefix("tip: ").unwrap_or(line));
    let rest = rest.collect::<Vec<_>>().join("; ");
    let first = first.trim_end_matches(':');
    if !rest.is_empty() {
        format!("{first}: {rest}")
    } else if error.get(clap::error::ContextKind::InvalidValue).is_some() {
        // The value's own error says what would be right.
        first.into()
    } else {
        format!("{first}; see: tellask --help")
    }
}

/// How long something may take: a time in seconds that is not zero.
pub(crate) fn patience(text: &str) -> Result<Duration, String> {
    let time = seconds(text)?;
    if time.is_zero() {
        return Err("nothing is done in no time: give more, such as 5 or 0.5".into());
    }
    Ok(time)
}

/// A whole number.
fn whole<T: FromStr<Err = ParseIntError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: ParseIntError| {
        let large = *error.kind() == IntErrorKind::PosOverflow;
        if large { "too large a number" } else { "a whole number, such as 4" }.to_owned()
    })
}

/// A time in seconds, with a fraction perhaps.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "a number of seconds up to 86400, such as 5 or 0.5".to_owned();
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if !(0.0..=86_400.0).contains(&seconds) {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}
