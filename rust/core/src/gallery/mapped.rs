//! The vectors of a gallery: in memory, or in a file that is mapped.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// Bytes that something else keeps, such as a mapped file.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Float32 values; those of a file cannot be changed.
#[derive(Clone)]
pub(super) enum Values {
    Owned(Vec<f32>),
    Mapped { bytes: Bytes, range: Range<usize> },
}

impl Values {
    /// Values in a range of bytes, which must be aligned for float32 and in the byte order of the CPU.
    pub fn mapped(bytes: Bytes, range: Range<usize>) -> Option<Self> {
        let part = (*bytes).as_ref().get(range.clone())?;
        bytemuck::try_cast_slice::<u8, f32>(part).ok()?;
        Some(Self::Mapped { bytes, range })
    }

    /// The vector behind the values; none if they are in a file.
    pub fn owned(&mut self) -> Option<&mut Vec<f32>> {
        match self {
            Self::Owned(values) => Some(values),
            Self::Mapped { .. } => None,
        }
    }

    /// Bytes of memory that they take. A mapped file takes none.
    pub fn nbytes(&self) -> usize {
        match self {
            Self::Owned(values) => values.capacity() * size_of::<f32>(),
            Self::Mapped { .. } => 0,
        }
    }
}

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Owned(values) => values,
            Self::Mapped { bytes, range } => {
                bytemuck::cast_slice(&(**bytes).as_ref()[range.clone()])
            }
        }
    }
}

impl std::fmt::Debug for Values {
    /// Templates must not end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} values", self.len())
    }
}
