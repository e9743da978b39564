//! From text to a description.

use super::{Bottom, ChannelKind, Description, Label, LayerSpec, MAX_LAYERS, MAX_TEXT};
use super::{Problem, StackError};
use crate::identity::PeerId;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use core::str::FromStr;

const BOTTOMS: [&str; 3] = ["udp", "tcp", "memory"];
const LAYERS: [&str; 7] = ["p2pke", "quic", "fragment", "ask", "filter", "loopback", "mux"];

const FRAGMENT: &str = "fragment(size), such as fragment(256KiB)";
const FILTER: &str = "filter(peer id, …)";
const MUX: &str = "mux(kind, channel, …), such as mux(string, chat) or mux(u16)";

/// The largest size there is to write, in bytes.
const MAX_SIZE: usize = 1_024 * 1_024 * 1_024;

/// A part of the text, and where it begins.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    start: usize,
}

type Wrong = (Range<usize>, Problem);

impl<'a> Word<'a> {
    /// Without the spaces around it.
    fn trim(self) -> Self {
        let text = self.text.trim_start();
        let start = self.start + (self.text.len() - text.len());
        Word { text: text.trim_end(), start }
    }

    fn split(self, at: char) -> impl Iterator<Item = Self> {
        let mut start = self.start;
        self.text.split(at).map(move |text| {
            let word = Word { text, start };
            start += text.len() + at.len_utf8();
            word
        })
    }

    fn split_once(self, at: &str) -> Option<(Self, Self)> {
        let (before, behind) = self.text.split_once(at)?;
        let start = self.start + before.len() + at.len();
        Some((Word { text: before, start: self.start }, Word { text: behind, start }))
    }

    const fn range(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    const fn wrong(self, problem: Problem) -> Wrong {
        (self.range(), problem)
    }

    fn is(self, name: &str) -> bool {
        self.text.eq_ignore_ascii_case(name)
    }
}

impl FromStr for Description {
    type Err = StackError;

