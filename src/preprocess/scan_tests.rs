//! Codes against the plainest reading of them, bombs of tables, and fill bytes.

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

use super::super::decode::decode;
use super::super::huffman::standard_tables;
use super::*;
use crate::capture::Pixels;

fn jpeg() -> Vec<u8> {
    let picture = RgbImage::from_fn(64, 48, |x, y| {
        image::Rgb([(x * 4) as u8, (y * 5) as u8, 90])
    });
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
    encoder.encode_image(&picture).unwrap();
    bytes
}

fn pixels(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let file = Pixels::Encoded(bytes.to_vec());
    let picture = decode(&file).map_err(|rejection| rejection.to_string())?;
    Ok(picture.data.into_owned())
}

/// A picture with `count` tables of a single code before its own.
fn bomb(count: usize) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    for _ in 0..count {
        bytes.extend([0xff, 0xc4, 0, 20, 0x13, 1]);
        bytes.extend([0; 16]);
    }
    bytes.extend(&jpeg()[2..]);
    bytes
}

#[test]
fn every_code_is_found_as_the_standard_spells_it() {
    let mut tables = Tables::default();
    tables.define(standard_tables()).unwrap();
    // A table whose codes all are longer than those that are looked up at once.
    let long: Vec<u8> = [
        vec![0x02],
        vec![0; 9],
        vec![3, 0, 5, 0, 0, 0, 200],
        (0..208).collect(),
    ]
    .concat();
    tables.define(&long).unwrap();
    let mut seen = 0;
    for codes in tables.codes.iter().flatten().flatten() {
        let lookup = Lookup::new(*codes);
        let mut expected = vec![None; 1 << 16];
        let (mut start, mut symbols) = (0, codes.symbols.iter());
        for (length, &count) in (1u32..).zip(codes.counts) {
            for &symbol in symbols.by_ref().take(count.into()) {
                let span = 1 << (16 - length);
                expected[start..start + span].fill(Some((length, symbol)));
                start += span;
            }
        }
        for (bits, code) in (0u32..).zip(expected) {
            assert_eq!(lookup.code(bits), code, "{bits:016b}");
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn a_bomb_of_tables_is_refused_before_the_rest_of_them_is_looked_at() {
    let body = [0; 17].repeat(100_000);
    let mut tables = Tables::default();
    assert!(tables.define(&body).unwrap_err().contains("Huffman tables"));
    assert_eq!(tables.defined, MOST_TABLES + 1);
    let refused = pixels(&bomb(10_000)).unwrap_err();
    assert!(refused.contains("Huffman tables"), "{refused}");
    assert_eq!(pixels(&bomb(100)), pixels(&jpeg()), "odd, and a picture");
}

#[test]
fn only_the_tables_that_a_scan_chooses_are_made_ready_and_each_once() {
    let mut tables = Tables::default();
    tables.define(standard_tables()).unwrap();
    let ready = |selectors: &[[u8; 2]]| {
        let lookups = tables.lookups(selectors);
        lookups.iter().flatten().flatten().count()
    };
    assert_eq!(ready(&[[1, 0x00]]), 2);
    assert_eq!(ready(&[[1, 0x00], [2, 0x11], [3, 0x11]]), 4);
    assert_eq!(ready(&[[1, 0x23], [2, 0xff]]), 0);
    assert!(size_of::<Lookup<'_>>() < 1500);
}

#[test]
fn more_codes_than_there_can_be_are_refused() {
    let three_of_one_bit = [&[0, 3][..], &[0; 15], &[1, 2, 3]].concat();
    let mut tables = Tables::default();
    assert!(
        tables
            .define(&three_of_one_bit)
            .unwrap_err()
            .contains("impossible")
    );
    let cut = &standard_tables()[..100];
    assert!(tables.define(cut).unwrap_err().contains("impossible"));
}

#[test]
fn any_number_of_fill_bytes_before_a_marker_is_no_data() {
    let clean = jpeg();
    for at in [clean.len() - 2, 2] {
        for count in [1, 17, 1000] {
            let mut filled = clean.clone();
            filled.splice(at..at, vec![0xff; count]);
            assert_eq!(pixels(&filled), pixels(&clean), "{count} at {at}");
        }
    }
    let mut garbage = clean.clone();
    let at = clean.len() - 2;
    garbage.splice(at..at, vec![0x55; 100]);
    assert!(pixels(&garbage).unwrap_err().contains("more data"));
}
