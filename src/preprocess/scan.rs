//! Whether the coded data of a JPEG scan hold just the blocks that its header promises.
//!
//! Decoders fill what is missing with grey and pass over what is too much. Both happen when a camera
//! loses data and the file still ends well: half a picture with an end marker, or the first half of
//! one picture and the second of another. Here the Huffman codes are walked and the blocks counted;
//! nothing is decoded. Only sequential coding is walked: cameras don't make progressive pictures.

use std::ops::Range;

/// Bytes after the last block that are forgiven: some encoders pad to a word.
const PADDING: usize = 16;

/// One colour component of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks across and down in one MCU.
    pub(super) across: u32,
    pub(super) down: u32,
}

/// A frame header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) sequential: bool,
    pub(super) components: Vec<Component>,
}

/// A code with the bits that belong to it.
#[derive(Debug, Clone, Copy, Default)]
struct Code {
    /// How many of both together; 0 is no code.
    bits: u8,
    /// How many values of a block it fills; [`END`] where it fills the rest.
    fills: u8,
}

/// More than a block has values: what ends it.
const END: u8 = 128;

/// Bits that are looked up at once. Nearly all codes are shorter, and what is looked up stays in the
/// nearest cache: with all 16 the walk took half as long again.
const SHORT: u32 = 10;

/// The codes of a table, by what they start with.
#[derive(Debug)]
struct Table {
    /// For all [`SHORT`] bits that may come.
    short: Box<[Code; 1 << SHORT]>,
    /// Longer ones, by the 16 bits from which on and up to which they hold.
    long: Vec<(Range<usize>, Code)>,
}

/// The tables in force at a scan: four for DC, four for AC, and the restart interval.
#[derive(Debug, Default)]
pub(super) struct Tables {
    codes: [[Option<Table>; 4]; 2],
    restart: u32,
}

impl Tables {
    /// Whether no Huffman table has come yet.
    pub(super) fn is_empty(&self) -> bool {
        self.codes.iter().flatten().all(Option::is_none)
    }

    /// Takes a DHT segment's body.
    pub(super) fn define(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&[class], rest)) = body.split_first_chunk::<1>() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(total)?;
            let slot = self
                .codes
                .get_mut(usize::from(class >> 4))?
                .get_mut(usize::from(class & 15))?;
            *slot = Some(Table::new(counts, symbols)?);
            body = rest;
        }
        Some(())
    }

    /// Takes a DRI segment's body.
    pub(super) fn set_restart(&mut self, body: &[u8]) -> Option<()> {
        let &[high, low] = body else { return None };
        self.restart = u16::from_be_bytes([high, low]).into();
        Some(())
    }

    /// Checks one scan: `header` is the SOS segment's body, `data` what follows up to the next
    /// marker that is no restart.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(super) fn check(
        &self,
        frame: &FrameHeader,
        header: &[u8],
        data: &[u8],
    ) -> Result<(), &'static str> {
        let broken = "damaged JPEG: a scan with an impossible header";
        let (&count, rest) = header.split_first().ok_or(broken)?;
        let selectors = rest.get(..2 * usize::from(count)).ok_or(broken)?;
        let mut blocks = Vec::new();
        let mut chosen = Vec::new();
        for &[id, tables] in selectors.as_chunks::<2>().0 {
            let component = frame.components.iter().find(|c| c.id == id).ok_or(broken)?;
            let slot = |class: usize, table: u8| {
                let of_class = &self.codes[class];
                of_class.get(usize::from(table)).and_then(Option::as_ref)
            };
            let (Some(dc), Some(ac)) = (slot(0, tables >> 4), slot(1, tables & 15)) else {
                return Err("damaged JPEG: a scan without its Huffman tables");
            };
            chosen.push(*component);
            blocks.push((component.across * component.down, dc, ac));
        }
        if let [(count, ..)] = blocks.as_mut_slice() {
            // Not interleaved: one block is one MCU.
            *count = 1;
        }
        let mut bits = Bits::new(data);
        for mcu in 0..mcus(frame, &chosen).ok_or(broken)? {
            if self.restart > 0 && mcu > 0 && mcu.is_multiple_of(self.restart) {
                bits.restart()?;
            }
            for &(count, dc, ac) in &blocks {
                for _ in 0..count {
                    bits.block(dc, ac)?;
                }
            }
        }
        if bits.left() > PADDING {
            return Err("damaged JPEG: more data than its size needs; parts of two pictures?");
        }
        Ok(())
    }
}

/// How many MCUs a scan of these components has.
fn mcus(frame: &FrameHeader, chosen: &[Component]) -> Option<u32> {
    let across = frame.components.iter().map(|c| c.across).max()?;
    let down = frame.components.iter().map(|c| c.down).max()?;
    let (columns, rows) = match chosen {
        [] => return None,
        [one] => (
            (frame.width * one.across).div_ceil(across).div_ceil(8),
            (frame.height * one.down).div_ceil(down).div_ceil(8),
        ),
        _ => (
            frame.width.div_ceil(8 * across),
            frame.height.div_ceil(8 * down),
        ),
    };
    Some(columns * rows)
}

