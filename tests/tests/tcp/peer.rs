//! A peer that is nothing but a blocking socket.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use tellask::TcpAddr;

const LONG: Duration = Duration::from_secs(30);

pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    pub(crate) fn dial(addr: &TcpAddr) -> Self {
        Self::of(TcpStream::connect(addr.places()[0]).expect("somebody listens"))
    }

    pub(crate) fn accept(listener: &TcpListener) -> Self {
        Self::of(listener.accept().expect("somebody dials").0)
    }

    fn of(io: TcpStream) -> Self {
        io.set_read_timeout(Some(LONG)).expect("set");
        io.set_write_timeout(Some(LONG)).expect("set");
        io.set_nodelay(true).expect("set");
        Self(io)
    }

    pub(crate) fn local(&self) -> TcpAddr {
        self.0.local_addr().expect("bound").into()
    }

    pub(crate) fn say(&mut self, message: &[u8]) {
        self.0.write_all(&frame(message)).expect("written");
    }

    pub(crate) fn hear(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).expect("a message in time");
        let mut message = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut message).expect("the whole message in time");
        message
    }

    /// The other side has finished, and nothing is left to read.
    pub(crate) fn hears_the_end(&mut self) {
        assert_eq!(self.0.read(&mut [0; 64]).expect("the end in time"), 0);
    }

    pub(crate) fn hears_a_reset(&mut self) {
        let mut buffer = [0; 4_096];
        let error = loop {
            match self.0.read(&mut buffer) {
                Ok(0) => panic!("it finished"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    /// Closes it without a word of farewell.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(&self.0);
        socket.set_linger(Some(Duration::ZERO)).expect("set");
    }
}

pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = (message.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(message);
    frame
}
