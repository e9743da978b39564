//! The wire format of asks: an exchange of two nodes with known seeds, datagram by datagram.

use core::time::Duration;
use tellask::ask::Asking;
use tellask::swarm::{AskError, AskId, Link, Message, Refusal, Token};
use tellask::{BytesMut, Command, Event, Instant, Limits, MemoryAddr, Node, Seed};
use tellask_tests::{entries, hex};

const ADDRS: [MemoryAddr; 2] = [MemoryAddr(0), MemoryAddr(1)];

/// Two nodes, and what they have said.
struct Exchange {
    nodes: [Node<Asking<MemoryAddr>>; 2],
    now: Instant,
    recorded: Vec<(String, usize, Vec<u8>)>,
    sent: Vec<(String, usize, Vec<u8>)>,
    events: Vec<Event<MemoryAddr>>,
}

impl Exchange {
    fn new() -> Self {
        let recorded = entries(include_str!("../vectors/ask.json"));
        let recorded = recorded.into_iter().map(|entry| {
            let text = |name: &str| entry[name].as_str().expect("a text").to_owned();
            let from = usize::try_from(entry["from"].as_u64().expect("a number")).expect("0 or 1");
            (text("says"), from, hex(&text("message")))
        });
        let mut limits = Limits::default();
        limits.ask_max = 10_000;
        let node = |number: usize| {
            let seed = Seed::from_u64(number as u64);
            let mut node = Node::new(Asking::new(&seed, &limits));
            let local = vec![ADDRS[number]];
            let link = Link { local, unit: 300, tell_max: 300, ask_max: 0 };
            node.handle_input(Instant::ZERO, Event::Link(link));
            while node.poll_event().is_some() {}
            node
        };
        let now = Instant::ZERO + Duration::from_secs(1);
        let (sent, events) = (Vec::new(), Vec::new());
        Self { nodes: [node(0), node(1)], now, recorded: recorded.collect(), sent, events }
    }

    fn command(&mut self, of: usize, command: Command<MemoryAddr>) {
        self.nodes[of].handle_command(self.now, command);
    }

    fn ask(&mut self, of: usize, seq: u64, len: usize) {
        let (id, deadline) = (AskId::new(seq), self.now + Duration::from_secs(10));
        let payload = vec![seq as u8; len].into();
        self.command(of, Command::Ask { id, dst: ADDRS[1 - of], payload, deadline });
    }

    /// Time passes, and all that is sent arrives 10 ms later. `says` is what it is about.
    fn pass(&mut self, says: &str, time: Duration) {
        self.now = self.now + time;
        let before = self.sent.len();
        for from in [0, 1] {
            self.nodes[from].finish_round(self.now);
            while let Some(Command::Tell { payload, .. }) = self.nodes[from].poll_transmit() {
                self.sent.push((says.to_owned(), from, payload.into_mut().to_vec()));
            }
        }
        self.now = self.now + Duration::from_millis(10);
        for (_, from, bytes) in self.sent.iter().skip(before) {
            let (src, dst) = (ADDRS[*from], ADDRS[1 - *from]);
            let payload = BytesMut::from(&bytes[..]);
            let told = Event::Told(Message { src, dst, payload });
            self.nodes[1 - *from].handle_input(self.now, told);
        }
        for of in [0, 1] {
            while let Some(event) = self.nodes[of].poll_event() {
                self.events.push(event);
            }
        }
    }

    fn asked(&mut self) -> Vec<Token> {
        let events = core::mem::take(&mut self.events);
        let asked = events.into_iter().filter_map(|event| {
            let Event::Asked { token, .. } = event else { return None };
            Some(token)
        });
        asked.collect()
    }

    fn outcomes(&mut self) -> Vec<(u64, Result<usize, AskError>)> {
        let events = core::mem::take(&mut self.events);
        let answered = events.into_iter().filter_map(|event| {
            let Event::Answered { id, result } = event else { return None };
            Some((id.seq, result.map(|reply| reply.len())))
        });
        answered.collect()
    }

    fn answer(&mut self, token: Token, result: Result<Vec<u8>, Refusal>) {
        let result = result.map(Into::into);
        self.command(1, Command::Answer { token, dst: ADDRS[0], result });
    }
}

