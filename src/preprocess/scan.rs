//! Whether the coded data of a JPEG scan hold just the blocks that its header promises.
//!
//! Decoders fill what is missing with grey and pass over what is too much. Both happen when a camera
//! loses data and the file still ends well: half a picture with an end marker, or the first half of
//! one picture and the second of another. Here the Huffman codes are walked and the blocks counted;
//! nothing is decoded. Only sequential coding is walked: cameras don't make progressive pictures.

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

/// Tables that a file may define: eight for each of the scans that it may have. More are an attack on
/// our time and the decoder's.
const MOST_TABLES: usize = 512;

/// The tables in force at a scan: four for DC, four for AC, and the restart interval.
#[derive(Debug, Default)]
pub(super) struct Tables<'a> {
    codes: [[Option<Codes<'a>>; 4]; 2],
    /// How many were defined so far, also those that others replaced.
    defined: usize,
    restart: u32,
}

impl<'a> Tables<'a> {
    /// Whether no Huffman table has come yet.
    pub(super) fn is_empty(&self) -> bool {
        self.codes.iter().flatten().all(Option::is_none)
    }

    /// Takes a DHT segment's body.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(super) fn define(&mut self, body: &'a [u8]) -> Result<(), &'static str> {
        let mut rest = body;
        while !rest.is_empty() {
            self.defined += 1;
            if self.defined > MOST_TABLES {
                return Err("JPEG with more Huffman tables than its scans can use");
            }
            rest = self
                .define_one(rest)
                .ok_or("damaged JPEG: impossible codes")?;
        }
        Ok(())
    }

    /// Takes the first table of a DHT segment's body, and gives what is left.
    fn define_one(&mut self, body: &'a [u8]) -> Option<&'a [u8]> {
        let (&class, rest) = body.split_first()?;
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let total = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(total)?;
        let slot = self
            .codes
            .get_mut(usize::from(class >> 4))?
            .get_mut(usize::from(class & 15))?;
        *slot = Some(Codes::new(counts, symbols)?);
        Some(rest)
    }

    /// Takes a DRI segment's body.
    pub(super) fn set_restart(&mut self, body: &[u8]) -> Option<()> {
        let &[high, low] = body else { return None };
        self.restart = u16::from_be_bytes([high, low]).into();
        Some(())
    }

    /// Checks one scan: `header` is the SOS segment's body, `data` what follows up to the next
    /// marker that is no restart. Fill bytes before that marker are no data.
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
        let selectors = selectors.as_chunks::<2>().0;
        let lookups = self.lookups(selectors);
        let mut blocks = Vec::new();
        let mut chosen = Vec::new();
        for &[id, tables] in selectors {
            let component = frame.components.iter().find(|c| c.id == id).ok_or(broken)?;
            let [dc, ac] = slots(tables).map(|(class, slot)| lookups[class].get(slot)?.as_ref());
            let (Some(dc), Some(ac)) = (dc, ac) else {
                return Err("damaged JPEG: a scan without its Huffman tables");
            };
            chosen.push(*component);
            blocks.push((component.across * component.down, dc, ac));
        }
        if let [(count, ..)] = blocks.as_mut_slice() {
            // Not interleaved: one block is one MCU.
            *count = 1;
        }
        let mut bits = Bits::new(without_fill(data));
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

    /// The tables that a scan chooses, made ready for it.
    fn lookups(&self, selectors: &[[u8; 2]]) -> [[Option<Lookup<'a>>; 4]; 2] {
        let mut lookups: [[Option<Lookup>; 4]; 2] = Default::default();
        for (class, slot) in selectors.iter().flat_map(|&[_, tables]| slots(tables)) {
            let codes = self.codes[class].get(slot).copied().flatten();
            if let (Some(codes), Some(lookup @ None)) = (codes, lookups[class].get_mut(slot)) {
                *lookup = Some(Lookup::new(codes));
            }
        }
        lookups
    }
}

/// Class and slot of the tables that a component's selector names: DC, then AC.
fn slots(selector: u8) -> [(usize, usize); 2] {
    [(0, (selector >> 4).into()), (1, (selector & 15).into())]
}

/// Coded data end before the marker's 0xff; any number of them may fill up to it.
fn without_fill(data: &[u8]) -> &[u8] {
    let end = data.iter().rposition(|&byte| byte != 0xff);
    &data[..end.map_or(0, |last| last + 1)]
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

/// The codes of a DHT segment as they stand there: canonical, shorter first.
#[derive(Debug, Clone, Copy)]
struct Codes<'a> {
    counts: &'a [u8; 16],
    symbols: &'a [u8],
}

impl<'a> Codes<'a> {
    /// None where there are more codes of a length than can be.
    fn new(counts: &'a [u8; 16], symbols: &'a [u8]) -> Option<Self> {
        let spans = (1u32..).zip(counts);
        let taken: u32 = spans
            .map(|(length, &count)| u32::from(count) << (16 - length))
            .sum();
        (taken <= 1 << 16).then_some(Codes { counts, symbols })
    }
}

/// Codes up to this length are looked up at once: nearly all that come.
const SHORT: u32 = 9;

/// Codes made ready for a scan. Of 1 KiB, so that those of a scan stay in the nearest cache.
struct Lookup<'a> {
    /// For the next bits, as many as [`SHORT`]: length and symbol of the code that they start with;
    /// length 0 is a longer code, or none.
    short: [(u8, u8); 1 << SHORT],
    /// Of each length, 1 to 16: the first 16 bits that are beyond its codes, and what makes of the
    /// code the place of its symbol.
    lengths: [(u32, u32); 16],
    symbols: &'a [u8],
}

impl<'a> Lookup<'a> {
    fn new(Codes { counts, symbols }: Codes<'a>) -> Self {
        let mut short = [(0, 0); 1 << SHORT];
        let mut lengths = [(0, 0); 16];
        // The first 16 bits of the next code, and how many codes were before.
        let (mut start, mut place) = (0u32, 0u32);
        for (index, &count) in counts.iter().enumerate() {
            let length = index as u32 + 1;
            let first = start >> (16 - length);
            lengths[index] = (0, place.wrapping_sub(first));
            for _ in 0..count {
                let end = start + (1 << (16 - length));
                if length <= SHORT {
                    let of = |bits: u32| (bits >> (16 - SHORT)) as usize;
                    let symbol = symbols[place as usize];
                    short[of(start)..of(end)].fill((length as u8, symbol));
                }
                start = end;
                place += 1;
            }
            lengths[index].0 = start;
        }
        Lookup {
            short,
            lengths,
            symbols,
        }
    }

    /// Length and symbol of the code that these 16 bits start with.
    fn code(&self, bits: u32) -> Option<(u32, u8)> {
        let (length, symbol) = self.short[(bits >> (16 - SHORT)) as usize];
        if length > 0 {
            return Some((length.into(), symbol));
        }
        let index = self.lengths.iter().position(|&(end, _)| bits < end)?;
        let length = index as u32 + 1;
        let place = (bits >> (16 - length)).wrapping_add(self.lengths[index].1);
        Some((length, *self.symbols.get(place as usize)?))
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

    fn skip(&mut self, bits: u32) -> Result<(), &'static str> {
        self.held = self.held.checked_sub(bits).ok_or(TOO_FEW)?;
        self.buffer <<= bits;
        Ok(())
    }

    /// Passes one code and the bits that belong to it; gives its symbol.
    fn symbol(&mut self, table: &Lookup<'_>) -> Result<u8, &'static str> {
        if self.held < 32 {
            self.fill();
        }
        let code = table.code((self.buffer >> 48) as u32);
        let (length, symbol) = code.ok_or("damaged JPEG: a code that does not exist")?;
        self.skip(length + u32::from(symbol & 15))?;
        Ok(symbol)
    }

    fn block(&mut self, dc: &Lookup<'_>, ac: &Lookup<'_>) -> Result<(), &'static str> {
        self.symbol(dc)?;
        let mut filled = 1;
        while filled < 64 {
            let symbol = self.symbol(ac)?;
            match (symbol >> 4, symbol & 15) {
                (15, 0) => filled += 16,
                (_, 0) => break,
                (zeros, _) => filled += u32::from(zeros) + 1,
            }
        }
        if filled > 64 {
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

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
