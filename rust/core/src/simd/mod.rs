//! Instruction sets, and the choice of one that this CPU has. Nothing here knows what is computed with them.
//!
//! An algorithm over eight lanes (`Lanes`) is written once, as `Loops`. A [`Kernel`] runs it on the fastest
//! instruction set of the CPU. So one wheel carries all of them and needs no build flags.
#![allow(
    unsafe_code,
    reason = "calls into instruction sets are unsafe; each says why it is sound"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;
mod portable;
#[cfg(target_arch = "x86_64")]
mod prefetch;
mod scalar;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2Fma;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512Vnni;
pub(crate) use lanes::{Eight, LANES, Lanes, Loops};
pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use prefetch::{Reads, fetch_ahead};
pub(crate) use scalar::{floor, least, most, whole};

/// An instruction set that algorithms are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// 512-bit registers and byte products (servers from 2019, desktops from 2022 on).
    Avx512Vnni,
    /// 256-bit registers and fused multiply-add (`x86_64` from 2013 on).
    Avx2Fma,
    /// Plain Rust, vectorised by the compiler for the baseline of the target.
    Portable,
}

impl Backend {
    /// All back ends, fastest first, whether or not this CPU has them.
    pub const ALL: [Self; 3] = [Self::Avx512Vnni, Self::Avx2Fma, Self::Portable];

    /// The name shown to users.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512Vnni => "avx512-vnni",
            Self::Avx2Fma => "avx2+fma",
            Self::Portable => "portable",
        }
    }
}

/// A back end that this CPU has: holding a kernel proves it.
///
/// Other modules add methods for what they compute: see [`crate::distance`].
#[derive(Debug, Clone, Copy)]
pub struct Kernel(Chosen);

/// A back end and the proof that this CPU has it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chosen {
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512Vnni),
    #[cfg(target_arch = "x86_64")]
    Avx2Fma(Avx2Fma),
    Portable(Portable),
}

impl Kernel {
    /// The kernel of one back end, or `None` where this CPU lacks it.
    #[must_use]
    pub fn of(backend: Backend) -> Option<Self> {
        match backend {
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512Vnni => Avx512Vnni::detect().map(Chosen::Avx512Vnni).map(Self),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2Fma => Avx2Fma::detect().map(Chosen::Avx2Fma).map(Self),
            #[cfg(not(target_arch = "x86_64"))]
            Backend::Avx512Vnni | Backend::Avx2Fma => None,
            Backend::Portable => Some(Self(Chosen::Portable(Portable))),
        }
    }

    /// The fastest kernel that this CPU has.
    #[must_use]
    pub fn fastest() -> Self {
        Backend::ALL
            .into_iter()
            .find_map(Self::of)
            .unwrap_or(Self(Chosen::Portable(Portable)))
    }

    /// Every kernel that this CPU has, fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Backend::ALL.into_iter().filter_map(Self::of)
    }

    /// The back end that this kernel runs on.
    #[must_use]
    pub fn backend(self) -> Backend {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(_) => Backend::Avx512Vnni,
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(_) => Backend::Avx2Fma,
            Chosen::Portable(_) => Backend::Portable,
        }
    }

    /// The back end with its proof, for code that is written for one back end alone.
    pub(crate) fn chosen(self) -> Chosen {
        self.0
    }

    /// Run loops, compiled for the instruction set.
    pub(crate) fn run<W: Loops>(self, work: W) -> W::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx512Vnni(lanes) => lanes.avx2().run(work),
            #[cfg(target_arch = "x86_64")]
            Chosen::Avx2Fma(lanes) => lanes.run(work),
            Chosen::Portable(lanes) => work.run(lanes),
        }
    }

    /// Fetch data into the caches that are going to be read soon. Does nothing on CPUs other than `x86_64`.
    pub fn prefetch<T>(self, data: &[T]) {
        #[cfg(target_arch = "x86_64")]
        prefetch::fetch(data);
        #[cfg(not(target_arch = "x86_64"))]
        let _ = data;
    }
}
