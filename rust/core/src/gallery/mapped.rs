//! The vectors of a gallery: in memory, or in a file that is mapped.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// Bytes that others hold, as a mapped file does.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Float32 values; those of a file cannot be changed.
#[derive(Clone)]
pub(super) enum Values {
    Owned(Vec<f32>),
    Mapped { bytes: Bytes, range: Range<usize> },
}

impl Values {
    /// Values within bytes, if these begin where a float32 may; their order of bytes must be the CPU's.
    pub fn mapped(bytes: Bytes, range: Range<usize>) -> Option<Self> {
        let part = (*bytes).as_ref().get(range.clone())?;
        bytemuck::try_cast_slice::<u8, f32>(part).ok()?;
        Some(Self::Mapped { bytes, range })
    }

    /// The list behind the values, unless they are in a file.
    pub fn owned(&mut self) -> Option<&mut Vec<f32>> {
        match self {
            Self::Owned(values) => Some(values),
            Self::Mapped { .. } => None,
        }
    }

    /// Bytes of memory that are taken for them; a mapped file takes none of its own.
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