    fn from_str(text: &str) -> Result<Self, StackError> {
        let error = |(at, problem)| StackError { text: text.to_owned(), at, problem };
        if text.len() > MAX_TEXT {
            let (text, problem) = (String::new(), Problem::TooLong);
            return Err(StackError { text, at: 0..0, problem });
        }
        read(Word { text, start: 0 }).map_err(error)
    }
}

fn read(text: Word<'_>) -> Result<Description, Wrong> {
    let mut words = text.split('|');
    let lowest = words.next().unwrap_or(text).trim();
    let bottom = bottom(lowest)?;
    let mut on_streams = matches!(bottom, Bottom::Tcp(_));
    let mut layers = Vec::new();
    for word in words {
        let bar = word.start - 1;
        let word = word.trim();
        if word.text.is_empty() {
            return Err((bar..bar + 1, Problem::NoLayer));
        }
        let (name, layer) = layer(word)?;
        fits(name, &layer, &layers)?;
        if layer.stands_on_streams() != on_streams {
            let problem = if on_streams { Problem::OnStreams } else { Problem::NotOnStreams };
            return Err(name.wrong(problem));
        }
        // What comes next stands on messages.
        on_streams = false;
        layers.push(layer);
    }
    if on_streams {
        return Err(lowest.wrong(Problem::OnStreams));
    }
    Ok(Description { bottom, layers })
}

fn bottom(word: Word<'_>) -> Result<Bottom, Wrong> {
    if word.text.is_empty() {
        return Err(word.wrong(Problem::NoBottom));
    }
    let Some((scheme, addr)) = word.split_once("://") else {
        return Err(word.wrong(Problem::NotBottom));
    };
    if scheme.is("udp") {
        addr.text.parse().map(Bottom::Udp).map_err(|error| addr.wrong(Problem::BottomAddr(error)))
    } else if scheme.is("tcp") {
        addr.text.parse().map(Bottom::Tcp).map_err(|error| addr.wrong(Problem::BottomAddr(error)))
    } else if scheme.is("memory") {
        addr.text
            .parse()
            .map(Bottom::Memory)
            .map_err(|error| addr.wrong(Problem::BottomAddr(error)))
    } else {
        let nearest = nearest(scheme.text, &BOTTOMS);
        Err(scheme.wrong(Problem::UnknownBottom { nearest }))
    }
}

/// A layer, and its name as it was written.
fn layer(word: Word<'_>) -> Result<(Word<'_>, LayerSpec), Wrong> {
    let (name, args) = match word.split_once("(") {
        Some((name, rest)) => {
            let open = rest.start - 1;
            let Some((args, behind)) = rest.split_once(")") else {
                return Err((open..open + 1, Problem::Unclosed));
            };
            let behind = behind.trim();
            if !behind.text.is_empty() {
                return Err(behind.wrong(Problem::BehindClosed));
            }
            (name.trim(), Some(args))
        }
        None => (word, None),
    };
    let layer = if name.is("p2pke") {
        bare(name, args, LayerSpec::P2pke)?
    } else if name.is("quic") {
        bare(name, args, LayerSpec::Quic)?
    } else if name.is("ask") {
        bare(name, args, LayerSpec::Ask)?
    } else if name.is("loopback") {
        bare(name, args, LayerSpec::Loopback)?
    } else if name.is("fragment") {
        let args = some(name, args, FRAGMENT)?;
        let [size] = args[..] else {
            return Err(args[1].wrong(Problem::SpareArgument { form: FRAGMENT }));
        };
        LayerSpec::Fragment { max: size_of(size.text).ok_or(size.wrong(Problem::BadSize))? }
    } else if name.is("filter") {
        let ids = some(name, args, FILTER)?
            .into_iter()
            .map(|id| id.text.parse::<PeerId>().map_err(|_| id.wrong(Problem::BadPeerId)));
        LayerSpec::Filter { accept: ids.collect::<Result<_, _>>()? }
    } else if name.is("mux") {
        mux(&some(name, args, MUX)?)?
    } else if BOTTOMS.iter().any(|bottom| word.split_once("://").is_some_and(|(w, _)| w.is(bottom)))
    {
        return Err(word.wrong(Problem::BottomAbove));
    } else {
        let nearest = nearest(name.text, &LAYERS);
        return Err(name.wrong(Problem::UnknownLayer { nearest }));
    };
    Ok((name, layer))
}

/// A layer that takes nothing in parentheses.
fn bare(name: Word<'_>, args: Option<Word<'_>>, layer: LayerSpec) -> Result<LayerSpec, Wrong> {
    match args {
        Some(args) if !args.text.trim().is_empty() => Err(name.wrong(Problem::NoArguments)),
        _ => Ok(layer),
    }
}

/// The arguments of a layer that takes at least one; none of them is empty.
fn some<'a>(
    name: Word<'a>,
    args: Option<Word<'a>>,
    form: &'static str,
) -> Result<Vec<Word<'a>>, Wrong> {
    let missing = |at| (at, Problem::MissingArgument { form });
    let args = args.ok_or_else(|| missing(name.range()))?;
    let args: Vec<Word<'a>> = args.split(',').collect();
    match args.iter().find(|arg| arg.text.trim().is_empty()) {
        Some(empty) => Err(missing(empty.range())),
        None => Ok(args.into_iter().map(Word::trim).collect()),
    }
}

