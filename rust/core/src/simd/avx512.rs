//! AVX-512 with VNNI: 16 float32 numbers in one register, and 64 byte products in one instruction.

use super::avx2::Avx2Fma;

/// The proof that this CPU has AVX-512 F, BW and VNNI: only [`Avx512Vnni::detect`] makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512Vnni {
    avx2: Avx2Fma,
}

impl Avx512Vnni {
    /// Ask the CPU (the standard library remembers its answer).
    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        let avx2 = Avx2Fma::detect()?;
        found.then_some(Self { avx2 })
    }

    /// The 256-bit registers, for loops that 512 bits do not make faster.
    pub(crate) fn avx2(self) -> Avx2Fma {
        self.avx2
    }
}