impl Table {
    /// Of a DHT segment: canonical, shorter first.
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Table {
            short: Box::new([Code::default(); 1 << SHORT]),
            long: Vec::new(),
        };
        let mut symbols = symbols.iter();
        let mut start = 0_usize;
        for (length, &count) in (1_u8..).zip(counts) {
            for &symbol in symbols.by_ref().take(count.into()) {
                let end = start + (1 << (16 - length));
                if end > 1 << 16 {
                    return None;
                }
                table.set(start..end, Code::new(length, symbol));
                start = end;
            }
        }
        Some(table)
    }

    fn set(&mut self, held: Range<usize>, code: Code) {
        let step = 1 << (16 - SHORT);
        if held.len() < step {
            self.long.push((held, code));
        } else {
            self.short[held.start / step..held.end / step].fill(code);
        }
    }

    /// The code that these 16 bits start with.
    fn code(&self, bits: usize) -> Code {
        let code = self.short[bits >> (16 - SHORT)];
        if code.bits > 0 {
            return code;
        }
        let at = self.long.partition_point(|(held, _)| held.end <= bits);
        let found = self.long.get(at).filter(|(held, _)| held.contains(&bits));
        found.map_or(Code::default(), |(_, code)| *code)
    }
}

impl Code {
    fn new(length: u8, symbol: u8) -> Self {
        let (zeros, bits) = (symbol >> 4, symbol & 15);
        Code {
            bits: length + bits,
            fills: match (zeros, bits) {
                (15, 0) => 16,
                (_, 0) => END,
                _ => zeros + 1,
            },
        }
    }
}

/// A one in each byte.
const ONES: u64 = u64::MAX / 0xff;

/// The bits of a scan, stuffing removed, up to a marker.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, from the top; zeros after the last.
    buffer: u64,
    held: u32,
}

const TOO_FEW: &str = "JPEG cut off: fewer blocks than its size needs";

impl<'a> Bits<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            at: 0,
            buffer: 0,
            held: 0,
        }
    }

    fn fill(&mut self) {
        if self.fill_plain() {
            return;
        }
        while self.held <= 56 {
            let step = match self.data.get(self.at..) {
                Some([0xff, 0, ..]) => 2,
                Some([byte, ..]) if *byte != 0xff => 1,
                _ => return,
            };
            self.buffer |= u64::from(self.data[self.at]) << (56 - self.held);
            self.held += 8;
            self.at += step;
        }
    }

    /// Fills up at once where none of the next eight bytes is the first of a marker or stuffed.
    fn fill_plain(&mut self) -> bool {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let Some(bytes) = rest.first_chunk::<8>() else {
            return false;
        };
        let bytes = u64::from_be_bytes(*bytes);
        // Where a byte is 0xff, its complement is 0 and borrows.
        if (!bytes).wrapping_sub(ONES) & bytes & (ONES << 7) != 0 {
            return false;
        }
        let room = (64 - self.held) / 8;
        if room > 0 {
            let kept = u64::MAX << (64 - 8 * room);
            self.buffer |= (bytes & kept) >> self.held;
            self.held += 8 * room;
            self.at += room as usize;
        }
        true
    }

    /// Passes one code and the bits that belong to it; how many values it fills.
    #[inline]
    fn code(&mut self, table: &Table) -> Result<u32, &'static str> {
        if self.held < 32 {
            self.fill();
        }
        let code = table.code((self.buffer >> 48) as usize);
        if code.bits == 0 {
            return Err("damaged JPEG: a code that does not exist");
        }
        self.held = self.held.checked_sub(code.bits.into()).ok_or(TOO_FEW)?;
        self.buffer <<= code.bits;
        Ok(code.fills.into())
    }

    fn block(&mut self, dc: &Table, ac: &Table) -> Result<(), &'static str> {
        self.code(dc)?;
        let mut filled = 1;
        while filled < 64 {
            filled += self.code(ac)?;
        }
        if (65..u32::from(END)).contains(&filled) {
            return Err("damaged JPEG: a block of more than 64 values");
        }
        Ok(())
    }

    /// Passes a restart marker, which must come now.
    fn restart(&mut self) -> Result<(), &'static str> {
        self.fill();
        while self
            .data
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(&[0xff, 0xff]))
        {
            self.at += 1;
        }
        match self.data.get(self.at..) {
            Some([0xff, 0xd0..=0xd7, ..]) if self.held < 8 => {
                *self = Self {
                    at: self.at + 2,
                    ..Self::new(self.data)
                };
                Ok(())
            }
            _ => Err("damaged JPEG: a restart marker is missing"),
        }
    }

    /// Bytes not yet passed.
    fn left(&self) -> usize {
        (self.held / 8) as usize + self.data.len() - self.at
    }
}