fn mux(args: &[Word<'_>]) -> Result<LayerSpec, Wrong> {
    let Some((word, named)) = args.split_first() else {
        return Err((0..0, Problem::MissingArgument { form: MUX }));
    };
    let kinds = [
        (ChannelKind::String, "main"),
        (ChannelKind::U16, "0"),
        (ChannelKind::U32, "0"),
        (ChannelKind::U64, "0"),
        (ChannelKind::Varint, "0"),
    ];
    let found = kinds.into_iter().find(|(kind, _)| word.is(&alloc::format!("{kind}")));
    let (kind, default) = found.ok_or(word.wrong(Problem::BadKind))?;
    let label = |word: &Word<'_>| {
        if let Some(right) = kind.not(word.text) {
            return Err(word.wrong(Problem::BadChannel { right }));
        }
        word.text.parse::<Label>().map_err(|error| word.wrong(Problem::BadLabel(error)))
    };
    let mut channels = Vec::new();
    for word in named {
        let channel = label(word)?;
        if channels.contains(&channel) {
            return Err(word.wrong(Problem::ChannelAgain));
        }
        channels.push(channel);
    }
    if channels.is_empty() {
        channels = vec![label(&Word { text: default, start: word.start })?];
    }
    Ok(LayerSpec::Mux { kind, channels })
}

impl ChannelKind {
    /// What would be a channel of this kind, where `text` is none for want of being such a number.
    fn not(self, text: &str) -> Option<&'static str> {
        let (most, right) = match self {
            Self::String => return None,
            Self::U16 => (u16::MAX.into(), "a number from 0 to 65535"),
            Self::U32 => (u32::MAX.into(), "a number from 0 to 4294967295"),
            Self::U64 | Self::Varint => (u64::MAX, "a number from 0 to 18446744073709551615"),
        };
        let plain = text == "0" || text.starts_with(|first| ('1'..='9').contains(&first));
        let number = text.parse::<u64>().ok().filter(|number| plain && *number <= most);
        number.is_none().then_some(right)
    }
}

/// Whether a layer may stand on those below it.
fn fits(name: Word<'_>, layer: &LayerSpec, below: &[LayerSpec]) -> Result<(), Wrong> {
    if below.len() >= MAX_LAYERS {
        return Err(name.wrong(Problem::TooMany));
    }
    let once = matches!(layer, LayerSpec::P2pke | LayerSpec::Quic | LayerSpec::Ask);
    if once && below.contains(layer) {
        return Err(name.wrong(Problem::LayerAgain));
    }
    if matches!(layer, LayerSpec::Filter { .. }) && !below.iter().any(LayerSpec::proves_keys) {
        return Err(name.wrong(Problem::NeedsBelow { layer: "p2pke or a quic" }));
    }
    Ok(())
}

/// Bytes of a size such as `1200`, `1200B`, `256KiB`, `1MiB`.
fn size_of(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = match unit.trim_start() {
        unit if unit.is_empty() || unit.eq_ignore_ascii_case("b") => 1,
        unit if unit.eq_ignore_ascii_case("kib") => 1_024,
        unit if unit.eq_ignore_ascii_case("mib") => 1_024 * 1_024,
        _ => return None,
    };
    let size = number.parse::<usize>().ok()?.checked_mul(unit)?;
    (1..=MAX_SIZE).contains(&size).then_some(size)
}

/// The names that are most like a word, if any is.
fn nearest(word: &str, names: &[&'static str]) -> Vec<&'static str> {
    let word: Vec<char> = word.chars().take(64).map(|char| char.to_ascii_lowercase()).collect();
    let far = |name: &str| {
        // A word that was broken off is as good as misspelt.
        let begun: String = word.iter().collect();
        let begins = word.len() >= 2 && name.starts_with(&begun);
        if begins { 1 } else { distance(&word, name) }
    };
    let least = names.iter().map(|name| far(name)).min().unwrap_or(usize::MAX);
    if least > 2 || least >= word.len() {
        return Vec::new();
    }
    names.iter().copied().filter(|name| far(name) == least).collect()
}

/// Letters to put in, take out or replace until one word is the other (Levenshtein, 1966).
fn distance(word: &[char], name: &str) -> usize {
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (number, letter) in name.chars().enumerate() {
        let mut diagonal = number;
        let mut left = number + 1;
        for (place, other) in row.iter_mut().skip(1).zip(word) {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = *place;
            left = replaced.min(left + 1).min(*place + 1);
            *place = left;
        }
        if let Some(first) = row.first_mut() {
            *first = number + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
