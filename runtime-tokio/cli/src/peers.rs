//! The `peers` file: names that a user gives to peers.
//!
//! One `NAME ADDRESS` a line; empty lines and what follows a `#` at the start of a line are
//! comments, which are kept. It is replaced as a whole, never left half written.

use crate::address::{Name, Peer, Target, Who};
use crate::config;
use crate::failure::Failure;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use tellask::identity::PeerId;
use tellask::swarm::Accept;

/// Most bytes of the file: some thousands of peers.
const MAX_LEN: u64 = 1 << 20;

/// The names that are known, in the order of the file.
#[derive(Debug)]
pub(crate) struct Peers {
    path: PathBuf,
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Peer { name: Name, peer: Peer },
    Comment(String),
}

impl Peers {
    /// Whom a node lets in: these and nobody else, or anyone where none is named.
    pub(crate) fn accept(&self, allowed: Vec<Who>) -> Result<Accept, Failure> {
        if allowed.is_empty() {
            return Ok(Accept::Anyone);
        }
        allowed.into_iter().map(|who| self.who(who)).collect()
    }

    /// Those of the user; none where there is no file.
    pub(crate) fn load() -> Result<Self, Failure> {
        let path = config::peers_file()?;
        let failed =
            |why: &dyn std::fmt::Display| Failure::bad_input(format!("{}: {why}", path.display()));
        let text = match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Ok(metadata) if metadata.len() > MAX_LEN => {
                return Err(failed(&"a peers file has at most 1 MiB"));
            }
            Ok(metadata) if metadata.is_dir() => {
                return Err(failed(&"a folder, where the file of names should be: move it away"));
            }
            _ => fs::read_to_string(&path).map_err(|error| {
                if error.kind() == ErrorKind::InvalidData {
                    failed(&"not a text, which has lines that read NAME <peer id>@<host>:<port>")
                } else {
                    failed(&error)
                }
            })?,
        };
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = parse(line)
                .map_err(|why| failed(&format_args!("line {}: {why}", at.saturating_add(1))))?;
            lines.push(line);
        }
        Ok(Self { path, lines })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &Peer)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Peer { name, peer } => Some((name, peer)),
            Line::Comment(_) => None,
        })
    }

    pub(crate) fn find(&self, wanted: &Name) -> Option<&Peer> {
        self.iter().find(|(name, _)| *name == wanted).map(|(_, peer)| peer)
    }

    /// The name of the peer with this id, if it has one.
    pub(crate) fn name_of(&self, id: &PeerId) -> Option<&Name> {
        self.iter().find(|(_, peer)| peer.id == *id).map(|(name, _)| name)
    }

    /// The peer that is meant.
    pub(crate) fn target(&self, target: Target) -> Result<Peer, Failure> {
        match target {
            Target::At(peer) => Ok(peer),
            Target::Name(name) => self.find(&name).cloned().ok_or_else(|| self.unknown(&name)),
        }
    }

    /// The id that is meant.
    pub(crate) fn who(&self, who: Who) -> Result<PeerId, Failure> {
        match who {
            Who::Id(id) => Ok(id),
            Who::Name(name) => {
                self.find(&name).map(|peer| peer.id).ok_or_else(|| self.unknown(&name))
            }
        }
    }

    pub(crate) fn set(&mut self, name: Name, peer: Peer) -> Result<(), Failure> {
        let known = self.lines.iter_mut().find(|line| line.is(&name));
        let line = Line::Peer { name, peer };
        match known {
            Some(known) => *known = line,
            None => self.lines.push(line),
        }
        self.save()
    }

    pub(crate) fn remove(&mut self, name: &Name) -> Result<(), Failure> {
        if self.find(name).is_none() {
            return Err(self.unknown(name));
        }
        self.lines.retain(|line| !line.is(name));
        self.save()
    }

    /// Says what was wrong about a name and what would be right.
    fn unknown(&self, wanted: &Name) -> Failure {
        let similar = |name: &Name| {
            strsim::jaro_winkler(&name.as_str().to_lowercase(), &wanted.as_str().to_lowercase())
        };
        let near = self.iter().map(|(name, _)| (similar(name), name));
        let near = near.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(near, _)| *near > 0.75);
        let names: Vec<_> = self.iter().map(|(name, _)| name.as_str()).collect();
        let hint = match (near, names.as_slice()) {
            (Some((_, name)), _) => format!("did you mean `{name}`?"),
            (None, []) => "none is known yet, add one with: tellask peer add NAME ADDR".into(),
            (None, names @ [_, ..]) if names.len() <= 8 => format!("known: {}", names.join(", ")),
            (None, names) => {
                format!("{} are known, see them with: tellask peer list", names.len())
            }
        };
        Failure::bad_input(format!("there is no peer named `{wanted}`; {hint}"))
    }

    fn save(&self) -> Result<(), Failure> {
        let mut text = String::new();
        for line in &self.lines {
            match line {
                Line::Peer { name, peer } => text.push_str(&format!("{name} {peer}\n")),
                Line::Comment(comment) => {
                    text.push_str(comment);
                    text.push('\n');
                }
            }
        }
        replace(&self.path, &text).map_err(|error| {
            Failure::bad_input(format!("cannot write {}: {error}", self.path.display()))
        })
    }
}

impl Line {
    fn is(&self, wanted: &Name) -> bool {
        matches!(self, Self::Peer { name, .. } if name == wanted)
    }
}

fn parse(line: &str) -> Result<Line, String> {
    let trimmed = line.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok(Line::Comment(line.into()));
    }
    let mut words = trimmed.split_whitespace();
    let (Some(name), Some(peer), None) = (words.next(), words.next(), words.next()) else {
        return Err("a line reads NAME <peer id>@<host>:<port>".into());
    };
    Ok(Line::Peer { name: name.parse()?, peer: peer.parse()? })
}

/// Puts a file of this text in the place of the one at `path`, all at once.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    // A name of this process's own, so that two at once do not write into one file.
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let written = fs::File::create(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}
