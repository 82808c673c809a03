//! What a view refuses, and which pixels and patches it masks.

use proptest::prelude::*;

use super::*;

fn square(from: f64, to: f64) -> Polygon {
    vec![[from, from], [to, from], [to, to], [from, to]]
}

fn view(crop: [f64; 4], polygons: Vec<Polygon>) -> Result<View, ViewError> {
    View::new(Crop::new(crop)?, Mask::new(polygons)?)
}

fn masked(polygons: Vec<Polygon>, width: u32, height: u32) -> Vec<(u32, u32)> {
    let view = view([0.0, 0.0, 1.0, 1.0], polygons).unwrap();
    let pixels = view.masked_pixels(width, height);
    let at = |(at, _)| (at as u32 % width, at as u32 / width);
    let masked = pixels.iter().enumerate().filter(|(_, masked)| **masked);
    masked.map(at).collect()
}

#[test]
fn a_crop_outside_of_the_frame_or_too_small_is_refused() {
    assert!(
        Crop::new([0.7, 0.0, 0.3, 1.0]).is_ok(),
        "rounding is no fault"
    );
    for outside in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        for place in 0..4 {
            let mut crop = [0.1, 0.1, 0.5, 0.5];
            crop[place] = outside;
            assert!(matches!(Crop::new(crop), Err(ViewError::Outside(_))));
        }
    }
    assert_eq!(Crop::new([0.5, 0.0, 0.6, 1.0]), Err(ViewError::Beyond));
    assert_eq!(Crop::new([0.0, 0.5, 1.0, 0.6]), Err(ViewError::Beyond));
    assert_eq!(
        Crop::new([0.0, 0.0, 0.04, 1.0]),
        Err(ViewError::Small(0.04))
    );
}

#[test]
fn a_polygon_without_an_inside_is_refused_by_its_number() {
    let line = vec![[0.1, 0.1], [0.5, 0.5], [0.9, 0.9], [0.3, 0.3]];
    let point = vec![[0.5, 0.5]; 3];
    let side = vec![[0.1, 0.1], [0.5, 0.1]];
    for flat in [line, point, side, Vec::new()] {
        let mask = Mask::new(vec![square(0.1, 0.2), flat]);
        assert_eq!(mask, Err(ViewError::Flat(2)));
    }
    assert!(Mask::new(vec![vec![[0.1, 0.1], [1.2, 0.1], [0.5, 0.5]]]).is_err());
    assert_eq!(
        Mask::new(vec![square(0.1, 0.2); 257]),
        Err(ViewError::Large)
    );
}

#[test]
fn a_mask_must_leave_a_quarter_of_the_crop() {
    assert!(view([0.0, 0.0, 1.0, 1.0], vec![square(0.0, 0.86)]).is_ok());
    let refused = view([0.0, 0.0, 1.0, 1.0], vec![square(0.0, 0.9)]);
    assert!(matches!(refused, Err(ViewError::Hidden(share)) if share < 0.2));
    let refused = view([0.2, 0.2, 0.3, 0.3], vec![square(0.1, 0.6)]);
    assert_eq!(refused, Err(ViewError::Hidden(0.0)));
}

#[test]
fn a_pixel_is_masked_where_its_centre_is_inside() {
    // From 1.5 to 3.5 pixels: the centres 1.5 and 2.5; the end is no part of it.
    let expected = [(1, 1), (2, 1), (1, 2), (2, 2)];
    assert_eq!(masked(vec![square(0.15, 0.35)], 10, 10), expected);
    let triangle = vec![[0.0, 0.0], [0.38, 0.0], [0.0, 0.38]];
    let below_diagonal = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (0, 2)];
    assert_eq!(masked(vec![triangle], 10, 10), below_diagonal);
}

#[test]
fn a_polygon_that_crosses_itself_follows_the_even_odd_rule_and_polygons_add_up() {
    // Outer and inner square in one line: the inner one is a hole.
    let mut ring = square(0.0, 0.5);
    ring.push([0.0, 0.0]);
    ring.extend(square(0.2, 0.3));
    ring.push([0.2, 0.2]);
    let masked_of = |polygons| masked(polygons, 10, 10).len();
    assert_eq!(masked_of(vec![ring]), 24);
    assert_eq!(masked_of(vec![square(0.0, 0.5), square(0.2, 0.3)]), 25);
}

#[test]
fn a_patch_is_masked_by_half() {
    let patches = |end: f64| {
        let left = vec![[0.0, 0.0], [end, 0.0], [end, 1.0], [0.0, 1.0]];
        let view = view([0.0, 0.0, 1.0, 1.0], vec![left]).unwrap();
        view.masked_patches(2, 4)
    };
    assert_eq!(patches(0.11), [false; 8]);
    let first = [true, false, false, false, true, false, false, false];
    assert_eq!(patches(0.125), first);
    assert_eq!(patches(0.37), first);
}

