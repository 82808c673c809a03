//! For tests: a broker whose faults are drawn from a seed. It speaks MQTT 3.1.1 and 5 as far as a
//! publisher needs: CONNECT, PUBLISH with QoS 0 and 1, SUBSCRIBE, PINGREQ, DISCONNECT.
//!
//! It keeps no session and delivers to nobody, but remembers each message that it has read whole and
//! whether it acknowledged it. It never acknowledges what it has not read, but for packet ids that no
//! client of ours uses.

mod chance;
mod faults;
mod wire;

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub(super) use chance::Chance;
pub(super) use faults::{Faults, Poison, Speaks};
use wire::{Ack, Connect};

/// A message that was read whole.
#[derive(Debug, Clone)]
pub(super) struct Publish {
    /// Counts from 1, over all clients.
    pub(super) connection: usize,
    pub(super) client: String,
    pub(super) at: Instant,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// Whether a PUBACK that says "taken" was written.
    pub(super) acknowledged: bool,
}

impl Publish {
    /// Whether it is an alert.
    pub(super) fn is_alert(&self) -> bool {
        self.topic.ends_with("/alert")
    }

    /// The event's id.
    pub(super) fn id(&self) -> String {
        let event: serde_json::Value = serde_json::from_slice(&self.payload).unwrap();
        event["id"].as_str().unwrap().to_owned()
    }
}

/// Runs until the test's process ends.
#[derive(Clone)]
pub(super) struct Faulty {
    pub(super) port: u16,
    faults: Arc<Mutex<Faults>>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    publishes: Vec<Publish>,
    connections: usize,
    subscriptions: usize,
}

impl Faulty {
    pub(super) fn start(seed: u64, faults: Faults) -> Faulty {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let broker = Faulty {
            port: listener.local_addr().unwrap().port(),
            faults: Arc::new(Mutex::new(faults)),
            seen: Arc::default(),
        };
        let started = broker.clone();
        thread::spawn(move || {
            for (connection, stream) in (1..).zip(listener.incoming()) {
                let (broker, stream) = (broker.clone(), stream.unwrap());
                broker.seen.lock().unwrap().connections = connection;
                let chance = Chance(seed.wrapping_mul(0x1_0000_0000) + connection as u64);
                thread::spawn(move || Talk::new(broker, stream, connection, chance).run());
            }
        });
        started
    }

    /// Other faults from now on.
    pub(super) fn mend(&self, faults: Faults) {
        *self.faults.lock().unwrap() = faults;
    }

    /// The messages that it has read whole, in order.
    pub(super) fn received(&self) -> Vec<Publish> {
        self.seen.lock().unwrap().publishes.clone()
    }

    /// The alerts among them.
    pub(super) fn alerts(&self) -> Vec<Publish> {
        let mut alerts = self.received();
        alerts.retain(Publish::is_alert);
        alerts
    }

    /// How often somebody connected.
    pub(super) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// How often somebody subscribed and was answered.
    pub(super) fn subscriptions(&self) -> usize {
        self.seen.lock().unwrap().subscriptions
    }