#[test]
fn two_nodes_say_what_was_recorded_and_understand_it() {
    let mut exchange = Exchange::new();
    let ms = Duration::from_millis;

    exchange.ask(0, 1, 5);
    exchange.pass("a request of 5 bytes, with the asker's limit", ms(1));
    let asked = exchange.asked();
    exchange.answer(asked[0], Ok(vec![9; 7]));
    exchange.pass("its answer of 7, with the answerer's limit and an acknowledgement", ms(1));
    assert_eq!(exchange.outcomes(), [(1, Ok(7))]);
    exchange.pass("the answer's acknowledgement", ms(6));

    for seq in [2, 3, 4] {
        exchange.ask(0, seq, 5 + seq as usize);
    }
    exchange.pass("three requests in a bundle", ms(1));
    let asked = exchange.asked();
    exchange.answer(asked[1], Ok(Vec::new()));
    exchange.answer(asked[0], Err(Refusal { code: 404, detail: b"no such thing".to_vec() }));
    exchange.pass("an empty reply and a refusal with its code and detail, in a bundle", ms(1));
    let refused = AskError::Refused(Refusal { code: 404, detail: b"no such thing".to_vec() });
    let mut outcomes = exchange.outcomes();
    outcomes.sort_by_key(|(seq, _)| *seq);
    assert_eq!(outcomes, [(2, Err(refused)), (3, Ok(0))]);

    exchange.command(0, Command::Cancel { id: AskId::new(4), dst: ADDRS[1] });
    exchange.pass("the third is cancelled", ms(1));
    assert_eq!(exchange.outcomes(), [(4, Err(AskError::Cancelled))]);
    exchange.pass("which is acknowledged", ms(6));

    exchange.ask(0, 5, 700);
    exchange.pass("a request of 700 bytes in parts", ms(1));
    let asked = exchange.asked();
    exchange.pass("its acknowledgement", ms(6));
    exchange.answer(asked[0], Ok(vec![8; 10_001]));
    exchange.pass("its answer is too large for the asker", ms(1));
    assert_eq!(exchange.outcomes(), [(5, Err(AskError::TooLarge { limit: 10_000 }))]);
    exchange.pass("acknowledged", ms(6));

    exchange.ask(0, 6, 1);
    exchange.pass("one that takes long", ms(1));
    let asked = exchange.asked();
    exchange.pass("acknowledged in between", ms(6));
    exchange.pass("a ping after five seconds", Duration::from_secs(5));
    exchange.pass("acknowledged", ms(6));
    exchange.answer(asked[0], Ok(vec![7; 3]));
    exchange.pass("answered after all", ms(1));
    assert_eq!(exchange.outcomes(), [(6, Ok(3))]);
    exchange.pass("acknowledged", ms(6));

    // The answerer forgets everything.
    let seed = Seed::from_u64(7);
    let mut other = Node::new(Asking::new(&seed, &Limits::default()));
    let link = Link { local: vec![ADDRS[1]], unit: 300, tell_max: 300, ask_max: 0 };
    other.handle_input(exchange.now, Event::Link(link));
    exchange.nodes[1] = other;
    exchange.ask(0, 7, 2);
    exchange.pass("a request to an answerer that was restarted", ms(1));
    exchange.pass("is answered with a challenge", ms(1));
    exchange.pass("and asked again under the name that it says", ms(1));
    assert_eq!(exchange.asked().len(), 1);

    exchange.command(0, Command::Tell { dst: ADDRS[1], payload: "a tell".into() });
    exchange.pass("a tell", Duration::ZERO);
    assert!(exchange.events.iter().any(|event| matches!(event, Event::Told(_))));

    let text = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let sent = exchange.sent.iter().map(|(says, from, bytes)| {
        format!(
            " {{\n  \"from\": {from},\n  \"message\": \"{}\",\n  \"says\": \"{says}\"\n }}",
            text(bytes)
        )
    });
    let sent = format!("[\n{}\n]\n", sent.collect::<Vec<_>>().join(",\n"));
    assert_eq!(exchange.sent, exchange.recorded, "what was sent:\n{sent}");
}
