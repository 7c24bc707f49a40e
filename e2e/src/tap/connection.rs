//! One connection through the tap: frames of four bytes of length and as many bytes as they say.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::{Kind, Shared, Side};

/// More than any request or answer of a test.
const LONGEST_FRAME: usize = 100 << 20;

/// A correlation id is a number of 32 bits, so that no answer has this one.
const NONE: i64 = i64::MAX;

/// What the two directions of a connection know of each other.
struct Link {
    shared: Arc<Shared>,
    /// The correlation id of the request whose answer does not come back.
    fatal: AtomicI64,
}

/// Relays in threads of its own until either side closes.
pub(super) fn relay(client: TcpStream, broker: usize, shared: &Arc<Shared>) {
    let Some(target) = shared.target(broker) else {
        return;
    };
    // A broker that is down: the client finds its connection closed.
    let Ok(server) = TcpStream::connect(target) else {
        return;
    };
    let link = Arc::new(Link {
        shared: Arc::clone(shared),
        fatal: AtomicI64::new(NONE),
    });
    let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    // Small requests must not wait for each other.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let there = Arc::clone(&link);
    std::thread::spawn(move || {
        let _ = requests(from_client, &server, &there);
        let _ = server.shutdown(Shutdown::Both);
    });
    std::thread::spawn(move || {
        let _ = answers(from_server, &client, &link);
        let _ = client.shutdown(Shutdown::Both);
    });
}

/// Passes requests on until the connection ends or is struck.
fn requests(mut from: TcpStream, mut to: &TcpStream, link: &Link) -> io::Result<()> {
    loop {
        let frame = read_frame(&mut from)?;
        let kind = number::<2>(&frame, 0).map(i16::from_be_bytes).and_then(Kind::of);
        let side = kind.and_then(|kind| link.shared.note(kind));
        if side == Some(Side::Before) && !link.shared.strike() {
            return Ok(());
        }
        if let (Some(Side::After), Some(id)) = (side, number::<4>(&frame, 4)) {
            link.fatal.store(i32::from_be_bytes(id).into(), Ordering::SeqCst);
        }
        write_frame(&mut to, &frame)?;
    }
}

/// Passes answers back until the connection ends or is struck.
fn answers(mut from: TcpStream, mut to: &TcpStream, link: &Link) -> io::Result<()> {
    loop {
        let frame = read_frame(&mut from)?;
        let id = number::<4>(&frame, 0).map(i32::from_be_bytes);
        if id.is_some_and(|id| i64::from(id) == link.fatal.load(Ordering::SeqCst)) && !link.shared.strike() {
            return Ok(());
        }
        write_frame(&mut to, &frame)?;
    }
}

fn read_frame(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST_FRAME {
        return Err(io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut frame = vec![0; length];
    from.read_exact(&mut frame)?;
    Ok(frame)
}

fn write_frame(to: &mut &TcpStream, frame: &[u8]) -> io::Result<()> {
    let length = i32::try_from(frame.len()).map_err(io::Error::other)?;
    let mut whole = length.to_be_bytes().to_vec();
    whole.extend_from_slice(frame);
    to.write_all(&whole)
}

fn number<const N: usize>(frame: &[u8], at: usize) -> Option<[u8; N]> {
    frame.get(at..at + N)?.try_into().ok()
}
