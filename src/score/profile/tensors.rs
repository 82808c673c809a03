//! Arrays in a safetensors file, by name: how a Profile's files are written and read. What is in them,
//! and whether it fits together, is known elsewhere. The library is named in this file only.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// A number that an array can hold; little-endian in the file.
pub(super) trait Element: Copy {
    const DTYPE: Dtype;

    fn write(self, bytes: &mut Vec<u8>);

    /// All of an array's bytes.
    fn read(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! element {
    ($type:ty, $dtype:ident) => {
        impl Element for $type {
            const DTYPE: Dtype = Dtype::$dtype;

            fn write(self, bytes: &mut Vec<u8>) {
                bytes.extend(self.to_le_bytes());
            }

            fn read(bytes: &[u8]) -> Vec<Self> {
                let (values, _) = bytes.as_chunks();
                values.iter().map(|&own| Self::from_le_bytes(own)).collect()
            }
        }
    };
}

element!(f64, F64);
element!(f32, F32);
element!(u32, U32);
element!(u8, U8);

/// Arrays on their way to a file: name, type, shape, bytes.
#[derive(Default)]
pub(super) struct Writer(Vec<(String, Dtype, Vec<usize>, Vec<u8>)>);

impl Writer {
    /// An array of this shape, row by row.
    pub(super) fn put<T: Element>(&mut self, name: &str, shape: &[usize], values: &[T]) {
        let mut bytes = Vec::with_capacity(size_of_val(values));
        values.iter().for_each(|value| value.write(&mut bytes));
        self.0
            .push((name.to_owned(), T::DTYPE, shape.to_vec(), bytes));
    }

    /// An array of rows of one length, of which there may be none.
    pub(super) fn put_rows<T: Element, R: IntoIterator<Item = T>>(
        &mut self,
        name: &str,
        rows: impl Iterator<Item = R>,
    ) {
        let (mut count, mut bytes) = (0, Vec::new());
        for row in rows {
            row.into_iter().for_each(|value| value.write(&mut bytes));
            count += 1;
        }
        let width = bytes.len() / size_of::<T>() / count.max(1);
        self.0
            .push((name.to_owned(), T::DTYPE, vec![count, width], bytes));
    }

    /// The file's bytes; equal content gives equal bytes.
    pub(super) fn finish(self) -> Vec<u8> {
        let views = self.0.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes);
            (name, view.expect("the bytes are those of the shape"))
        });
        safetensors::serialize(views, None).expect("a few arrays have a short header")
    }
}

/// Arrays of a file. Errors say what is wrong with it, as the end of a sentence.
pub(super) struct Reader<'a>(SafeTensors<'a>);

impl<'a> Reader<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let arrays = SafeTensors::deserialize(bytes);
        Ok(Reader(arrays.map_err(|error| {
            format!("is no safetensors file ({error})")
        })?))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.tensor(name).is_ok()
    }

    /// Shape and values of an array.
    pub(super) fn get<T: Element>(&self, name: &str) -> Result<(Vec<usize>, Vec<T>), String> {
        let array = self.0.tensor(name);
        let array = array.map_err(|_| format!("holds no array {name}"))?;
        let (found, wanted) = (array.dtype(), T::DTYPE);
        if found != wanted {
            return Err(format!("holds {name} as {found:?} instead of {wanted:?}"));
        }
        Ok((array.shape().to_vec(), T::read(array.data())))
    }

    /// The rows of an array, each of `width` values.
    pub(super) fn rows<T: Element>(&self, name: &str, width: usize) -> Result<Vec<Vec<T>>, String> {
        let (shape, values) = self.get(name)?;
        let is_sound = match shape[..] {
            [0, _] => true,
            [_, columns] => columns == width,
            _ => false,
        };
        if !is_sound {
            return Err(unsound(name));
        }
        let rows = values.chunks_exact(width.max(1));
        Ok(rows.map(<[T]>::to_vec).collect())
    }
}

/// What is wrong with a file whose array of this name can be read and makes no sense.
pub(super) fn unsound(name: &str) -> String {
    format!("holds values of {name} that calibration can't have written")
}
