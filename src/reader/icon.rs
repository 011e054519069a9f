//! The picture of a reader for `SCardGetReaderIcon`: readers bring none along, so all have this one.
//!
//! An icon file with one image of 256 × 256 pixels in 16 colours, without transparency, as MSDN wants it.

/// Pixels in a row, and rows.
const SIZE: usize = 256;
/// Bytes of a row of four-bit pixels.
const ROW: usize = SIZE / 2;
/// Bytes of a row of the mask, one bit a pixel.
const MASK_ROW: usize = SIZE / 8;
/// Bytes of the file's directory: header and one entry.
const DIRECTORY: usize = 6 + 16;
/// Bytes of a BITMAPINFOHEADER.
const INFO: usize = 40;
/// Bytes of the image.
const IMAGE: usize = INFO + 16 * 4 + ROW * SIZE + MASK_ROW * SIZE;

/// Blue, green, red of what is drawn, by number: background, housing, its front, slot, card, contacts.
const COLOURS: [[u8; 3]; 6] = [
    [255, 255, 255],
    [96, 80, 72],
    [120, 104, 96],
    [32, 24, 24],
    [232, 216, 200],
    [64, 176, 216],
];

/// Left, top, right, bottom (outside) and colour of each rectangle; later ones lie upon earlier ones.
const SHAPES: [(usize, usize, usize, usize, u8); 8] = [
    (72, 16, 184, 136, 4),
    (88, 40, 128, 72, 5),
    (106, 40, 110, 72, 4),
    (88, 54, 128, 58, 4),
    (32, 120, 224, 232, 1),
    (40, 160, 216, 224, 2),
    (60, 124, 196, 140, 3),
    (188, 196, 204, 212, 5),
];

fn colour(x: usize, y: usize) -> u8 {
    let covering = SHAPES.iter().rev();
    let mut covering =
        covering.filter(|(left, top, right, bottom, _)| (*left..*right).contains(&x) && (*top..*bottom).contains(&y));
    covering.next().map_or(0, |shape| shape.4)
}

/// The file.
pub(crate) fn icon() -> Vec<u8> {
    let mut file = Vec::with_capacity(DIRECTORY + IMAGE);
    let word = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let long = |file: &mut Vec<u8>, value: usize| file.extend(u32::try_from(value).unwrap_or(0).to_le_bytes());
    // ICONDIR: reserved, type 1, one image. ICONDIRENTRY: 0 stands for 256 pixels.
    for value in [0, 1, 1] {
        word(&mut file, value);
    }
    file.extend([0, 0, 16, 0]);
    word(&mut file, 1);
    word(&mut file, 4);
    long(&mut file, IMAGE);
    long(&mut file, DIRECTORY);
    // BITMAPINFOHEADER; the height counts picture and mask.
    long(&mut file, INFO);
    long(&mut file, SIZE);
    long(&mut file, 2 * SIZE);
    word(&mut file, 1);
    word(&mut file, 4);
    for value in [0, ROW * SIZE, 0, 0, 16, 0] {
        long(&mut file, value);
    }
    for index in 0..16 {
        let [blue, green, red] = COLOURS.get(index).copied().unwrap_or_default();
        file.extend([blue, green, red, 0]);
    }
    // Rows from the bottom up, two pixels in a byte; then the mask, in which nothing is transparent.
    for y in (0..SIZE).rev() {
        file.extend((0..ROW).map(|pair| colour(2 * pair, y) << 4 | colour(2 * pair + 1, y)));
    }
    file.resize(DIRECTORY + IMAGE, 0);
    file
}
