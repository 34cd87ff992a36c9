//! Where one message ends and the next begins, decided before hyper sees a byte.
//!
//! hyper forgives a good deal: two `Host` fields, none at all, bare line feeds, a length and a chunked coding in one
//! message. Every proxy in front of us may read such bytes in another way than hyper does, and the difference is a
//! smuggled request. So the bytes of a connection pass through [`Framing`] first: heads are held back until they are
//! whole and judged (they are small), bodies are only counted, and of a message that could be read in two ways
//! nothing is passed on. There is no input or output here, which is why it can be tested byte by byte.

mod chunked;
mod fields;
mod head;

use chunked::ChunkReader;
use head::HeadReader;

/// A head may be this long, in bytes, from the request line to the empty line.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A head may have this many fields.
pub(crate) const HEAD_FIELDS_MAX: usize = 64;
/// A request target may be this long, in bytes.
pub(crate) const TARGET_BYTES_MAX: usize = 8 * 1024;

/// Why a message goes no further: the status that its sender gets, and one sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status of the answer.
    pub(crate) status: u16,
    /// What is wrong, for the sender.
    pub(crate) reason: &'static str,
}

impl Refusal {
    const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }

    /// A message that breaks the grammar or can be read in two ways.
    const fn bad(reason: &'static str) -> Self {
        Self::new(400, reason)
    }
}

/// What may happen with the bytes at hand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many bytes at the front are good and may be passed on.
    Release(usize),
    /// Nothing can be said before more bytes are here.
    NeedMore,
    /// The message at the front is refused, and with it everything after.
    Refuse(Refusal),
}

/// Follows the messages of one connection.
#[derive(Debug)]
pub(crate) struct Framing {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Head(Box<HeadReader>),
    Body { left: u64 },
    Chunked(ChunkReader),
    Refused(Refusal),
}

/// What the head says about the bytes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyLength {
    None,
    Bytes(u64),
    Chunked,
}

impl Framing {
    pub(crate) fn new() -> Self {
        Self {
            place: Place::Head(Box::default()),
        }
    }

    /// Whether the next byte belongs to a head (or would be the first byte of one).
    pub(crate) fn is_at_head(&self) -> bool {
        matches!(self.place, Place::Head(_))
    }

    /// How many of the next bytes are body for certain: these need not be looked at.
    pub(crate) fn plain_bytes(&self) -> u64 {
        match &self.place {
            Place::Body { left } => *left,
            Place::Chunked(chunks) => chunks.plain_bytes(),
            Place::Head(_) | Place::Refused(_) => 0,
        }
    }

    /// Judges `input`, which must begin where the last released byte ended and may only grow between calls.
    pub(crate) fn step(&mut self, input: &[u8]) -> Step {
        let plain = self.plain_bytes();
        if plain > 0 {
            return self.release_plain(plain, input);
        }
        match self.judge(input) {
            Ok(Some(length)) => Step::Release(length),
            Ok(None) => Step::NeedMore,
            Err(refusal) => {
                self.place = Place::Refused(refusal);
                Step::Refuse(refusal)
            }
        }
    }

    /// Counts `length` body bytes that went past without being looked at; never more than [`Self::plain_bytes`].
    pub(crate) fn pass(&mut self, length: u64) {
        match &mut self.place {
            Place::Body { left } => {
                *left -= length;
                if *left == 0 {
                    self.place = Place::Head(Box::default());
                }
            }
            Place::Chunked(chunks) => chunks.pass(length),
            Place::Head(_) | Place::Refused(_) => {}
        }
    }

    fn release_plain(&mut self, plain: u64, input: &[u8]) -> Step {
        let length = usize::try_from(plain).map_or(input.len(), |plain| plain.min(input.len()));
        if length == 0 {
            return Step::NeedMore;
        }
        self.pass(length as u64);
        Step::Release(length)
    }

    fn judge(&mut self, input: &[u8]) -> Result<Option<usize>, Refusal> {
        match &mut self.place {
            Place::Head(head) => {
                let Some((length, body)) = head.read(input)? else {
                    return Ok(None);
                };
                self.place = match body {
                    BodyLength::None | BodyLength::Bytes(0) => Place::Head(Box::default()),
                    BodyLength::Bytes(left) => Place::Body { left },
                    BodyLength::Chunked => Place::Chunked(ChunkReader::default()),
                };
                Ok(Some(length))
            }
            Place::Chunked(chunks) => {
                let length = chunks.read(input)?;
                if chunks.is_done() {
                    self.place = Place::Head(Box::default());
                }
                Ok((length > 0).then_some(length))
            }
            // Plain bytes were released before; at their end the place changes.
            Place::Body { .. } => Ok(None),
            Place::Refused(refusal) => Err(*refusal),
        }
    }
}