    /// Waits until the messages that it has read satisfy `wanted`.
    pub(super) fn wait(
        &self,
        timeout: Duration,
        wanted: impl Fn(&[Publish]) -> bool,
    ) -> std::result::Result<(), String> {
        let deadline = Instant::now() + timeout;
        while !wanted(&self.seen.lock().unwrap().publishes) {
            if Instant::now() > deadline {
                return Err(format!("not within {timeout:?}"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn faults(&self) -> Faults {
        self.faults.lock().unwrap().clone()
    }
}

/// One connection.
struct Talk {
    broker: Faulty,
    stream: TcpStream,
    number: usize,
    chance: Chance,
    /// Of the client, once it has said so.
    connect: Option<Connect>,
    /// PUBACKs that come late: when, what, for which message.
    owed: Vec<(Instant, Ack, Option<usize>)>,
}

fn over<T>() -> Result<T> {
    Err(Error::from(ErrorKind::ConnectionAborted))
}

impl Talk {
    fn new(broker: Faulty, stream: TcpStream, number: usize, chance: Chance) -> Talk {
        Talk {
            broker,
            stream,
            number,
            chance,
            connect: None,
            owed: Vec::new(),
        }
    }

    /// Until it closes; why does not matter.
    fn run(mut self) -> Result<()> {
        if self.chance.is(self.broker.faults().drop_at_connect) {
            return over();
        }
        self.stream.set_nodelay(true)?;
        let (mut buffer, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            self.pay()?;
            let patience = if self.owed.is_empty() { 50 } else { 1 };
            self.stream
                .set_read_timeout(Some(Duration::from_millis(patience)))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(read) => buffer.extend_from_slice(&chunk[..read]),
                Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock) => {}
                Err(fault) => return Err(fault),
            }
            while let Some((head, body)) = wire::cut(&mut buffer) {
                self.take(head, &body)?;
            }
        }
    }

    /// Writes the PUBACKs that are due.
    fn pay(&mut self) -> Result<()> {
        let now = Instant::now();
        while let Some(due) = self.owed.iter().position(|(at, _, _)| *at <= now) {
            let (_, ack, message) = self.owed.remove(due);
            self.acknowledge(&ack, message)?;
        }
        Ok(())
    }

    fn is_v5(&self) -> bool {
        self.connect.as_ref().is_some_and(|connect| connect.is_v5)
    }

    fn take(&mut self, head: u8, body: &[u8]) -> Result<()> {
        let faults = self.broker.faults();
        if self.connect.is_some() {
            self.misbehave(&faults)?;
        }
        match head >> 4 {
            1 => self.welcome(wire::connect(body), &faults),
            3 => self.publish(head, body, &faults),
            8 => self.subscribe(body, &faults),
            12 => self.stream.write_all(&[0xd0, 0]),
            14 => over(),
            _ => Ok(()),
        }
    }

    /// Faults that may come at any packet.
    fn misbehave(&mut self, faults: &Faults) -> Result<()> {
        if self.chance.is(faults.reset_reading) {
            return over();
        }
        if self.chance.is(faults.dismiss) {
            if self.is_v5() {
                // 0x8b: the server shuts down.
                self.stream.write_all(&[0xe0, 1, 0x8b])?;
            }
            return over();
        }
        if self.chance.is(faults.half_open) {
            // Far longer than anybody's patience, and an end to the thread.
            thread::sleep(Duration::from_secs(20));
            return over();
        }
        Ok(())
    }

    fn welcome(&mut self, connect: Connect, faults: &Faults) -> Result<()> {
        let is_v5 = connect.is_v5;
        match faults.speaks {
            Speaks::V3 if is_v5 => {
                self.stream.write_all(&[0x20, 2, 0, 1])?;
                return over();
            }
            Speaks::V3AndCloses if is_v5 => return over(),
            _ => {}
        }
        if self.chance.is(faults.refuse) {
            let is_busy = self.chance.is(0.5);
            self.stream.write_all(match (is_v5, is_busy) {
                (true, true) => &[0x20, 3, 0, 0x88, 0],
                (true, false) => &[0x20, 3, 0, 0x87, 0],
                (false, true) => &[0x20, 2, 0, 3],
                (false, false) => &[0x20, 2, 0, 5],
            })?;
            return over();
        }
        self.connect = Some(connect);
        self.stream.write_all(&wire::connack(
            is_v5,
            faults.largest_packet,
            faults.receive_maximum,
        ))
    }

    fn publish(&mut self, head: u8, body: &[u8], faults: &Faults) -> Result<()> {
        let largest = faults.largest_packet.unwrap_or(u32::MAX);
        if wire::size(body) > largest as usize {
            return over();
        }
        let Some(connect) = &self.connect else {
            return over();
        };
        let (topic, packet, payload) = wire::publish(head, body, connect.is_v5);
        let poison = faults.poison.iter().find(|(text, _)| {
            topic.contains(text.as_str()) || String::from_utf8_lossy(payload).contains(text)
        });
        let message = {
            let mut seen = self.broker.seen.lock().unwrap();
            seen.publishes.push(Publish {
                connection: self.number,
                client: connect.client.clone(),
                at: Instant::now(),
                topic,
                payload: payload.to_vec(),
                acknowledged: false,
            });
            seen.publishes.len() - 1
        };
        let poison = poison.map(|(_, poison)| *poison);
        let Some(packet) = packet else {
            let closes = poison == Some(Poison::Closes);
            return if closes { over() } else { Ok(()) };
        };
        match poison {
            Some(Poison::Denied) if self.is_v5() => {
                return self.acknowledge(&Ack::denied(packet), None);
            }
            Some(Poison::Denied | Poison::Closes) => return over(),
            Some(Poison::Mute) => return Ok(()),
            None => {}
        }
        if self.number <= faults.silent_connections {
            return Ok(());
        }
        self.answer(packet, message, faults)
    }

    fn subscribe(&mut self, body: &[u8], faults: &Faults) -> Result<()> {
        if faults.closes_at_subscribe {
            return over();
        }
        let is_v5 = self.is_v5();
        self.stream.write_all(&wire::suback(body, is_v5))?;
        self.broker.seen.lock().unwrap().subscriptions += 1;
        match faults.left_behind {
            None => Ok(()),
            Some(bytes) => self
                .stream
                .write_all(&wire::retained("left/behind", bytes, is_v5)),
        }
    }

    /// What is said of a message that may be taken.
    fn answer(&mut self, packet: u16, message: usize, faults: &Faults) -> Result<()> {
        if self.chance.is(faults.mute) {
            return Ok(());
        }
        if self.is_v5() && self.chance.is(faults.later) {
            return self.acknowledge(&Ack::later(packet), None);
        }
        if self.chance.is(faults.unknown) {
            self.acknowledge(&Ack::taken(60_000), None)?;
        }
        let copies = if self.chance.is(faults.twice) { 2 } else { 1 };
        for _ in 0..copies {
            if self.chance.is(faults.late) {
                let late = Duration::from_millis(1 + (self.chance.draw() * 30.0) as u64);
                self.owed
                    .push((Instant::now() + late, Ack::taken(packet), Some(message)));
            } else {
                self.acknowledge(&Ack::taken(packet), Some(message))?;
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, ack: &Ack, message: Option<usize>) -> Result<()> {
        let bytes = ack.encode(self.is_v5());
        if self.chance.is(self.broker.faults().reset_writing) {
            self.stream.write_all(&bytes[..1])?;
            return over();
        }
        if let Some(message) = message {
            self.broker.seen.lock().unwrap().publishes[message].acknowledged = true;
        }
        self.stream.write_all(&bytes)
    }
}
