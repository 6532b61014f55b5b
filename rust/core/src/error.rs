//! The one error type of the core.

/// What can be wrong with an input. Messages name the argument, what was expected and what came;
/// they never carry pixel values or templates.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum CoreError {
    /// An argument has the wrong shape, range or content.
    #[error("{argument}: expected {expected}, got {got}")]
    Invalid {
        /// Name of the argument as the caller knows it.
        argument: &'static str,
        /// What would have been accepted.
        expected: String,
        /// What came instead.
        got: String,
    },
    /// A text does not hold what it should; lines and columns (of bytes) count from 1.
    #[error("line {line}, column {column}: expected {expected}, got {got}")]
    Text {
        /// Line of the first byte that does not fit.
        line: usize,
        /// Its place in the line.
        column: usize,
        /// What would have been accepted there.
        expected: String,
        /// What is there instead.
        got: String,
    },
    /// An identity that is not in the gallery was asked for.
    #[error("identity is not in the gallery; add references for it first")]
    UnknownIdentity,
}

impl CoreError {
    /// Shorthand for [`CoreError::Invalid`].
    pub fn invalid(
        argument: &'static str,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            argument,
            expected: expected.into(),
            got: got.into(),
        }
    }
}

/// Result of a core operation.
pub type Result<T> = std::result::Result<T, CoreError>;