#[test]
fn patches_lie_over_the_crop_and_not_over_the_frame() {
    let view = view([0.5, 0.0, 0.5, 1.0], vec![square(0.5, 0.75)]).unwrap();
    // Rows and columns are a quarter of the frame each.
    let mut expected = [false; 8];
    expected[4] = true;
    assert_eq!(view.masked_patches(4, 2), expected);
}

#[test]
fn a_crop_covers_whole_pixels_and_at_least_one() {
    let pixels = |crop, width, height| Crop::new(crop).unwrap().pixels(width, height);
    let rect = |x, y, width, height| Rect {
        x,
        y,
        width,
        height,
    };
    assert_eq!(
        pixels([0.25, 0.5, 0.5, 0.5], 640, 480),
        rect(160, 240, 320, 240)
    );
    assert_eq!(Crop::default().pixels(641, 481), Rect::whole(641, 481));
    assert_eq!(pixels([0.95, 0.95, 0.05, 0.05], 16, 16), rect(15, 15, 1, 1));
}

#[test]
fn a_view_is_read_back_as_it_was_written_and_is_checked_again() {
    let view = view([0.1, 0.2, 0.7, 0.3], vec![square(0.1, 0.3)]).unwrap();
    let text = serde_json::to_string(&view).unwrap();
    assert_eq!(serde_json::from_str::<View>(&text).unwrap(), view);
    for (from, to) in [("0.7", "0.01"), ("0.7", "0.95"), ("[0.1,0.1]", "[7,7]")] {
        let spoilt = text.replacen(from, to, 1);
        assert!(serde_json::from_str::<View>(&spoilt).is_err(), "{spoilt}");
    }
}

#[test]
fn views_are_understood_as_people_write_them() {
    assert_eq!("0.1, 0.2,0.5,.5".parse(), Crop::new([0.1, 0.2, 0.5, 0.5]));
    let triangle = Mask::new(vec![vec![[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]]]);
    assert_eq!(" 0,0 1,0  0.5,1 ".parse(), triangle);
    for text in ["", "0.1,0.2,0.5", "0.1,0.2,0.5,x", "1,2,3,4,5"] {
        let fault = text.parse::<Crop>().unwrap_err().to_string();
        assert!(fault.contains("X,Y,WIDTH,HEIGHT"), "{fault}");
    }
    assert!("0,0 1,0 0.5".parse::<Mask>().is_err());
    assert_eq!("0,0 1,0".parse::<Mask>(), Err(ViewError::Flat(1)));
    let two = Mask::joined([triangle.clone().unwrap(), triangle.unwrap()]);
    assert_eq!(Vec::from(two.unwrap()).len(), 2);
}

fn any_polygon() -> impl Strategy<Value = Polygon> {
    let point = (0f64..=1.0, 0f64..=1.0).prop_map(|(x, y)| [x, y]);
    prop::collection::vec(point, 2..12)
}

proptest! {
    #[test]
    fn no_polygon_makes_a_view_panic(
        polygons in prop::collection::vec(any_polygon(), 0..4),
        crop in (0.0f64..0.6, 0.0f64..0.6, 0.04f64..0.45, 0.04f64..0.45),
        (width, height) in (1u32..90, 1u32..90),
    ) {
        let Ok(view) = view([crop.0, crop.1, crop.2, crop.3], polygons) else {
            return Ok(());
        };
        let pixels = view.masked_pixels(width, height);
        prop_assert_eq!(pixels.len(), (width * height) as usize);
        let patches = view.masked_patches(5, 7);
        prop_assert_eq!(patches.len(), 35);
        let rect = view.crop().pixels(width, height);
        prop_assert!(rect.width > 0 && rect.x + rect.width <= width);
        prop_assert!(rect.height > 0 && rect.y + rect.height <= height);
    }

    #[test]
    fn a_pixel_is_masked_exactly_where_a_ray_from_its_centre_crosses_an_odd_number_of_sides(
        polygon in any_polygon(),
    ) {
        let Ok(mask) = Mask::new(vec![polygon.clone()]) else {
            return Ok(());
        };
        let raster = mask.raster(Crop::default(), 31, 23);
        for (at, masked) in raster.into_iter().enumerate() {
            let x = (at % 31) as f64 / 31.0 + 0.5 / 31.0;
            let y = (at / 31) as f64 / 23.0 + 0.5 / 23.0;
            let sides = (0..polygon.len()).filter(|&i| {
                let (a, b) = (polygon[i], polygon[(i + 1) % polygon.len()]);
                (a[1] <= y) != (b[1] <= y)
                    && x < a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1])
            });
            prop_assert_eq!(masked, sides.count() % 2 == 1, "{} {}", x, y);
        }
    }
}
