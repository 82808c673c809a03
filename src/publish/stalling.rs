//! For tests: a broker that takes connections and messages but does not acknowledge them, on its
//! first connections. It speaks just enough MQTT 3.1.1: CONNECT, PUBLISH, PINGREQ.

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A message with QoS 1 as the broker got it.
#[derive(Debug)]
pub(super) struct Publish {
    /// Counts from 1.
    pub(super) connection: usize,
    pub(super) at: Instant,
    topic: String,
    payload: Vec<u8>,
}

/// Runs until the test's process ends.
pub(super) struct Broker {
    pub(super) port: u16,
    publishes: Receiver<Publish>,
}

impl Publish {
    /// The event's id.
    pub(super) fn id(&self) -> String {
        let event: serde_json::Value = serde_json::from_slice(&self.payload).unwrap();
        event["id"].as_str().unwrap().to_owned()
    }
}

impl Broker {
    /// Acknowledges nothing on the first `stalled` connections, everything on later ones.
    pub(super) fn start(stalled: usize) -> Broker {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, publishes) = channel();
        thread::spawn(move || {
            for (connection, stream) in (1..).zip(listener.incoming()) {
                let (stream, tell) = (stream.unwrap(), tell.clone());
                thread::spawn(move || serve(stream, connection, connection > stalled, &tell));
            }
        });
        Broker { port, publishes }
    }

    /// The alerts of the first connections, until so many came on each of `connections`.
    pub(super) fn wait_for_publishes(
        &self,
        count: usize,
        connections: usize,
        timeout: Duration,
    ) -> Vec<Publish> {
        let deadline = Instant::now() + timeout;
        let mut seen: Vec<Publish> = Vec::new();
        let of = |seen: &[Publish], n| seen.iter().filter(|p| p.connection == n).count();
        while (1..=connections).any(|n| of(&seen, n) < count) {
            let left = deadline.saturating_duration_since(Instant::now());
            let publish = self.publishes.recv_timeout(left);
            let publish = publish.unwrap_or_else(|_| panic!("only {seen:#?}"));
            if publish.topic.ends_with("/alert") {
                seen.push(publish);
            }
        }
        seen
    }
}

/// One connection, until it closes.
fn serve(
    mut stream: TcpStream,
    connection: usize,
    acknowledges: bool,
    tell: &Sender<Publish>,
) -> Result<()> {
    loop {
        let (head, body) = packet(&mut stream)?;
        match head >> 4 {
            1 => stream.write_all(&[0x20, 2, 0, 0])?,
            12 => stream.write_all(&[0xd0, 0])?,
            3 if head & 0b110 == 0b010 => {
                let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                let publish = Publish {
                    connection,
                    at: Instant::now(),
                    topic: String::from_utf8_lossy(&body[2..end]).into_owned(),
                    payload: body[end + 2..].to_vec(),
                };
                if acknowledges {
                    stream.write_all(&[0x40, 2, body[end], body[end + 1]])?;
                }
                // The test may have what it wants.
                let _ = tell.send(publish);
            }
            _ => {}
        }
    }
}

/// First byte and body of the next packet.
fn packet(stream: &mut impl Read) -> Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    let head = byte[0];
    let (mut length, mut shift) = (0usize, 0);
    loop {
        stream.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}
