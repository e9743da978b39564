//! A log of secrets, with which recorded traffic is read: for Wireshark and its like.
//!
//! **Whoever has the log reads everything** that was said in the connections it is of, then and later. So it is behind
//! the feature `insecure-key-log`, and is kept of nothing unless an application hands in a sink.
//!
//! Each secret is an [`Entry`], which prints as one line of the format that NSS began and RFC 9850 describes: a label,
//! what identifies the connection, and the secret, the latter two in hexadecimal. What the label and the
//! identifier are is up to the protocol: QUIC has the labels of TLS 1.3 and the random of its ClientHello.

use alloc::sync::Arc;
use core::fmt;

/// Where an application wants secrets to go. Clones are the same sink.
#[derive(Clone)]
pub struct KeyLog(Arc<dyn Fn(&Entry<'_>) + Send + Sync>);

impl KeyLog {
    /// One that hands every secret to `sink`, in the call of the machine that derives it: it must not wait,
    /// nor call the node that it is of.
    #[must_use]
    pub fn new(sink: impl Fn(&Entry<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Hands over one secret.
    #[cfg_attr(not(feature = "quic"), allow(dead_code, reason = "only QUIC has secrets to log"))]
    pub(crate) fn log(&self, entry: &Entry<'_>) {
        (self.0)(entry);
    }
}

impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLog(…)")
    }
}

/// A secret. [`Display`](fmt::Display) writes it out, as a line without its end; [`Debug`](fmt::Debug) does not.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// What the secret is for, such as `CLIENT_TRAFFIC_SECRET_0`: visible ASCII without a space.
    pub label: &'a str,
    /// What tells the connection from others by what is seen of it: for TLS the 32 bytes of the client's random.
    pub identifier: &'a [u8],
    /// The secret.
    pub secret: &'a [u8],
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label)?;
        for bytes in [self.identifier, self.secret] {
            f.write_str(" ")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("label", &self.label).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString as _;

    #[test]
    fn an_entry_is_a_line_of_the_format_and_is_not_written_out_by_accident() {
        let entry = Entry { label: "EXPORTER_SECRET", identifier: &[0, 0x1f], secret: &[0xab] };
        assert_eq!(entry.to_string(), "EXPORTER_SECRET 001f ab");
        assert_eq!(format!("{entry:?}"), "Entry { label: \"EXPORTER_SECRET\", .. }");
    }
}
